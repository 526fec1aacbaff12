"""The model moderators on offer, read from catalogue.toml, and an operator's own over them.

python -m moderation.catalogue     # writes the table in docs/moderators.md
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import generated
from errors import SettingsError
from moderation.base import Category, Level, Side

PATH = Path(__file__).with_name("catalogue.toml")
HARM, HARMLESS = "harm", "harmless"
"""What a label may stand for beside a category: harm of no kind that the policy names, and none."""
_MEANINGS = (*(category.value for category in Category), HARM, HARMLESS)


@dataclass(frozen=True, slots=True)
class Labels:
    """A text-classification model: what each of its labels means."""

    labels: Mapping[str, str]
    """By label: a `Category` value, `HARM` or `HARMLESS`."""
    several: bool
    """Whether each label has a probability of its own (sigmoid) instead of all sharing one (softmax)."""


@dataclass(frozen=True, slots=True)
class FewShot:
    """A language model that goes on with one of OpenChatKit's five labels after a text with examples."""

    prompt: str
    """Holds `{text}` once."""


@dataclass(frozen=True, slots=True)
class Codes:
    """A chat model that writes safe, or unsafe and the codes of what is violated (Llama Guard)."""

    codes: Mapping[str, str]
    """By code: as the labels of `Labels`."""
    parts: bool
    lead: str


@dataclass(frozen=True, slots=True)
class Question:
    """One question to a chat model that answers yes or no."""

    meaning: str
    """A `Category` value or `HARM`."""
    variables: Mapping[Side, Mapping[str, object]]
    """What its chat template is told, by side; a side that is missing is not asked about."""


@dataclass(frozen=True, slots=True)
class Questions:
    """A chat model that answers one question at a time with yes or no (ShieldGemma, Granite Guardian)."""

    yes: str
    no: str
    lead: str
    questions: tuple[Question, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One moderator; catalogue.toml says what each field means."""

    id: str
    parameters: float
    licence: str
    limits: str
    window: int
    levels: tuple[float, ...]
    asks: Labels | FewShot | Codes | Questions

    @property
    def memory_gb(self) -> float:
        """Of its weights alone, in 16 bits."""
        return 2 * self.parameters

    def level(self, score: float) -> Level:
        return Level(sum(score >= start for start in self.levels))


@dataclass(frozen=True, slots=True)
class Catalogue:
    entries: tuple[Entry, ...]
    """Where two have the same id the first counts."""

    def find(self, name: str) -> Entry | None:
        """The entry for a hub id, or for a folder or a server's model that is named like the last part of one."""
        folded = name.strip("/").casefold()
        ids = [entry.id.casefold() for entry in self.entries]
        for known in (ids, [id_.rpartition("/")[2] for id_ in ids]):
            if folded in known:
                return self.entries[known.index(folded)]
        return None


def load(own: Path | None = None) -> Catalogue:
    """The built-in catalogue behind an operator's own file. Raises `SettingsError` when a file is not as it should be.

    The sentence names the file, the key and what it must be.
    """
    built_in = parse(PATH.read_text(encoding="utf-8"), PATH.name)
    if own is None:
        return Catalogue(built_in)
    try:
        text = own.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"The catalogue of moderators {own} cannot be read; give a TOML file in UTF-8.") from error
    return Catalogue(parse(text, str(own)) + built_in)


