"""Citations checked against their passages, sentence by sentence. python -m pytest tests/test_claims.py"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from chat.claims import CitationCheck, CitationChecks, claims
from chat.conversation import Doubt
from encoder import SentenceEncoder
from errors import ModelError
from retrieval.base import Passage
from retrieval.judge import SentenceJudge
from retrieval.support import Support, numbers_in, spoken
from retrieval.unit_vectors import UnitVectors

FLEMING = (
    "Penicillin was discovered in 1928 by the Scottish physician Alexander Fleming at St Mary's Hospital in London. "
    "A mould had killed the bacteria in one of his dishes. He published his findings in 1929."
)
FLOREY = (
    "Howard Florey and Ernst Chain made penicillin a medicine in Oxford. The first patient was a policeman, Albert "
    "Alexander, in 1941. Mass production began in the United States during the war."
)
MANSION = "弗莱明出生于苏格兰的达弗尔。他于1928年在伦敦圣玛丽医院发现了青霉素，1945年获得诺贝尔生理学或医学奖。"
LOIRE = "La Loire prend sa source au mont Gerbier-de-Jonc. Elle mesure 1 006 kilomètres et se jette dans l'Atlantique."
PASSAGES = {
    1: Passage("p#0", FLEMING, "Penicillin", "library", "p", language="en"),
    2: Passage("p#1", FLOREY, "Penicillin", "library", "p", section="Use", language="en"),
    3: Passage("f#0", MANSION, "亚历山大·弗莱明", "library", "f", language="zh"),
    4: Passage("l#0", LOIRE, "Loire", "documents", "l", language="fr"),
}


@pytest.fixture(scope="module")
def support(encoder: SentenceEncoder) -> Support:
    return Support(SentenceJudge(UnitVectors(encoder)))


@pytest.fixture
def checks(support: Support) -> CitationChecks:
    return CitationChecks(support, limit_s=60.0)


def begun(checks: CitationChecks, language: str = "en") -> CitationCheck:
    return checks.begin(language, PASSAGES.__getitem__)


def doubted(checks: CitationChecks, answer: str, language: str = "en") -> list[int]:
    """Numbers of the doubtful citations, in order."""
    return [doubt.number for doubt in begun(checks, language).doubts(answer, tuple(PASSAGES))]


# What cites what


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Fleming did [1]. Florey helped [2].", [("Fleming did.", (1,)), ("Florey helped.", (2,))]),
        ("Fleming did. [1] Florey helped. [2]", [("Fleming did.", (1,)), ("Florey helped.", (2,))]),
        ("Fleming did.[1][2] Nobody else.", [("Fleming did.", (1, 2))]),
        ("As [1] says, Fleming did [2].", [("As says, Fleming did.", (1, 2))]),
        ("[1] Fleming did.\n[2] Florey helped.", [("Fleming did.", (1,)), ("Florey helped.", (2,))]),
        ("Fleming did.\n\n[1]\n\nFlorey helped.", [("Fleming did.", (1,))]),
        ("- Fleming did [1]\n- Florey helped [2]", [("Fleming did", (1,)), ("Florey helped", (2,))]),
        ("他发现了青霉素[3]。后来得了奖【1】。", [("他发现了青霉素。", (3,)), ("后来得了奖。", (1,))]),
        ("Use `a [1]` here. A footnote [9].", []),
        ("[1]", []),
        ("", []),
    ],
)
def test_a_citation_belongs_to_its_sentence(text: str, wanted: list[tuple[str, tuple[int, ...]]]) -> None:
    found = claims(text, (1, 2, 3))
    assert [(claim.sentence, claim.numbers) for claim in found] == wanted
    assert all(text[mark.start] in "[【" and text[mark.end - 1] in "]】" for claim in found for mark in claim.marks)


# Supported or not


@pytest.mark.parametrize(
    ("answer", "language", "wanted"),
    [
        ("Alexander Fleming discovered penicillin in London in 1928 [1].", "en", []),
        ("It was found by the Scottish doctor Alexander Fleming. [1]", "en", []),
        ("A mould had killed bacteria in one of his dishes [1].", "en", []),
        ("Alexander Fleming discovered penicillin in London in 1938 [1].", "en", [1]),
        ("Louis Pasteur discovered penicillin in Paris in 1928 [1].", "en", [1]),
        ("Penicillin was not discovered in 1928 by the Scottish physician Alexander Fleming [1].", "en", [1]),
        ("Penicillin is made in tanks of stainless steel and dried with butyl acetate [1].", "en", [1]),
        ("The first patient was the policeman Albert Alexander in 1941 [1].", "en", [1]),
        ("The first patient was the policeman Albert Alexander in 1941 [2].", "en", []),
        ("他于1928年发现了青霉素[3]。", "zh", []),
        ("他于1945年获得诺贝尔奖[3]。", "zh", []),
        ("他于1938年发现了青霉素[3]。", "zh", [3]),
        ("长城修建于明朝，全长两万多公里[3]。", "zh", [3]),
        ("La Loire mesure 1 006 kilomètres [4].", "fr", []),
        ("La Seine traverse Paris et se jette dans la Manche [4].", "fr", [4]),
    ],
)
def test_what_the_passage_does_not_say_is_in_doubt(
    checks: CitationChecks, answer: str, language: str, wanted: list[int]
) -> None:
    assert doubted(checks, answer, language) == wanted


@pytest.mark.parametrize(
    "answer",
    [
        "The sources do not say who paid for the dishes [1].",
        "None of these passages tells what it cost [1][2].",
        "资料中没有提到价格[3]。",
        "Sources: [1], [2]",
        "[1] Penicillin\n[2] Penicillin, Use",
        "青霉素是1928年发现的[1]。",
        "Fleming was born in Darvel [3].",
    ],
)
def test_nothing_is_said_of_what_cannot_be_told(checks: CitationChecks, answer: str) -> None:
    assert doubted(checks, answer) == []


def test_two_sources_may_support_a_sentence_together(checks: CitationChecks) -> None:
    both = "Alexander Fleming discovered penicillin in 1928, and Howard Florey made it a medicine in Oxford [1][2]."
    assert doubted(checks, both) == []
    assert doubted(checks, both.replace("[2]", "")) == [1]
    assert doubted(checks, "Alexander Fleming discovered penicillin in London in 1928 [1][2].") == [2]


def test_a_doubt_points_at_its_citation_in_the_answer(checks: CitationChecks) -> None:
    answer = "Fleming discovered penicillin in 1928 [1]. Fleming died in Kuala Lumpur in 1987 [1], they say."
    (doubt,) = begun(checks).doubts(answer, (1,))
    at = answer.rindex("[1]")
    assert doubt == Doubt(at, at + 3, 1, "Fleming died in Kuala Lumpur in 1987, they say.")


# While it is written


class Counting(Support):
    """Notes what it weighs, and waits where it is told to."""

    def __init__(self, support: Support, gate: threading.Event | None = None, failure: Exception | None = None) -> None:
        self.support, self.gate, self.failure = support, gate, failure
        self.weighed: list[str] = []

    def weigh(self, statement: str, language: str, passages: Sequence[Passage]) -> float | None:
        self.weighed.append(statement)
        if self.gate:
            assert self.gate.wait(30)
        if self.failure:
            raise self.failure
        return self.support.weigh(statement, language, passages)


ANSWER = "Fleming found it in 1928 [1].\n\nPasteur helped in 1864 [1]. Florey made it a medicine in Oxford [2]."


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_each_sentence_is_weighed_once_however_it_comes(support: Support, size: int) -> None:
    counting = Counting(support)
    check = begun(CitationChecks(counting, limit_s=60.0))
    for start in range(0, len(ANSWER), size):
        check.push(ANSWER[start : start + size], (1, 2))
    assert [doubt.sentence for doubt in check.doubts(ANSWER, (1, 2))] == ["Pasteur helped in 1864."]
    assert sorted(counting.weighed) == sorted(set(counting.weighed)) and len(counting.weighed) == 3


def test_writing_never_waits_for_a_check_and_the_end_only_so_long(support: Support) -> None:
    gate = threading.Event()
    check = begun(CitationChecks(Counting(support, gate), limit_s=0.05))
    check.push(ANSWER, (1, 2))
    assert check.doubts(ANSWER, (1, 2)) == ()
    gate.set()


def test_a_check_that_fails_marks_nothing(support: Support, caplog: pytest.LogCaptureFixture) -> None:
    check = begun(CitationChecks(Counting(support, failure=RuntimeError("bug")), limit_s=60.0))
    assert check.doubts(ANSWER, (1, 2)) == ()
    assert "could not be checked" in caplog.text


# Parts of it


@pytest.mark.parametrize(
    ("text", "held", "wanted"),
    [
        ("In 1928, 1,200 of 3.50 and 2.5 million", False, {"1928", "1200", "3.5", "2500000"}),
        ("the 1920s and COVID19", False, {"1920"}),
        ("three days and 2.5 million", True, {"3", "2.5", "2500000"}),
        ("两次，１９２８年", True, {"2", "1928"}),
        ("none", True, set()),
    ],
)
def test_numbers_have_one_form(text: str, held: bool, wanted: set[str]) -> None:
    assert wanted <= numbers_in(text, held)
    assert held or numbers_in(text) == wanted


def test_a_sentence_in_another_script_is_read_as_what_it_is() -> None:
    assert spoken("弗莱明发现了青霉素。", "en") == "zh"
    assert spoken("Fleming discovered penicillin.", "zh") == "en"
    assert spoken("Yes.", "de") == "de"


@pytest.fixture
def damaged(encoder: SentenceEncoder, tmp_path: Path) -> Iterator[Support]:
    file = tmp_path / "support.json"
    file.write_text(json.dumps({"vectors": {"weights": [1]}}), encoding="utf-8")
    yield Support(SentenceJudge(UnitVectors(encoder)), file)


def test_weights_that_cannot_be_read_are_named(damaged: Support) -> None:
    with pytest.raises(ModelError, match=r"support\.json, cannot be read; reinstall") as caught:
        damaged.weigh("Fleming discovered penicillin.", "en", [PASSAGES[1]])
    assert "support.json" in caught.value.told("zh")
