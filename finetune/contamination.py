"""Does training data hold what a model is measured on? Training texts beside the texts of evaluation sets.

After GPT-3's clean-up (T. Brown et al. 2020, appendix C): texts in plain form, without case and punctuation, overlap
where they have 13 words in a row in common, or as many as the shorter of both has, but at least 8; runs that many
evaluation texts have in common (instructions, boilerplate) do not count. Added here, since questions are short and some
are Chinese: a character of Chinese, Japanese or Korean is a unit of its own, and 20 units stand for 13 words, 13 for 8;
a question that is shorter still, down to three units, counts where a turn is the same question, word for word.

Not covered: paraphrases and translations.
"""

from __future__ import annotations

import gzip
import re
import unicodedata
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chat.base import Role
from errors import InputError
from finetune.examples import Example, Pair
from finetune.faults import Fault
from finetune.reading import SUFFIXES, File, records
from finetune.strict import toml

_EAST_ASIAN = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_UNIT = re.compile(rf"[{_EAST_ASIAN}]|[^\W_{_EAST_ASIAN}]+")
_SINGLE = re.compile(f"[{_EAST_ASIAN}]")
_RUN = 8
"""Units of the runs that are looked up."""
_WORDS, _CHARACTERS = (8, 13), (13, 20)
"""Units that a short text and a long one must have in common, in words and in characters."""
_SHORTEST = 3
"""Units of a question; “thanks” and “why?” are everybody's."""
_COMMON = 10
"""Evaluation texts that have a run in common above which it counts for none."""
_SHOWN = 12
"""Units of an overlap that are shown."""
_ASKING = frozenset(["question", "query", "text", "prompt", "instruction", "input", "ask", "content", "value"])
"""Fields whose text is a question or message as a whole."""
_TEXT_SUFFIXES = (*SUFFIXES, ".tsv", ".txt", ".toml", ".csv", ".md", ".tsv.gz")
OWN = Path(__file__).parent.parent / "evaluation" / "data"
"""This project's evaluation sets."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A text of an evaluation set."""

    source: str
    """`file:line`."""
    text: str
    asked: bool
    """Whether it is a question or message as a whole, so that the same one in training counts however short it is."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A training item that holds a text of an evaluation set."""

    item: str
    """Where it was read."""
    reference: str
    same: bool
    """The same text as a whole; else an overlap."""
    shared: str
    """What both have in common, in plain form, or its beginning."""


@dataclass(frozen=True, slots=True)
class Contamination:
    """What was found."""

    references: int
    """Evaluation texts that were compared."""
    hits: tuple[Hit, ...]
    """One for each training item and evaluation text."""

    @property
    def items(self) -> frozenset[str]:
        """Sources of the training items concerned."""
        return frozenset(hit.item for hit in self.hits)


def units(text: str) -> list[str]:
    """The words of a text in plain form; East Asian characters one by one."""
    return _UNIT.findall(unicodedata.normalize("NFKC", text).casefold())


def references(paths: Sequence[Path]) -> tuple[Reference, ...]:
    """The texts of evaluation sets: files and folders. What is named `_train` in a folder is none.

    Of a folder in BEIR layout only the questions. Raises `InputError` when there is nothing to read.
    """
    found: list[Reference] = []
    for path in paths:
        texts = [text for file in _files(path) for text in _texts(File(file, str(file)))]
        if not texts:
            raise _none(path)
        found += texts
    return tuple(found)


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    inside = sorted(file for file in path.rglob("*") if file.is_file() and file.name.lower().endswith(_TEXT_SUFFIXES))
    queries = [file for file in inside if file.name.startswith("queries.")]
    wanted = queries or [file for file in inside if not file.name.split(".")[0].endswith("_train")]
    if not wanted:
        raise _none(path)
    return wanted


def _none(path: Path) -> InputError:
    return InputError(
        f"There is no evaluation set at {path} that can be read; give a file, or a folder with some.",
        zh=f"{path} 处没有可读取的评测集；请给出文件，或含有评测集的文件夹。",
    )


def _texts(file: File) -> Iterator[Reference]:
    """Every text of a file, whatever its form."""
    if file.name.endswith(".toml"):
        yield from _strings(toml(file.path), file.name, "", asked=True)
        return
    if not file.name.lower().endswith(SUFFIXES):
        for line, text in enumerate(_plain(file.path).splitlines(), start=1):
            for cell in text.split("\t"):
                yield Reference(f"{file.name}:{line}", cell, asked=True)
        return
    for found in records(file):
        if not isinstance(found, Fault):  # what cannot be read cannot be compared; the evaluation itself refuses it
            yield from _strings(found.value, f"{file.name}:{found.line}", "", asked=False)


