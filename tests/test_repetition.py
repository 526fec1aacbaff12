"""Loops in answers: found soon, cut after their first time, and not seen where there are none."""

from __future__ import annotations

import random

import pytest

from chat.repetition import LoopDetector

_START = "The Danube rises in the Black Forest and flows through ten countries to the Black Sea. "


def cut(text: str, size: int = 7) -> str | None:
    """What is left of a text that comes in small pieces, at the moment it is cut; None where it never is."""
    detector = LoopDetector()
    for start in range(0, len(text), size):
        place = detector.push(text[start : start + size])
        if place is not None:
            return text[:place]
    return None


@pytest.mark.parametrize(
    ("piece", "times"),
    [
        ("It is a very long river. ", 12),
        ("I am sorry, but I do not know the answer to that question, because I am only a model. ", 4),
        ("ha ", 80),
        ("这是一条很长的河流。", 30),
        ("a", 400),
        ("Is it? Yes. ", 30),
    ],
)
def test_a_loop_is_cut_after_its_first_time(piece: str, times: int) -> None:
    kept = cut(_START + piece * times)
    assert kept is not None and kept.startswith(_START)
    assert 1 <= kept[len(_START.rstrip()) :].count(piece.strip()) <= 2
    assert len(kept) <= len(_START) + 2 * len(piece)


def test_it_is_found_soon() -> None:
    piece = "I do not know the answer to that question. "
    detector, pushed = LoopDetector(), 0
    while detector.push(piece[pushed % len(piece)]) is None:
        pushed += 1
    assert pushed < 5 * len(piece)


def test_a_loop_that_only_counts_is_cut_too() -> None:
    text = _START + "".join(f"\n{n}. Add the flour and stir until it is smooth." for n in range(1, 60))
    kept = cut(text)
    assert kept is not None
    assert kept.count("Add the flour") <= 2


@pytest.mark.parametrize(
    "text",
    [
        _START * 2,
        "| a | b |\n" + "|---|---|\n" + "".join(f"| {n} | {n * n} |\n" for n in range(5)),
        "-" * 300 + "\n" + "=" * 300,
        "\n".join(f"{word}: {word[::-1]}" for word in ("alpha", "beta", "gamma", "delta", "epsilon") * 2),
        "for i in range(10):\n    print(i)\n" * 2,
        "We will rock you! We will rock you!",
        "\n".join("  " * depth + "}" for depth in range(12, 0, -1)),
        "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20",
        "The capital of France is Paris. The capital of Spain is Madrid. The capital of Italy is Rome. "
        "The capital of Greece is Athens. The capital of Poland is Warsaw. The capital of Austria is Vienna.",
        " " * 500,
        ", ".join(map(str, range(1, 300))),
        "\n".join(f"{n} x 7 = {7 * n}" for n in range(1, 40)),
    ],
)
def test_what_is_no_loop_is_left_alone(text: str) -> None:
    assert cut(text) is None


def test_ordinary_words_never_loop() -> None:
    chance = random.Random(4)
    words = [f"{chance.choice('bcdfg')}{chance.choice('aeiou')}{chance.choice('lmnrst')}" for _ in range(60)]
    for _ in range(20):
        assert cut(" ".join(chance.choices(words, k=500))) is None


def test_the_size_of_the_pieces_does_not_matter() -> None:
    text = _START + "It is a very long river. " * 30
    assert {len(cut(text, size) or "") for size in (1, 5, 24, 100)} == {len(cut(text) or "")}
