"""What is wrong with training data: each fault with its file, line, field and reason, all told at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from errors import InputError

SHOWN = 50
"""Faults named in one message; of the others only the number."""


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One reason why a record cannot be learnt from."""

    file: str
    line: int
    """Counted from 1; of a Parquet file or a data set of the hub, the row. 0 where the whole file is meant."""
    field: str
    """Where in the record, like `messages[2].content`; empty where the whole line is meant."""
    reason: str
    zh: str

    def __str__(self) -> str:
        return f"{self._place()}{self.reason}"

    def told(self, language: str) -> str:
        return f"{self._place()}{self.zh}" if language == "zh" else str(self)

    def _place(self) -> str:
        line = f":{self.line}" if self.line else ""
        return f"{self.file}{line}: " + (f"{self.field}: " if self.field else "")


def refusal(faults: Sequence[Fault], records: int) -> InputError:
    """All of `faults` in one message, of which `records` records suffer."""
    shown = faults[:SHOWN]
    more = len(faults) - len(shown)
    heads = (
        f"The training data has {counted(len(faults), 'fault')} in {counted(records, 'record')}; mend them, or leave "
        "those records out with --skip-bad:",
        f"训练数据有 {len(faults):,} 处错误，涉及 {records:,} 条记录；请改正，或用 --skip-bad 略去这些记录：",
    )
    tails = ([f"and {more:,} more"], [f"另有 {more:,} 处"]) if more else ([], [])
    return InputError(
        "\n".join([heads[0], *map(str, shown), *tails[0]]),
        zh="\n".join([heads[1], *(fault.told("zh") for fault in shown), *tails[1]]),
    )


def counted(number: int, noun: str) -> str:
    """`1 record`, `2 records`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
