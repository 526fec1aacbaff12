"""How the reader tells news. python -m pytest tests/test_news_digest.py"""

from __future__ import annotations

from dataclasses import replace

import pytest

from chat.base import ChatRequest, Finish, Message, Role
from chat.excerpt import words
from chat.news_digest import digest
from chat.reader import Reader
from encoder import SentenceEncoder
from retrieval.base import Passage
from retrieval.judge import SentenceJudge
from retrieval.rerank import Reranker
from retrieval.unit_vectors import UnitVectors


def report(number: int, headline: str, text: str = "", leads: bool = True, language: str = "en") -> Passage:
    whole = f"2026-11-2{number} 08:00 UTC: {headline}\n\n{text}".strip()
    id = f"news:{number}"
    return Passage(f"{id}#0", whole, headline, "news", id, language=language, end=len(whole), score=1.0, leads=leads)


LIT = report(5, "Lighthouse lit again", "The lighthouse shines. It had been dark since March.")
CLOSED = report(4, "Bakery closes", "Bakery closes. Nobody wanted it.")
OLD = report(3, "School opens", leads=False)


class Uncounted:
    """An index that holds nothing."""

    def frequencies(self, terms: object) -> tuple[list[int], int]:
        return [0] * len(list(terms)), 0  # type: ignore[call-overload]


def test_the_reports_that_lead_are_listed_with_date_first_sentence_and_number() -> None:
    assert digest("What is in the news?", [LIT, CLOSED, OLD]) == (
        "- 2026-11-25 08:00 UTC: Lighthouse lit again — The lighthouse shines. [1]\n"
        "- 2026-11-24 08:00 UTC: Bakery closes [2]"
    )


def test_a_question_for_one_fact_or_without_news_is_no_digest() -> None:
    assert digest("Is the lighthouse lit today?", [LIT]) == ""
    assert digest("Who discovered penicillin?", [LIT]) == ""
    assert digest("What is in the news?", [OLD]) == ""


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_line_is_short_whatever_the_report(language: str) -> None:
    long = "灯塔重新点亮，" * 60 if language == "zh" else "the lighthouse, the harbour and the school " * 60
    line = digest("any news?", [report(1, long, long, language=language)])
    assert line.endswith("[1]") and "\n" not in line
    assert words(line) < 70


def test_brackets_in_a_report_are_no_citations() -> None:
    assert r"\[7\]" in digest("any news?", [report(1, "The vote [7] was close")]).replace("\\[7]", r"\[7\]")


def test_the_reader_tells_news_and_without_any_names_the_source(encoder: SentenceEncoder) -> None:
    reader = Reader(SentenceJudge(UnitVectors(encoder)))

    def answer(*passages: Passage) -> tuple[str, Finish | None]:
        chunks = list(reader.stream(ChatRequest((Message(Role.USER, "Any news?"),), passages, "Any news?")))
        return "".join(chunk.text for chunk in chunks), chunks[-1].finish

    assert answer(LIT) == ("- 2026-11-25 08:00 UTC: Lighthouse lit again — The lighthouse shines. [1]", Finish.STOP)
    text, finish = answer()
    assert finish is Finish.UNANSWERED and "“News”" in text


def test_what_leads_keeps_its_order_and_place_however_little_it_shares(encoder: SentenceEncoder) -> None:
    reranker = Reranker(SentenceJudge(UnitVectors(encoder)), Uncounted())
    text = "The news is what is reported. What is in the news changes every day."
    article = Passage("a#0", text, "News", "library", "a", language="en", end=len(text), score=9.0)
    twice = replace(LIT, id="news:9#0", document="news:9")
    found = reranker.rank("What is in the news?", [article, CLOSED, LIT, twice, OLD], "en", 4, threshold=0.04)
    assert [passage.id for passage in found[:2]] == [CLOSED.id, LIT.id]
    assert OLD.id not in {passage.id for passage in found} and twice.id not in {passage.id for passage in found}
    assert all(0 <= passage.score <= 1 for passage in found)