def _plain(path: Path) -> str:
    """The text of a file, plain or `.gz`. Raises `InputError` where it cannot be read."""
    try:
        raw = path.read_bytes()
        return (gzip.decompress(raw) if path.suffix.lower() == ".gz" else raw).decode("utf-8", "replace")
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(
            f"The evaluation set {path} cannot be read ({error}); check the file.",
            zh=f"无法读取评测集 {path}（{error}）；请检查该文件。",
        ) from error


def _strings(value: Any, source: str, field: str, asked: bool) -> Iterator[Reference]:
    """The texts in a record. An assistant's message is none that asks."""
    if isinstance(value, str):
        yield Reference(source, value, asked or field in _ASKING)
    elif isinstance(value, Mapping):
        answers = value.get("role", value.get("from")) in ("assistant", "gpt", "system")
        for key, item in value.items():
            yield from _strings(item, source, "" if answers else str(key), asked and not answers)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item, source, field if field in _ASKING else "", asked)


def check(items: Sequence[Example | Pair], against: Sequence[Reference]) -> Contamination:
    """Which items hold texts of the evaluation sets, in any of their turns or answers."""
    index = _Index(against)
    hits: dict[tuple[str, str], Hit] = {}
    for item in {item.source: item for item in items}.values():
        for said, asks in _said(item):
            for number, same, shared in index.matches(said, asks):
                source = against[number].source
                hit = Hit(item.source, source, same, shared)
                before = hits.get((item.source, source))
                if before is None or (same and not before.same):
                    hits[item.source, source] = hit
    return Contamination(len(against), tuple(hits.values()))


def _said(item: Example | Pair) -> Iterator[tuple[list[str], bool]]:
    """The units of each turn and answer, and whether a question stands there."""
    for turn in item.turns:
        yield units(turn.text), turn.role is Role.USER
    for answer in (item.chosen, item.rejected) if isinstance(item, Pair) else ():
        yield units(answer), False


class _Index:
    """Runs of `_RUN` units of the evaluation texts, and where they stand."""

    def __init__(self, against: Sequence[Reference]) -> None:
        self._same: dict[tuple[str, ...], list[int]] = defaultdict(list)
        self._sizes: list[int] = []
        self._least: list[tuple[int, int]] = []
        places: dict[tuple[str, ...], list[tuple[int, int]]] = defaultdict(list)
        for number, reference in enumerate(against):
            said = units(reference.text)
            if reference.asked and len(said) >= _SHORTEST:
                self._same[tuple(said)].append(number)
            self._sizes.append(len(said))
            self._least.append(_CHARACTERS if _is_east_asian(said) else _WORDS)
            for at in range(len(said) - _RUN + 1):
                places[tuple(said[at : at + _RUN])].append((number, at))
        self._places = {run: there for run, there in places.items() if len({n for n, _ in there}) <= _COMMON}

    def matches(self, said: Sequence[str], asks: bool) -> Iterator[tuple[int, bool, str]]:
        """Numbers of the evaluation texts that a text holds; whether it is the same; what both have in common."""
        same = self._same.get(tuple(said), []) if asks else []
        for number in same:
            yield number, True, _shown(said)
        longest: Counter[int] = Counter()
        ends: dict[int, int] = {}
        runs: dict[tuple[int, int], int] = {}
        for at in range(len(said) - _RUN + 1):
            going = {}
            for number, place in self._places.get(tuple(said[at : at + _RUN]), ()):
                going[number, place] = length = runs.get((number, place - 1), _RUN - 1) + 1
                if length > longest[number]:
                    longest[number], ends[number] = length, at + _RUN
            runs = going
        for number, length in longest.items():
            short, long = self._least[number]
            if length >= max(short, min(long, len(said), self._sizes[number])) and number not in same:
                yield number, False, _shown(said[ends[number] - length : ends[number]])


def _is_east_asian(said: Sequence[str]) -> bool:
    return 2 * sum(bool(_SINGLE.fullmatch(unit)) for unit in said) > len(said)


def _shown(said: Sequence[str]) -> str:
    """The beginning of what is shared, as words."""
    text = " ".join(said[:_SHOWN])
    text = re.sub(rf"(?<=[{_EAST_ASIAN}]) (?=[{_EAST_ASIAN}])", "", text)
    return text + (" …" if len(said) > _SHOWN else "")
