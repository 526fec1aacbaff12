"""Loops in answers: found, cut after their first time, and not seen where there are none.

python -m pytest tests/test_repetition.py
"""

from __future__ import annotations

import random
import time

import pytest

from chat.repetition import LoopDetector
from tests.loops import LOOPS, PROGRESSING

_START = "The Danube rises in the Black Forest and flows through ten countries to the Black Sea. "


def found(text: str, size: int = 7) -> tuple[int, int] | None:
    """Where a text that comes in small pieces is cut, and how much of it had been written; None where it never is."""
    detector = LoopDetector()
    for start in range(0, len(text), size):
        place = detector.push(text[start : start + size])
        if place is not None:
            return place, start + size
    return None


def cut(text: str, size: int = 7) -> str | None:
    """What is left of a text that is cut; None where it never is."""
    place = found(text, size)
    return None if place is None else text[: place[0]]


@pytest.mark.parametrize("name", PROGRESSING)
def test_what_is_no_loop_is_left_alone(name: str) -> None:
    for before in ("", "Here is what you asked for:\n\n", f"{_START}\n\n1. First\n"):
        assert cut(before + PROGRESSING[name]) is None


@pytest.mark.parametrize("name", LOOPS)
def test_a_loop_is_found(name: str) -> None:
    for before in ("", "Here is what you asked for:\n\n"):
        assert cut(before + LOOPS[name]) is not None


def test_precision_and_recall() -> None:
    """On the sets of tests/loops.py, of at least 40 each."""
    alarms = [name for name, text in PROGRESSING.items() if found(text, 5)]
    hits = [name for name, text in LOOPS.items() if found(text, 5)]
    assert len(PROGRESSING) >= 40 and len(LOOPS) >= 40
    assert len(hits) / (len(hits) + len(alarms)) == 1.0
    assert len(hits) / len(LOOPS) == 1.0


@pytest.mark.parametrize("name", LOOPS)
def test_a_loop_ends_soon(name: str) -> None:
    """At most three times of it, or some 1,500 bytes of it, are written; in code three times as much."""
    text = LOOPS[name]
    place = found(text)
    assert place is not None
    written = len(text[: place[1]].encode())
    fresh = len(text[: place[0]].encode())
    assert written - fresh <= max(1500 * (3 if "```" in text else 1), 3.3 * fresh)


@pytest.mark.parametrize(
    ("piece", "times"),
    [
        ("It is a very long river. ", 40),
        ("I am sorry, but I do not know the answer to that question, because I am only a model. ", 12),
        ("ha ", 300),
        ("这是一条很长的河流。", 30),
        ("a", 900),
        ("Is it? Yes. ", 90),
    ],
)
def test_it_is_cut_after_its_first_time(piece: str, times: int) -> None:
    kept = cut(_START + piece * times)
    assert kept is not None and kept.startswith(_START)
    assert 1 <= kept[len(_START.rstrip()) :].count(piece.strip()) <= 2
    assert len(kept) <= len(_START) + 2 * len(piece)


def test_a_list_that_only_counts_is_cut_near_its_beginning() -> None:
    kept = cut(_START + "".join(f"\n{n}. Add the flour and stir until it is smooth." for n in range(1, 60)))
    assert kept is not None
    assert kept.count("Add the flour") <= 3


def test_a_loop_after_code_and_tables_is_found() -> None:
    whole = PROGRESSING["JSON rows"] + PROGRESSING["a table of years"] + LOOPS["names in turn"]
    kept = cut(whole)
    assert kept is not None
    assert PROGRESSING["a table of years"] in kept


def test_ordinary_words_never_loop() -> None:
    chance = random.Random(4)
    words = [f"{chance.choice('bcdfg')}{chance.choice('aeiou')}{chance.choice('lmnrst')}" for _ in range(60)]
    for _ in range(20):
        assert cut(" ".join(chance.choices(words, k=500))) is None


def test_the_size_of_the_pieces_does_not_matter_much() -> None:
    for text in (_START + "It is a very long river. " * 60, LOOPS["a list with counters"], LOOPS["names in turn"]):
        places = [len(cut(text, size) or "") for size in (1, 5, 24, 100)]
        assert max(places) - min(places) <= 60


def test_watching_a_long_answer_is_cheap() -> None:
    """Of an answer of 40,000 characters every token is looked at in well under a millisecond."""
    chance = random.Random(2)
    text = " ".join(f"{chance.randrange(10**6)} {chance.choice(_START.split())}" for _ in range(4000))
    started = time.thread_time()
    assert cut(text, 4) is None
    assert (time.thread_time() - started) / (len(text) / 4) < 1e-3
