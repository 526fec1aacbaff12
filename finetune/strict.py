"""Tables of a TOML file as frozen dataclasses, strictly: every key known, every value of its type and in its range.

    given = {"training": {"steps": Given("training.steps", "--set", "200", bare=True)}}
    recipe = fill(Recipe, given, faults)

What may be given follows from the dataclass alone: `Literal`, `str`, `bool`, `int`, `float`, `tuple[…, …]`, another
dataclass for a table, and `Annotated[int, Between(1, 64)]` for a range. `fill` raises nothing: each fault is one clause
in `faults`, so that all are told at once.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from chat.bilingual import Bilingual, told
from errors import InputError

T = TypeVar("T")
Faults = list[Bilingual]


@dataclass(frozen=True, slots=True)
class Between:
    """Both ends may be given, unless `above`: then only what is above `low`."""

    low: float
    high: float
    above: bool = False

    def holds(self, value: float) -> bool:
        return (self.low < value if self.above else self.low <= value) and value <= self.high


@dataclass(frozen=True, slots=True)
class Given:
    """A value as it was found."""

    key: str
    """`table.key`."""
    place: str
    """The file or the option that it stands in."""
    value: object
    bare: bool = False
    """Whether it is text from a command line, which may stand without quotation marks."""

    def __str__(self) -> str:
        return f"{self.key} ({self.place})"


Homes = Mapping[str, list[str]]
"""Name of a key → every `table.key` of that name."""
_MISSING = object()


def toml(file: Path) -> dict[str, Any]:
    """What a file says. Raises `InputError` where it is not TOML, `OSError` where it cannot be read."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(
            f"{file.name} is not valid TOML: {error}; mend it.", zh=f"{file.name} 不是有效的 TOML：{error}；请改正。"
        ) from error


def table(found: Mapping[str, object], place: str, above: str = "") -> dict[str, Any]:
    """What TOML's reader made of a file, with each value's key and place."""
    return {
        key: table(value, place, f"{above}{key}.") if isinstance(value, dict) else Given(f"{above}{key}", place, value)
        for key, value in found.items()
    }


