"""What is shown while an answer is written, and what never is.

python -m pytest tests/test_moderation_stream.py
"""

from __future__ import annotations

import random
from collections.abc import Generator, Iterator

import pytest

from moderation.base import Action
from moderation.policy import Decision
from moderation.stream import HELD, LOOK_BACK, Retraction, screened

_BAD = "Zorbian"


class Checker:
    """Refuses what holds the word, warns about `careful`, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, text: str) -> Decision:
        self.asked.append(text)
        action = Action.REFUSE if _BAD in text else Action.WARN if "careful" in text else Action.ALLOW
        return Decision(action, reason=action)


class Source:
    """Pieces of a text, and whether the reading was stopped."""

    def __init__(self, text: str, size: int = 4) -> None:
        self.closed = False
        self.given = 0
        self.text = text
        self.size = size

    def pieces(self) -> Iterator[str]:
        try:
            for start in range(0, len(self.text), self.size):
                self.given = start + self.size
                yield self.text[start : start + self.size]
        finally:
            self.closed = True


def _read(events: Generator[str | Retraction, None, Decision]) -> tuple[str, Retraction | None, Decision]:
    shown, retraction = "", None
    while True:
        try:
            event = next(events)
        except StopIteration as end:
            assert isinstance(end.value, Decision)
            return shown, retraction, end.value
        assert retraction is None, "nothing comes after a retraction"
        if isinstance(event, Retraction):
            retraction = event
        else:
            shown += event


@pytest.mark.parametrize("size", [1, 3, 50, 10_000])
@pytest.mark.parametrize(
    "text",
    [
        "",
        "One word",
        "Dr. Smith lives in the U.S. and is 1.8 m tall. He said: “Well… no!” Then he left.\n\n1. First\n2. Second\n",
        "他很好。真的吗？“是的！”他说；然后走了",
        "word " * 300,
        "x" * 1000,
        "   \n\n  ",
    ],
)
def test_an_allowed_text_arrives_whole(text: str, size: int) -> None:
    shown, retraction, decision = _read(screened(Source(text, size).pieces(), Checker()))
    assert (shown, retraction, decision.action) == (text, None, Action.ALLOW)


def test_text_is_released_sentence_by_sentence() -> None:
    source = Source("One is fine. Two is fine! 三也很好。 The rest", 1)
    events = screened(source.pieces(), Checker())
    assert next(events) == "One is fine."
    assert source.given <= len("One is fine. ")
    assert next(events) == " Two is fine!"
    assert next(events) == " 三也很好。"
    assert next(events) == " The rest"


@pytest.mark.parametrize("text", ["Mr. Bean", "e.g. this", "J. R. Tolkien", "3. point", "version 2.5 of it"])
def test_a_full_stop_inside_a_sentence_does_not_end_it(text: str) -> None:
    checker = Checker()
    list(screened(Source(text + " goes on", 1).pieces(), checker))
    assert checker.asked == [text + " goes on"]


def test_no_character_of_a_refused_sentence_is_shown_and_the_source_is_closed() -> None:
    source = Source(f"This is fine. But {_BAD} is not. And more follows. And more.", 2)
    shown, retraction, decision = _read(screened(source.pieces(), Checker()))
    assert shown == "This is fine."
    assert retraction == Retraction(decision)
    assert decision.action is Action.REFUSE
    assert source.closed
    assert source.given < len(source.text)


def test_over_many_random_answers_no_refused_sentence_leaks_and_the_lag_is_bounded() -> None:
    rng = random.Random(5)
    ends = [". ", "! ", "? ", "。", "！", "\n"]
    for _ in range(500):
        sentences = [
            "".join(rng.choice("abc 很好") for _ in range(rng.randint(5, HELD - 20))).strip() + rng.choice(ends)
            for _ in range(rng.randint(1, 8))
        ]
        place = rng.randrange(len(sentences))
        at = rng.randrange(len(sentences[place]) - 2)
        before = "".join(sentences[:place])
        sentences[place] = sentences[place][:at] + _BAD + sentences[place][at:]
        text = "".join(sentences)
        source, shown, retracted = Source(text, rng.randint(1, 30)), "", False
        for event in screened(source.pieces(), Checker()):
            if isinstance(event, Retraction):
                retracted = True
            else:
                shown += event
                assert source.given - len(shown) <= HELD + source.size
        assert retracted
        assert before.startswith(shown.rstrip()) or shown.strip() == before.strip()


def test_a_long_sentence_is_held_no_longer_than_the_limit() -> None:
    source = Source("word " * 200, 5)
    events = screened(source.pieces(), Checker())
    first = next(events)
    assert isinstance(first, str)
    assert first.endswith(" ")
    assert len(first) <= HELD
    assert source.given <= HELD + 5


def test_a_harm_that_two_sentences_make_together_is_found() -> None:
    def check(text: str) -> Decision:
        return Decision(Action.REFUSE if "mix alpha" in text and "with beta" in text else Action.ALLOW)

    shown, retraction, _ = _read(screened(Source("Now mix alpha. Then with beta. Done.").pieces(), check))
    assert shown == "Now mix alpha."
    assert retraction


def test_the_whole_is_judged_at_the_end() -> None:
    def check(text: str) -> Decision:
        return Decision(Action.REFUSE if "start" in text and "finish" in text else Action.ALLOW)

    text = "This is the start. " + "Filler sentence here. " * 30 + "This is the finish."
    shown, retraction, _ = _read(screened(Source(text).pieces(), check))
    assert retraction
    assert "finish" not in shown


def test_sentences_are_not_checked_again_from_the_start() -> None:
    checker = Checker()
    text = "A short sentence stands here. " * 100
    list(screened(Source(text).pieces(), checker))
    *by_sentence, whole = checker.asked
    assert whole == text
    assert max(map(len, by_sentence)) <= LOOK_BACK + HELD
    assert sum(map(len, by_sentence)) < 8 * len(text)


def test_one_sentence_is_checked_once() -> None:
    checker = Checker()
    list(screened(Source("Just one sentence.").pieces(), checker))
    assert checker.asked == ["Just one sentence."]


def test_the_caller_learns_of_a_warning() -> None:
    _, retraction, decision = _read(screened(Source("Be careful here. Fine.").pieces(), Checker()))
    assert retraction is None
    assert decision.action is Action.WARN


def test_closing_the_stream_closes_the_source() -> None:
    source = Source("One is fine. Two is fine. Three.")
    events = screened(source.pieces(), Checker())
    next(events)
    events.close()
    assert source.closed


def test_a_failing_source_fails_the_stream_after_what_was_released() -> None:
    def pieces() -> Iterator[str]:
        yield "One is fine. Two"
        raise RuntimeError("the engine stopped")

    shown = []
    with pytest.raises(RuntimeError, match="the engine stopped"):
        for event in screened(pieces(), Checker()):
            shown.append(event)
    assert shown == ["One is fine."]


def test_an_iterator_without_close_is_read_too() -> None:
    assert "".join(e for e in screened(iter(["a. ", "b"]), Checker()) if isinstance(e, str)) == "a. b"


def test_a_continuation_is_judged_with_what_stands_before_it_and_only_it_is_released() -> None:
    seen: list[str] = []

    def check(text: str) -> Decision:
        seen.append(text)
        return Decision(Action.REFUSE if "kill him" in text else Action.ALLOW)

    begun = "It was a long day. " * 12 + "They wanted to kill"
    assert list(screened(iter([" time. ", "So they sang."]), check, begun=begun)) == [" time.", " So they sang."]
    assert seen[0].endswith("They wanted to kill time.") and len(seen[0]) < len(begun)
    assert seen[-1] == f"{begun} time. So they sang.", "the whole, once"
    assert seen.count(begun) == 0
    released = list(screened(iter([" him. ", "So they sang."]), check, begun=begun))
    assert isinstance(released[0], Retraction) and len(released) == 1
    seen.clear()
    assert list(screened(iter([" "]), check, begun=begun)) == [" "] and seen == []


@pytest.mark.parametrize("end", ["؟", "۔", "।", "॥"])
def test_sentences_of_other_scripts_end_where_their_marks_are(end: str) -> None:
    seen: list[str] = []

    def check(text: str) -> Decision:
        seen.append(text)
        return Decision(Action.REFUSE if "b" in text else Action.ALLOW)

    released = list(screened(iter(["a" * 150 + end, " c", "b" * 100 + end]), check))
    assert released[0] == "a" * 150 + end
    assert isinstance(released[1], Retraction), "nothing of the refused sentence"
