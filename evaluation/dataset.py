"""Data sets in BEIR layout: `corpus.jsonl`, `queries.jsonl` and `qrels.tsv` in one folder, each plain or `.gz`."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

from errors import InputError


@dataclass(frozen=True, slots=True)
class Item:
    """A text of the corpus."""

    id: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Question:
    id: str
    text: str
    answers: tuple[str, ...] = ()
    """Strings that answer it, where the data set has them."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """Questions that have at least one relevant text, and all texts."""

    name: str
    corpus: tuple[Item, ...]
    questions: tuple[Question, ...]
    relevant: dict[str, dict[str, int]]
    """Question id -> text id -> grade; only grades above 0."""


HELD_OUT = 3
"""The part of the articles to which nothing of the product is fitted."""


def parts(dataset: Dataset) -> dict[str, int]:
    """Part of each text, 0..3: articles in the order of their titles, turn about.

    The reader's networks and the cross-encoder are fitted to parts 0 and 2, what decides over the latter to part 1.
    """
    titles = {title: i % 4 for i, title in enumerate(sorted({item.title for item in dataset.corpus}))}
    return {item.id: titles[item.title] for item in dataset.corpus}


def held_out(dataset: Dataset) -> Dataset:
    """All texts, and the questions about articles of the part that is held out.

    Raises `InputError` where there are none.
    """
    part = parts(dataset)
    kept = tuple(
        question
        for question in dataset.questions
        if min(part.get(item, 0) for item in dataset.relevant[question.id]) == HELD_OUT
    )
    if not kept:
        raise InputError(
            f"No question of {dataset.name} is about an article that is held out: it has too few articles; leave "
            "--held-out away."
        )
    return replace(dataset, questions=kept)


def load_dataset(folder: Path) -> Dataset:
    """Read a folder. Raises `InputError` naming the file and line that is missing or malformed."""
    corpus = tuple(
        Item(id=str(row["_id"]), title=str(row.get("title") or ""), text=str(row["text"]))
        for row in _rows(folder, "corpus.jsonl", ("_id", "text"))
    )
    relevant = _grades(folder)
    questions = tuple(
        Question(
            id=str(row["_id"]),
            text=str(row["text"]),
            answers=tuple(str(answer) for answer in row.get("answers") or ()),
        )
        for row in _rows(folder, "queries.jsonl", ("_id", "text"))
        if str(row["_id"]) in relevant
    )
    if not questions:
        raise InputError(f"{folder} has no question with a relevant text; check that ids in qrels and queries agree.")
    return Dataset(folder.name, corpus, questions, relevant)


def _rows(folder: Path, name: str, fields: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    with _open(folder, name) as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                missing = [field for field in fields if field not in row]
            except (ValueError, TypeError) as error:
                raise InputError(f"{folder / name}, line {number}, is not a JSON object.") from error
            if missing:
                raise InputError(f"{folder / name}, line {number}, has no “{missing[0]}”.")
            yield row


def _grades(folder: Path) -> dict[str, dict[str, int]]:
    """`query-id<TAB>corpus-id<TAB>grade` with a header line, or TREC's four columns without one."""
    relevant: dict[str, dict[str, int]] = {}
    with _open(folder, "qrels.tsv") as file:
        for number, row in enumerate(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE), 1):
            if not row or (number == 1 and not row[-1].strip().lstrip("-").isdigit()):
                continue
            if len(row) not in (3, 4) or not row[-1].strip().lstrip("-").isdigit():
                raise InputError(
                    f"{folder / 'qrels.tsv'}, line {number}, is not query-id, corpus-id and a whole number."
                )
            if int(row[-1]) > 0:
                relevant.setdefault(row[0], {})[row[-2]] = int(row[-1])
    return relevant


def _open(folder: Path, name: str) -> TextIO:
    plain, packed = folder / name, folder / f"{name}.gz"
    if plain.is_file():
        return plain.open(encoding="utf-8")
    if packed.is_file():
        return io.TextIOWrapper(gzip.open(packed), encoding="utf-8")
    raise InputError(f"{folder} has neither {name} nor {name}.gz; give a folder in BEIR layout.")
