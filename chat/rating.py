"""What somebody thinks of an answer: up or down, why, and what it should have been instead. Data alone.

given("down", ["untrue"], "Fleming did, in 1928. [1]", keep=True)
typed("untrue text: Fleming did, in 1928. [1]", Thumb.DOWN)      # the same, as typed behind /bad
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from chat.bilingual import Bilingual, told
from errors import InputError

LONGEST_IDEAL = 20_000
"""Characters of an ideal answer."""


class Thumb(StrEnum):
    UP = "up"
    DOWN = "down"


class Reason(StrEnum):
    """What is wrong with an answer."""

    UNHELPFUL = "unhelpful"
    UNTRUE = "untrue"
    HARMFUL = "harmful"
    UNSUPPORTED = "unsupported"
    """Its sources do not say what it says."""
    OTHER = "other"


class Keep(StrEnum):
    """Whether the text of a rated answer is kept for training."""

    ASK = "on"
    """Only where the person agrees."""
    ALWAYS = "always"
    """Always, and the operator's page says so."""


REASONS: Mapping[Reason, Bilingual] = MappingProxyType(
    {
        Reason.UNHELPFUL: Bilingual("not helpful", zh="没有帮助"),
        Reason.UNTRUE: Bilingual("not true", zh="不正确"),
        Reason.HARMFUL: Bilingual("harmful", zh="有害"),
        Reason.UNSUPPORTED: Bilingual("not supported by its sources", zh="来源不支持"),
        Reason.OTHER: Bilingual("something else", zh="其他"),
    }
)
"""What each reason is called."""

_TEXT, _OFF = "text", "off"
_WORDS = MappingProxyType({**{r.value: r for r in Reason}, **{REASONS[r].told("zh"): r for r in Reason}})


@dataclass(frozen=True, slots=True)
class Rating:
    """One person's word on one answer."""

    thumb: Thumb
    reasons: tuple[Reason, ...] = ()
    """In the order of `Reason`."""
    ideal: str = ""
    """What the ideal answer would have been; citations as in the answer."""
    keep: bool = False
    """Whether the text may be kept for training; once stored, whether it is."""
    barred: bool = False
    """Once stored: whether its text cannot be kept, because moderation had something against it."""
    explained: bool = False
    """Whether the person has said more than the verdict, or chosen not to."""


def given(thumb: str, reasons: Iterable[str] = (), ideal: str = "", keep: bool = False) -> Rating:
    """The rating that a person or a program gives. Raises `InputError` for what is no rating."""
    if thumb not in (*Thumb,):
        raise InputError(
            f"A rating is up or down, not “{thumb[:20]}”.", zh=f"评价只能是 up 或 down，不能是“{thumb[:20]}”。"
        )
    named = set(reasons)
    unknown = sorted(named - {*Reason})
    if unknown:
        raise InputError(
            f"“{str(unknown[0])[:20]}” is no reason; use {', '.join(Reason)}.",
            zh=f"没有“{str(unknown[0])[:20]}”这个理由；可用 {'、'.join(Reason)}。",
        )
    if len(ideal) > LONGEST_IDEAL:
        raise InputError(
            f"The ideal answer has {len(ideal):,} characters and the limit is {LONGEST_IDEAL:,}; shorten it.",
            zh=f"理想回答有 {len(ideal):,} 个字符，上限是 {LONGEST_IDEAL:,} 个；请缩短。",
        )
    return Rating(Thumb(thumb), tuple(r for r in Reason if r in named), ideal.strip(), keep)


def typed(line: str, thumb: Thumb) -> Rating | None:
    """The rating of what follows `/good` or `/bad`: `[reasons…] [text] [: ideal answer]`; None for `off`.

    Raises `InputError` for other words, and for an ideal answer that nobody may keep.
    """
    before, colon, ideal = re.match(r"([^:：]*)([:：]?)(.*)\Z", line, re.DOTALL).groups()  # type: ignore[union-attr]
    words = [word for word in re.split(r"[\s,，、]+", before.strip().casefold()) if word]
    if words == [_OFF] and not colon:
        return None
    reasons = _WORDS if thumb is Thumb.DOWN else {}
    for word in words:
        if word != _TEXT and word not in reasons:
            known = ", ".join([*(Reason if reasons else ()), _TEXT, _OFF])
            raise InputError(
                f"“{word[:20]}” does not follow /{'bad' if reasons else 'good'}; what may: {known}.",
                zh=f"/{'bad' if reasons else 'good'} 后不能写“{word[:20]}”；可用：{known}。",
            )
    if ideal.strip() and _TEXT not in words:
        raise InputError(
            "An ideal answer is of use only where its text may be kept: write “text” before the colon to allow that.",
            zh="只有允许保留文字，理想回答才有用：请在冒号前写“text”表示允许。",
        )
    rating = given(thumb, [reasons[word] for word in words if word in reasons], ideal, _TEXT in words)
    return dataclasses.replace(rating, explained=True)


def reasons_in_words(reasons: Sequence[Reason], language: str) -> str:
    """The reasons as a list in words: `not helpful, not true`."""
    return ("、" if language == "zh" else ", ").join(told(REASONS[reason], language) for reason in reasons)
