"""What of a conversation and its sources a prompt keeps where room is short.

The newest turn and room for the answer are taken off before. Of the rest the last exchange gets a share, then the
sources take what they need, best first, then earlier exchanges come back: those that bear on the question first, of
equals the newer. What does not fit whole is shortened: an exchange in its middle, a source at its end. What stands
around a source in its document takes only the room that is left then, best source first. While everything fits nothing
is touched, so that the beginning of the prompt stays the same from turn to turn.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from chat.base import Message
from retrieval.base import Passage

_LEAST_SOURCE_TOKENS = 32
"""A source of which less than this would fit is left out…"""
_LEAST_FIRST_SOURCE_TOKENS = 12
"""… but the best one is given also in so few…"""
_LEAST_EXCHANGE_TOKENS = 12
"""… and so is the last exchange."""
_LAST_EXCHANGE_SHARE = 1 / 3
"""Of what the newest turn leaves, at most so much is kept from the sources for the last exchange."""


@dataclass(frozen=True, slots=True)
class Ruler:
    """How an engine counts, in tokens."""

    prompt: Callable[[Sequence[Message], Sequence[Passage]], int]
    """The whole prompt with this history and these sources."""
    text: Callable[[str], int]
    cut: Callable[[str, int, int], str]
    """Of a text its first and its last so many tokens, “ … ” where the rest was."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What the prompt holds, and what it does not."""

    history: tuple[Message, ...]
    sources: tuple[Passage, ...]
    oldest: int = 0
    """Exchanges left out that are the oldest ones."""
    unrelated: int = 0
    """Exchanges left out of which some are newer than others that were kept."""
    shortened: bool = False
    """Whether the last exchange was."""


Exchange = tuple[Message, ...]
"""A question and its answer; empty where it is left out."""


