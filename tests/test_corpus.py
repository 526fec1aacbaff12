"""The starter library keeps the form that splitting, quoting and citing rely on (see assets/corpus/README.md)."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import pytest

CORPUS = Path(__file__).parent.parent / "assets" / "corpus"
ARTICLES = sorted(CORPUS.glob("en/*.md")) + sorted(CORPUS.glob("zh/*.md"))

LEAST_ARTICLES = {"en": 66, "zh": 15}
SECTIONS = range(2, 5)
LENGTH = {"en": range(150, 301), "zh": range(250, 601)}
"""Words in English, characters without white space in Chinese; headings are not counted."""

HTML_TAG = re.compile(r"</?[A-Za-z][^>]*>|<!")
WESTERN_SENTENCE_END = re.compile(r"[.?!][\"')]?$")


def text_of(article: Path) -> str:
    """The article as text. Raises UnicodeDecodeError where it is not UTF-8; line ends are not translated."""
    return article.read_bytes().decode("utf-8")


def title_of(text: str) -> str:
    return text.partition("\n")[0].removeprefix("# ")


def body_of(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith("#"))


def length_of(text: str, language: str) -> int:
    body = body_of(text)
    return len(body.split()) if language == "en" else len("".join(body.split()))


def blocks_of(text: str) -> list[str]:
    """Headings and paragraphs, in order."""
    return [block for block in text.split("\n\n") if block.strip()]


def file_name_of(title: str) -> str:
    """Kebab case without accents: `Vincent van Gogh` -> `vincent-van-gogh.md`."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode("ascii").lower()
    return "-".join(re.findall(r"[a-z0-9]+", plain)) + ".md"


def article_id(article: Path) -> str:
    return f"{article.parent.name}/{article.stem}"


each_article = pytest.mark.parametrize("article", ARTICLES, ids=article_id)


@pytest.mark.parametrize(("language", "least"), LEAST_ARTICLES.items())
def test_the_library_is_large_enough(language: str, least: int) -> None:
    assert len(list((CORPUS / language).glob("*.md"))) >= least


@pytest.mark.parametrize("language", LEAST_ARTICLES)
def test_titles_are_unique_within_a_language(language: str) -> None:
    titles = [title_of(text_of(article)).casefold() for article in (CORPUS / language).glob("*.md")]
    assert sorted(titles) == sorted(set(titles))


@each_article
def test_an_article_has_one_title_and_two_to_four_sections(article: Path) -> None:
    text = text_of(article)
    headings = re.findall(r"^(#+) +\S", text, flags=re.MULTILINE)
    assert text.startswith("# ")
    assert headings.count("#") == 1
    assert headings.count("##") in SECTIONS
    assert len(headings) == headings.count("#") + headings.count("##"), "deeper headings are not used"


@each_article
def test_every_heading_is_followed_by_text(article: Path) -> None:
    blocks = blocks_of(text_of(article))
    bare = [block for block, after in zip(blocks, [*blocks[1:], "#"], strict=True) if block[0] == after[0] == "#"]
    assert bare == []


@each_article
def test_an_article_has_the_agreed_length(article: Path) -> None:
    language = article.parent.name
    assert length_of(text_of(article), language) in LENGTH[language]


@each_article
def test_an_article_is_plain_markdown_in_utf8(article: Path) -> None:
    text = text_of(article)
    assert not HTML_TAG.findall(text)
    assert not [char for char in text if unicodedata.category(char) in {"Cc", "Cf", "Co"} and char != "\n"]
    assert text == unicodedata.normalize("NFC", text)
    assert text.endswith("\n") and not text.endswith("\n\n")


@each_article
def test_headings_and_paragraphs_are_one_line_each(article: Path) -> None:
    """A sentence is quoted exactly as it stands, so no line may break inside it."""
    assert [block for block in blocks_of(text_of(article)) if "\n" in block.strip("\n")] == []


@pytest.mark.parametrize("article", sorted(CORPUS.glob("en/*.md")), ids=article_id)
def test_an_english_file_is_named_after_its_title(article: Path) -> None:
    assert article.name == file_name_of(title_of(text_of(article)))


@pytest.mark.parametrize("article", sorted(CORPUS.glob("en/*.md")), ids=article_id)
def test_english_paragraphs_end_with_a_finished_sentence(article: Path) -> None:
    paragraphs = [block.strip() for block in blocks_of(text_of(article)) if not block.startswith("#")]
    assert [paragraph for paragraph in paragraphs if not WESTERN_SENTENCE_END.search(paragraph)] == []
