"""The search that `evaluation.retrieval --beside bm25s` compares with: bm25s over words as its users cut them.

bm25s as it comes (Lucene's BM25, k1 = 1.5, b = 0.75; Lù 2024, arXiv:2407.03618). Chinese is cut by jieba for search
engines, which also gives the words inside long ones; other languages by bm25s itself, with its English stop words and
the Snowball stemmer. Both packages are in requirements-dev.txt; nothing else needs them.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Sequence

from errors import InputError
from evaluation.dataset import Dataset

NAMES = ("bm25s",)
Cut = Callable[[str], list[str]]


def rankings(dataset: Dataset, k: int) -> list[list[str]]:
    """For each question the ids of its `k` best texts, best first. Raises `InputError` without the packages."""
    try:
        import bm25s
    except ImportError as error:
        raise _missing("bm25s") from error
    cut = cutter(dataset)
    texts = [cut(f"{item.title}\n{item.text}") for item in dataset.corpus]
    ranked = bm25s.BM25()
    ranked.index(texts, show_progress=False)
    asked = [cut(question.text) for question in dataset.questions]
    found = ranked.retrieve(asked, k=min(k, len(texts)), show_progress=False)
    rows = zip(found.documents.tolist(), found.scores.tolist(), strict=True)
    # It fills up with texts that share no word with the question.
    return [[dataset.corpus[at].id for at, score in zip(*row, strict=True) if score > 0] for row in rows]


def cutter(dataset: Dataset) -> Cut:
    """What makes words of a text, by the script of the questions."""
    text = "".join(question.text for question in dataset.questions)
    chinese = sum("\u4e00" <= char <= "\u9fff" for char in text)
    return _jieba() if 2 * chinese > len(text) else _english()


def _jieba() -> Cut:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its regular expressions are of an older Python
        try:
            import jieba
        except ImportError as error:
            raise _missing("jieba") from error
    jieba.setLogLevel(logging.WARNING)
    return lambda text: [word for word in jieba.lcut_for_search(text.lower()) if any(map(str.isalnum, word))]


def _english() -> Cut:
    import bm25s
    import Stemmer

    stemmer = Stemmer.Stemmer("english")

    def cut(text: str) -> list[str]:
        words: Sequence[list[str]] = bm25s.tokenize(
            [text], stopwords="en", stemmer=stemmer, return_ids=False, show_progress=False
        )
        return words[0]

    return cut


def _missing(package: str) -> InputError:
    return InputError(
        f"The package {package} is not installed, and --beside compares with it; run "
        "pip install -r requirements-dev.txt.",
        zh=f"没有安装 --beside 用来对比的 {package} 包；请运行 pip install -r requirements-dev.txt。",
    )