def parse(text: str, source: str) -> tuple[Entry, ...]:
    """The moderators in a catalogue. Raises `SettingsError`."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"The catalogue of moderators {source} is not valid TOML: {error}.") from error
    families = tables.pop("family", None)
    if tables or not isinstance(families, list) or not families:
        raise SettingsError(f"The catalogue of moderators {source} must hold [[family]] tables and nothing else.")
    entries = tuple(entry for family in families for entry in _family(family, source))
    ids = [entry.id.casefold() for entry in entries]
    if twice := sorted({entry.id for entry in entries if ids.count(entry.id.casefold()) > 1}):
        raise SettingsError(f"The catalogue of moderators {source} lists {', '.join(twice)} more than once; keep one.")
    return entries


def _family(table: object, source: str) -> list[Entry]:
    reader = _Reader(table, f"{source}: a family")
    models = [_Reader(model, f"{source}: a model of a family") for model in reader.tables("models")]
    ids = [model.text("id") for model in models]
    parameters = [model.number("parameters") for model in models]
    for model in models:
        model.end()
    reader.what = f"{source}: the family of “{ids[0]}”"
    style = reader.text("style")
    if style not in _STYLES:
        raise reader.wrong("style", style, f"one of {', '.join(_STYLES)}")
    licence, limits, window = reader.text("licence"), reader.text("limits"), reader.number("window")
    levels = () if style == "few-shot" else reader.levels()
    asks = _STYLES[style](reader)
    reader.end()
    return [
        Entry(id_, size, licence, limits, int(window), levels, asks) for id_, size in zip(ids, parameters, strict=True)
    ]


class _Reader:
    """Takes the keys out of a table one by one; what is left at the end is unknown."""

    def __init__(self, table: object, what: str) -> None:
        if not isinstance(table, dict):
            raise SettingsError(f"{what} must be a table.")
        self.what = what
        self._left: dict[str, Any] = dict(table)

    def wrong(self, key: str, value: object, expected: str) -> SettingsError:
        return SettingsError(f"{self.what} has {value!r} for “{key}”; it must be {expected}.")

    def _take(self, key: str, kinds: tuple[type, ...], expected: str) -> Any:
        if key not in self._left:
            raise SettingsError(f"{self.what} lacks “{key}”, {expected}.")
        value = self._left.pop(key)
        if type(value) not in kinds or (kinds != (bool,) and not value):
            raise self.wrong(key, value, expected)
        return value

    def has(self, key: str) -> bool:
        return key in self._left

    def text(self, key: str) -> str:
        return str(self._take(key, (str,), "a text, not empty"))

    def lead(self) -> str:
        return self.text("lead") if self.has("lead") else ""

    def flag(self, key: str) -> bool:
        return bool(self._take(key, (bool,), "true or false"))

    def number(self, key: str) -> float:
        value = self._take(key, (int, float), "a number above 0")
        if not 0 < value < 1e9:
            raise self.wrong(key, value, "a number above 0")
        return float(value)

    def tables(self, key: str) -> list[object]:
        return list(self._take(key, (list,), "a list of tables, not empty"))

    def table(self, key: str) -> dict[str, object]:
        return dict(self._take(key, (dict,), "a table, not empty"))

    def levels(self) -> tuple[float, ...]:
        expected = f"{len(Level) - 1} rising probabilities"
        value = self._take("levels", (list,), expected)
        numbers = [item for item in value if type(item) in (int, float) and 0 < item <= 1]
        if len(numbers) != len(value) or len(value) != len(Level) - 1 or numbers != sorted(numbers):
            raise self.wrong("levels", value, expected)
        return tuple(float(number) for number in numbers)

    def meanings(self, key: str) -> Mapping[str, str]:
        table = self.table(key)
        for label, meaning in table.items():
            self._check(f"{key}.{label}", meaning, _MEANINGS)
        if all(meaning == HARMLESS for meaning in table.values()):
            raise self.wrong(key, table, "a table in which some label means harm")
        return MappingProxyType({label: str(meaning) for label, meaning in table.items()})

    def meaning(self, key: str) -> str:
        value = self.text(key)
        self._check(key, value, _MEANINGS[:-1])
        return value

    def _check(self, key: str, value: object, known: tuple[str, ...]) -> None:
        if value not in known:
            raise self.wrong(key, value, f"one of {', '.join(known)}")

    def end(self) -> None:
        if self._left:
            raise SettingsError(f"{self.what} has unknown keys: {', '.join(self._left)}.")


def _labels(reader: _Reader) -> Labels:
    return Labels(reader.meanings("labels"), reader.flag("several"))


def _few_shot(reader: _Reader) -> FewShot:
    prompt = reader.text("prompt")
    if prompt.count("{text}") != 1:
        raise reader.wrong("prompt", prompt, "a text that holds {text} once")
    return FewShot(prompt)


def _codes(reader: _Reader) -> Codes:
    return Codes(reader.meanings("codes"), reader.flag("parts"), reader.lead())


def _questions(reader: _Reader) -> Questions:
    return Questions(
        yes=reader.text("yes"),
        no=reader.text("no"),
        lead=reader.lead(),
        questions=tuple(_question(table, reader.what) for table in reader.tables("question")),
    )


def _question(table: object, what: str) -> Question:
    reader = _Reader(table, f"{what}: a question")
    meaning = reader.meaning("meaning")
    variables = {side: MappingProxyType(reader.table(side.value)) for side in Side if reader.has(side.value)}
    if not variables:
        raise SettingsError(f"{what}: the question about “{meaning}” needs a table “user”, “assistant” or both.")
    reader.end()
    return Question(meaning, MappingProxyType(variables))


_STYLES: Mapping[str, Callable[[_Reader], Labels | FewShot | Codes | Questions]] = MappingProxyType(
    {"labels": _labels, "few-shot": _few_shot, "codes": _codes, "questions": _questions}
)

_BEGIN, _END = "<!-- table: python -m moderation.catalogue -->\n", "<!-- end of table -->\n"
_HEAD = "| model | parameters | GB in 16 bits | asked by | licence | known limits |\n|---|---|---|---|---|---|\n"
_ASKED: Mapping[type, str] = MappingProxyType(
    {Labels: "its labels", FewShot: "five labels", Codes: "safe or unsafe, codes", Questions: "yes or no"}
)


def table() -> str:
    """The catalogue in Markdown."""
    return _HEAD + "".join(
        f"| {entry.id} | {entry.parameters:g} billion | {entry.memory_gb:.1f} | {_ASKED[type(entry.asks)]} | "
        f"{entry.licence} | {entry.limits} |\n"
        for entry in load().entries
    )


def with_table(page: str) -> str:
    """`page` with the table between its markers brought up to date."""
    return generated.between(page, _BEGIN, _END, table())


if __name__ == "__main__":
    page = PATH.parents[1] / "docs" / "moderators.md"
    page.write_text(with_table(page.read_text(encoding="utf-8")), encoding="utf-8")
