"""What the measurements of the index and the encoder measure: python -m pytest tests/test_evaluation_index.py"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest

from encoder import SentenceEncoder, Vectors
from evaluation import encoding, index
from retrieval.base import Document
from retrieval.split import passages


def test_the_text_is_the_librarys_and_the_same_every_time() -> None:
    assert index.paragraph(7) == index.paragraph(7) != index.paragraph(8)
    assert all(sentence in " ".join(index.library()) for sentence in index.library()[:3])
    assert len(index.library()) > 500


def test_every_paragraph_is_one_passage() -> None:
    text = "\n\n".join(map(index.paragraph, range(400)))
    assert len(passages(Document("d", "D", text, "documents", language="en"))) == 400


def test_questions_have_eight_words() -> None:
    asked = index.questions(50)
    assert {len(question.split()) for question in asked} == {8} and len(set(asked)) == 50


def test_an_index_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert index.main(["--passages", "1000", "--vectors", "--json"]) == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])["1000"]
    assert said["passages"] == 1000
    assert min(said.values()) > 0
    assert said["peak_memory_mb"] < 400 and said["times_rank_bm25"] < 1000


@pytest.mark.parametrize("sizes", ["many", "10", "1000,x"])
def test_a_size_that_is_none_is_told(sizes: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        index.main(["--passages", sizes])
    assert f"--passages is {sizes}; give numbers of at least 1000" in capsys.readouterr().err


def test_rankings_are_compared(encoder: SentenceEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "_QUESTIONS", 20)
    given = encoding.texts(40)
    assert len(given) == 40
    alike = encoding.ranked_alike(encoder.encode, encoder.encode, given)
    assert alike["same_first"] == alike["same_of_first_10"] == 1 and alike["least_cosine"] == pytest.approx(1, abs=1e-3)

    def turned(texts: Sequence[str]) -> Vectors:
        vectors = encoder.encode(texts)
        return np.roll(vectors, 1, axis=0) if len(texts) == 40 else vectors

    assert encoding.ranked_alike(turned, encoder.encode, given)["same_first"] < 0.5
