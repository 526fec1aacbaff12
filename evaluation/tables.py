"""Tables in answers, and how many of their cells are right.

A table is a list of rows, the first of them the headers. Read are Markdown tables, and comma- or tab-separated lines,
in a code block or not. A cell is known by its column's header and by what stands in its row under the first header
that is wanted, so that the order of rows and columns does not count, and what stands in the wrong row does.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

Table = Sequence[Sequence[str]]

_FENCE = re.compile(r"```[^\n]*\n(.*?)(?:```|\Z)", re.DOTALL)
"""A block that nothing closes goes on to the end, as in CommonMark: many models end without closing it."""
_RULE = re.compile(r"\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*")
_CELL_END = re.compile(r"(?<!\\)\|")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_DECORATION = re.compile(r"[*_`]+")


def in_block(answer: str) -> str:
    """What stands in an answer's first code block; all of it where there is none."""
    block = _FENCE.search(answer)
    return block[1] if block else answer


def table_in(answer: str) -> list[list[str]]:
    """The table in an answer; empty where there is none."""
    lines = [line.strip() for line in in_block(answer).splitlines() if line.strip()]
    piped = [line for line in lines if line.count("|") >= 1]
    if piped:
        return [_cells(line) for line in piped if not _RULE.fullmatch(line)]
    for mark in ("\t", ","):
        marked = [line for line in lines if mark in line]
        if marked:
            return [[cell.strip() for cell in row] for row in csv.reader(marked, delimiter=mark)]
    return []


def _cells(line: str) -> list[str]:
    inner = line.removeprefix("|")
    inner = inner[:-1] if inner.endswith("|") and not inner.endswith("\\|") else inner
    return [cell.strip().replace("\\|", "|") for cell in _CELL_END.split(inner)]


def cells_f1(found: Table, wanted: Table) -> float:
    """Harmonic mean of the precision and recall of cells, those of the first column among them."""
    key = plain(wanted[0][0])
    one, other = _known(found, key), _known(wanted, key)
    shared = sum((one & other).values())
    return 2 * shared / (sum(one.values()) + sum(other.values())) if shared else 0.0


def _known(table: Table, key: str) -> Counter[tuple[str, str, str]]:
    """Cells as (row, column, value); a row is known by its cell under `key`, else by its first."""
    if not table:
        return Counter()
    heads = [plain(cell) for cell in table[0]]
    at = heads.index(key) if key in heads else 0
    return Counter(
        (plain(row[at]), head, plain(cell))
        for row in table[1:]
        if len(row) > at
        for head, cell in zip(heads, row, strict=False)
    )


def plain(cell: str) -> str:
    """A cell as it is compared: without decoration, thousands' commas, and differences of case and width."""
    folded = unicodedata.normalize("NFKC", _DECORATION.sub("", cell)).casefold()
    return " ".join(_THOUSANDS.sub("", folded).split())
