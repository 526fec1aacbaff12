"""What each sampling setting may be: one table for the engines, the API and the commands."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from chat.base import Sampling
from errors import InputError

_MOST = 1_000_000
_WHOLE_OR_OFF = (f"a whole number from 0 (off) to {_MOST:,}", f"0（关闭）到 {_MOST:,} 的整数")
_LEFT_OUT = ("none", "off", "random")
"""Words for no seed."""


@dataclass(frozen=True, slots=True)
class Limit:
    """`fits` is asked about numbers only."""

    fits: Callable[[float], bool]
    wanted: str
    wanted_zh: str
    whole: bool = False
    optional: bool = False
    """Whether it may be None."""


LIMITS: Mapping[str, Limit] = MappingProxyType(
    {
        "max_new_tokens": Limit(
            lambda value: 1 <= value <= _MOST,
            f"a whole number from 1 to {_MOST:,}",
            f"1 到 {_MOST:,} 的整数",
            whole=True,
        ),
        "temperature": Limit(
            lambda value: 0 <= value <= _MOST, f"a number from 0 (greedy) to {_MOST:,}", f"0（贪心）到 {_MOST:,} 的数"
        ),
        "top_k": Limit(lambda value: 0 <= value <= _MOST, *_WHOLE_OR_OFF, whole=True),
        "top_p": Limit(
            lambda value: 0 < value <= 1, "a number above 0 and at most 1 (off)", "大于 0、不超过 1（关闭）的数"
        ),
        "repetition_penalty": Limit(
            lambda value: 1 / _MOST <= value <= _MOST,
            f"a number from {1 / _MOST:f} to {_MOST:,} (1 is off)",
            f"{1 / _MOST:f} 到 {_MOST:,} 的数（1 为关闭）",
        ),
        "no_repeat_ngram": Limit(lambda value: 0 <= value <= _MOST, *_WHOLE_OR_OFF, whole=True),
        "seed": Limit(
            lambda value: 0 <= value < 2**63,
            "none, or a whole number from 0 to 2^63 - 1",
            " none 或 0 到 2^63 - 1 的整数",
            whole=True,
            optional=True,
        ),
    }
)


def check(sampling: Sampling) -> None:
    """Raise `InputError` that names the first setting that cannot be."""
    for name in LIMITS:
        _checked(name, getattr(sampling, name))


def changed(sampling: Sampling, given: Mapping[str, object]) -> Sampling:
    """`sampling` with the values of `given`, numbers or text, which a person chose. Raises `InputError` for what cannot
    be.

    Every name must be a setting's.
    """
    values = {name: _checked(name, value) for name, value in given.items()}
    replace: Callable[..., Sampling] = dataclasses.replace
    return replace(sampling, **values, chosen=sampling.chosen | given.keys())


def _checked(name: str, value: object) -> float | int | None:
    limit = LIMITS[name]
    if limit.optional and (value is None or (isinstance(value, str) and value.lower() in _LEFT_OUT)):
        return None
    number = _number(value, limit.whole)
    if number is None or not limit.fits(number):
        shown = str(value)[:40]
        raise InputError(
            f"The setting {name} is {shown}; it must be {limit.wanted}.",
            zh=f"参数 {name} 的值是 {shown}，应为{limit.wanted_zh}。",
        )
    return number


def _number(value: object, whole: bool) -> float | int | None:
    """The finite number in `value`; None where there is none, or where a whole one is wanted and it is not."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        exact = int(value) if isinstance(value, str | int) else None
    except ValueError:
        exact = None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    if not math.isfinite(number):
        return None
    if not whole:
        return number
    return exact if exact is not None else int(number) if number.is_integer() else None