def merge(below: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`below` with what `over` gives in its place, key by key."""
    both = dict(below)
    for key, value in over.items():
        old = both.get(key)
        both[key] = merge(old, value) if isinstance(value, Mapping) and isinstance(old, Mapping) else value
    return both


def fill(kind: type[T], given: Mapping[str, Any], faults: Faults) -> T | None:
    """An instance of `kind`; None, and at least one fault more, where what is given does not make one."""
    return _fill(kind, given, faults, "", _homes(kind))


def _fill(kind: type[T], given: Mapping[str, Any], faults: Faults, above: str, homes: Homes) -> T | None:
    before = len(faults)
    types = {name: hint for name, hint in get_type_hints(kind, include_extras=True).items() if _takes(hint)}
    known = [field for field in fields(kind) if field.name in types]  # type: ignore[arg-type]
    for name in given:
        if name not in types:
            faults.append(_unknown(f"{above}{name}", given[name], list(types), above, homes))
    values: dict[str, Any] = {}
    for field in known:
        value = given.get(field.name, _MISSING)
        required = field.default is MISSING and field.default_factory is MISSING
        if value is _MISSING and required and not is_dataclass(types[field.name]):
            faults.append(
                Bilingual(
                    f"{above}{field.name} is missing; give {_taken(types[field.name])}",
                    zh=f"缺少 {above}{field.name}；请给出{_taken(types[field.name]).told('zh')}",
                )
            )
        elif value is not _MISSING or required:
            found = {} if value is _MISSING else value
            values[field.name] = _value(types[field.name], f"{above}{field.name}", found, faults, homes)
    return kind(**values) if len(faults) == before else None


def _homes(kind: Any) -> Homes:
    """Where a key that stands in the wrong table belongs."""
    homes: dict[str, list[str]] = {}
    for name, hint in get_type_hints(kind).items():
        for field in fields(hint) if is_dataclass(hint) else ():
            homes.setdefault(field.name, []).append(f"{name}.{field.name}")
    return homes


def _takes(hint: Any) -> bool:
    """Whether a value of this type can be given in a file."""
    return is_dataclass(hint) or get_origin(hint) in (Annotated, Literal, tuple) or hint in (str, bool, int, float)


def _unknown(key: str, found: object, known: list[str], above: str, homes: Homes) -> Bilingual:
    name = key.removeprefix(above)
    close = [f"{above}{match}" for match in difflib.get_close_matches(name, known, n=1)] or homes.get(name, [])
    place = f" ({found.place})" if isinstance(found, Given) else ""
    what, zh = ("key", "键") if above else ("table", "表")
    if close:
        return Bilingual(
            f"{key}{place} is no {what}; did you mean {close[0]}",
            zh=f"没有 {key}{place} 这个{zh}；也许应写 {close[0]}",
        )
    choice = ", ".join(known)
    return Bilingual(
        f"{key}{place} is no {what}; there are {choice}", zh=f"没有 {key}{place} 这个{zh}；可用的有 {choice}"
    )


def _value(hint: Any, key: str, found: Any, faults: Faults, homes: Homes) -> Any:
    """`found` as a value of type `hint`; whatever, and a fault more, where it is none."""
    if is_dataclass(hint):
        if isinstance(found, Mapping):
            return _fill(hint, found, faults, f"{key}.", homes)  # type: ignore[arg-type]
        faults.append(
            Bilingual(
                f"{found} is {_shown(found)}; it is a table: write [{key}] and its keys below",
                zh=f"{found} 是 {_shown(found)}；它是表：请写 [{key}]，其下列出各键",
            )
        )
        return None
    if isinstance(found, Mapping):
        faults.append(
            Bilingual(f"{key} is a table; it takes {_taken(hint)}", zh=f"{key} 是表；应为{_taken(hint).told('zh')}")
        )
        return None
    for reading in _readings(found):
        value = _converted(hint, reading)
        if value is not _MISSING:
            return value
    if found.bare and get_origin(hint) is tuple:
        words = [word.strip() for word in str(found.value).split(",") if word.strip()]
        if (value := _converted(hint, words)) is not _MISSING:
            return value
    faults.append(
        Bilingual(
            f"{found} is {_shown(found)}; it takes {_taken(hint)}",
            zh=f"{found} 是 {_shown(found)}；应为{_taken(hint).told('zh')}",
        )
    )
    return None


def _readings(found: Given) -> list[object]:
    """A value's readings, the likelier first: bare text is TOML where it can be, and else itself."""
    if not found.bare:
        return [found.value]
    try:
        return [tomllib.loads(f"value = {found.value}")["value"], found.value]
    except tomllib.TOMLDecodeError:
        return [found.value]


def _converted(hint: Any, value: object) -> Any:
    """`value` as `hint` has it, `_MISSING` where it does not take it. A whole number is a number too."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        inner = _converted(arguments[0], value)
        return inner if inner is not _MISSING and all(limit.holds(inner) for limit in arguments[1:]) else _MISSING
    if origin is Literal:
        return value if any(type(value) is type(choice) and value == choice for choice in arguments) else _MISSING
    if origin is tuple:
        items = [_converted(arguments[0], item) for item in value] if isinstance(value, list) else [_MISSING]
        return _MISSING if any(item is _MISSING for item in items) else tuple(items)
    if hint is float and type(value) is int:
        return float(value)
    return value if type(value) is hint else _MISSING


def _taken(hint: Any) -> Bilingual:
    """What a type takes, in words."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _range(_taken(arguments[0]), arguments[1])
    if origin is Literal:
        return Bilingual(f"one of {', '.join(map(str, arguments))}", zh=f"下列之一：{'、'.join(map(str, arguments))}")
    if origin is tuple:
        inner = _taken(arguments[0])
        return Bilingual(f"a list, each {inner}", zh=f"列表，每项为{inner.told('zh')}")
    return _WORDS[hint]


def _range(what: Bilingual, limit: Between) -> Bilingual:
    low, high = f"{limit.low:,}", f"{limit.high:,}"
    if limit.above:
        return Bilingual(f"{what} above {low}, at most {high}", zh=f"大于 {low}、不超过 {high} 的{told(what, 'zh')}")
    return Bilingual(f"{what} from {low} to {high}", zh=f"{low} 到 {high} 的{told(what, 'zh')}")


_WORDS: Mapping[type, Bilingual] = {
    str: Bilingual("a text", zh="文本"),
    bool: Bilingual("true or false", zh="true 或 false"),
    int: Bilingual("a whole number", zh="整数"),
    float: Bilingual("a number", zh="数字"),
}


def _shown(found: Given) -> str:
    """A value as one would write it, cut where it is long."""
    text = str(found.value).lower() if isinstance(found.value, bool) else str(found.value)
    text = text if len(text) <= 60 else f"{text[:57]}…"
    return f"“{text}”" if isinstance(found.value, str) else text