def fit(history: Sequence[Message], passages: Sequence[Passage], budget: int, answer: int, ruler: Ruler) -> Kept:
    """As much as a prompt of `budget` tokens holds, beside an answer of `answer`.

    `history` are exchanges: a user turn and its answer each. The newest turn alone must fit. Where no source would be
    given at all, the prompt may take half of the answer's room.
    """
    kept = _Fit(history, passages, budget, ruler).kept()
    if any(map(_has_context, passages)) and kept != Kept(tuple(history), tuple(passages)):
        kept = _Fit(history, list(map(_alone, passages)), budget, ruler).kept()
        kept = replace(kept, sources=_with_context(kept, passages, budget, ruler))
    if passages and not kept.sources:
        more = _Fit(history, list(map(_alone, passages)), budget + answer // 2, ruler).kept()
        return more if more.sources else kept
    return kept


def _has_context(passage: Passage) -> bool:
    return bool(passage.before or passage.after)


def _alone(passage: Passage) -> Passage:
    return replace(passage, before="", after="") if _has_context(passage) else passage


def _with_context(kept: Kept, passages: Sequence[Passage], budget: int, ruler: Ruler) -> tuple[Passage, ...]:
    """The sources that are kept whole, those that still fit with what stands around them."""
    sources = kept.sources
    for i, passage in enumerate(passages[: len(sources)]):
        wider = (*sources[:i], passage, *sources[i + 1 :])
        fits = _has_context(passage) and sources[i].text == passage.text
        if fits and ruler.prompt(kept.history, wider) <= budget:
            sources = wider
    return sources


class _Fit:
    """One prompt being fitted."""

    def __init__(self, history: Sequence[Message], passages: Sequence[Passage], budget: int, ruler: Ruler) -> None:
        self._exchanges: list[Exchange] = [tuple(history[i : i + 2]) for i in range(0, len(history), 2)]
        self._passages = tuple(passages)
        self._budget = budget
        self._ruler = ruler
        self._last = len(self._exchanges) - 1
        self._ranked = self._possible()

    def kept(self) -> Kept:
        everything = len(self._ranked) == len(self._exchanges)
        if everything and self._ruler.prompt(self._history(len(self._ranked), ()), self._passages) <= self._budget:
            return Kept(self._history(len(self._ranked), ()), self._passages)
        last, sources = self._shares()

        def length(count: int) -> int:
            return self._ruler.prompt(self._history(count, last), sources)

        # The first count of exchanges that is too many; none are too many for what the shares were made for.
        most = bisect_left(range(1, len(self._ranked) + 1), self._budget + 1, key=length)
        chosen = self._ranked[:most]
        if self._exchanges and self._last not in chosen:
            last = self._shortened(self._budget, lambda short: self._ruler.prompt(self._history(most, short), sources))
        return self._told(most, last, sources)

    def _possible(self) -> list[int]:
        """Exchanges, the one to keep first at the beginning, that could fit by their texts alone.

        A long past is not counted to its end.
        """
        ranked = sorted(range(len(self._exchanges)), key=lambda i: (-_relevance(self._exchanges[i]), -i))
        tokens = 0
        for count, i in enumerate(ranked):
            tokens += sum(self._ruler.text(message.content) for message in self._exchanges[i])
            if tokens > self._budget:
                return ranked[:count]
        return ranked

    def _history(self, count: int, last: Exchange) -> tuple[Message, ...]:
        """The `count` exchanges to keep first, in their order; the last one as `last` where it is not among them."""
        chosen = sorted(self._ranked[:count])
        kept = [message for i in chosen for message in self._exchanges[i]]
        return tuple(kept) if self._last in chosen else (*kept, *last)

    def _shares(self) -> tuple[Exchange, tuple[Passage, ...]]:
        """The last exchange and the sources, each in its share; the best source goes before the exchange."""
        free = self._budget - self._ruler.prompt((), ())
        share = self._budget - free + int(free * _LAST_EXCHANGE_SHARE)
        last = self._shortened(share, lambda short: self._ruler.prompt(short, ()))
        sources = self._sources(last)
        if last and self._passages and not sources and (alone := self._sources(())):
            return (), alone
        return last, sources

    def _sources(self, history: Sequence[Message]) -> tuple[Passage, ...]:
        """The first sources that fit beside `history`, the last of them shortened."""
        kept = self._passages
        while kept and self._ruler.prompt(history, kept) > self._budget:
            *rest, last = kept
            least = _LEAST_SOURCE_TOKENS if rest else _LEAST_FIRST_SOURCE_TOKENS
            room = self._budget - self._ruler.prompt(history, (*rest, replace(last, text="…")))
            room = min(room, self._ruler.text(last.text) - 1)
            while room >= least:
                part = whole_words(self._ruler.cut(last.text, room, 0))
                shorter = (*rest, replace(last, text=f"{part} …"))
                over = self._ruler.prompt(history, shorter) - self._budget
                if over <= 0:
                    return shorter
                room -= over
            kept = tuple(rest)
        return kept

    def _shortened(self, most: int, length: Callable[[Exchange], int]) -> Exchange:
        """The last exchange so short that the prompt has at most `most` tokens; empty where that is too short."""
        if not self._exchanges or length(whole := self._exchanges[self._last]) <= most:
            return self._exchanges[self._last] if self._exchanges else ()
        asked, answered = (self._ruler.text(message.content) for message in whole)
        room = most - length(tuple(replace(message, content="…") for message in whole))
        room = min(room, asked + answered - 1)
        while room >= _LEAST_EXCHANGE_TOKENS:
            # The question gives way to a longer answer, but keeps a third.
            own = min(asked, max(room // 3, room - answered))
            texts = (self._short(m.content, n) for m, n in zip(whole, (own, room - own), strict=True))
            short = tuple(replace(message, content=text) for message, text in zip(whole, texts, strict=True))
            over = length(short) - most
            if over <= 0:
                return short
            room -= over
        return ()

    def _short(self, text: str, tokens: int) -> str:
        return text if self._ruler.text(text) <= tokens else self._ruler.cut(text, tokens - tokens // 2, tokens // 2)

    def _told(self, count: int, last: Exchange, sources: tuple[Passage, ...]) -> Kept:
        present = {*self._ranked[:count], *([self._last] if last else [])}
        missing = [i for i in range(len(self._exchanges)) if i not in present]
        aged = missing == list(range(len(missing)))
        return Kept(
            history=self._history(count, last),
            sources=sources,
            oldest=len(missing) if aged else 0,
            unrelated=0 if aged else len(missing),
            shortened=bool(last) and self._last not in self._ranked[:count] and last != self._exchanges[self._last],
        )


def _relevance(exchange: Exchange) -> float:
    return max(message.relevance for message in exchange)


def whole_words(text: str) -> str:
    """`text` without the word it was cut in; as it is where it has no spaces, like Chinese."""
    words, space, rest = text.rstrip().rpartition(" ")
    return words if space and len(rest) < 40 else text.rstrip()
