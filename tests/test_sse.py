"""python -m pytest tests/test_sse.py"""

from __future__ import annotations

import random

import pytest

from chat.sse import EventStream, words_of


def _events(*pieces: bytes, longest: int = 2**20) -> list[str]:
    stream = EventStream(longest)
    events = [event for piece in pieces for event in stream.push(piece)]
    last = stream.finish()
    return events if last is None else [*events, last]


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        (b"data: a\n\ndata: b\n\n", ["a", "b"]),
        (b"data: a\r\n\r\ndata: b\r\rdata: c\n\n", ["a", "b", "c"]),
        (b"\xef\xbb\xbfdata: a\n\n", ["a"]),
        (b": comment\n\ndata: a\n: another\ndata: b\n\n", ["a\nb"]),
        (b"event: x\nid: 1\nretry: 5\ndata: a\n\n", ["a"]),
        (b"data:a\ndata:  b\ndata\n\n", ["a\n b\n"]),
        (b"data: a", ["a"]),
        (b"\n\n\n", []),
        (b"datas: a\n\n", []),
        ("data: 好😀\n\n".encode(), ["好😀"]),
    ],
)
def test_events_are_read_as_the_standard_says(raw: bytes, wanted: list[str]) -> None:
    assert _events(raw) == wanted
    assert _events(*(raw[i : i + 1] for i in range(len(raw)))) == wanted


def test_packets_do_not_matter() -> None:
    chance = random.Random(1)
    letters = ["好", "😀", "é", "\u2028", "a", " ", "\x85", '"', ":", "\ufeff"]
    for _ in range(300):
        events = ["".join(chance.choices(letters, k=chance.randrange(1, 9))) for _ in range(chance.randrange(1, 6))]
        end = chance.choice(["\n", "\r", "\r\n"])
        raw = "".join(f"data: {event}{end}{end}" for event in events).encode()
        cuts = sorted(chance.choices(range(len(raw) + 1), k=chance.randrange(0, 12)))
        pieces = [raw[a:b] for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
        assert _events(*pieces) == events


@pytest.mark.parametrize(
    "pieces",
    [[b"data: " + b"x" * 100], [b"x" * 60] * 2, [b"data: " + b"x" * 40 + b"\n"] * 3, [b"data: \xe5\xa5\n\n"]],
    ids=["line", "line in pieces", "event", "half a character"],
)
def test_what_is_too_long_or_no_text_is_refused(pieces: list[bytes]) -> None:
    with pytest.raises(ValueError, match=r"too long|can't decode"):
        _events(*pieces, longest=99)


def test_many_short_lines_are_not_too_long() -> None:
    assert _events(*[b"data: x\n\n"] * 1000, longest=99) == ["x"] * 1000


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ({"error": {"message": "a\n b", "type": "x"}}, "a b"),
        ({"error": "a"}, "a"),
        ({"object": "error", "message": "a"}, "a"),
        ({"detail": "a"}, "a"),
        ({"detail": [{"loc": ["body"], "msg": "a"}]}, "a"),
        ({"error": {"code": 5}}, ""),
        ({"error": True}, ""),
        ([], ""),
        (None, ""),
        ("x" * 300, "x" * 199 + "…"),
        ("my secret key", "my … key"),
        ("x" * 190 + " a long secret secret", "x" * 190 + " a long …" + "…"),
    ],
)
def test_what_servers_say_of_a_failure(body: object, wanted: str) -> None:
    assert words_of(body, "secret") == wanted


def test_events_before_a_fault_are_not_lost() -> None:
    events = EventStream().push(b"data: a\n\ndata: \xff\n\n")
    assert next(events) == "a"
    with pytest.raises(ValueError, match="can't decode"):
        next(events)
