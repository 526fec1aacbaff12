"""Moderation decisions that an operator has ruled on, as `finetune.export --moderation` writes them.

One JSON object a line: `text`, `flagged` (whether it is harmful), and of a harmful one `category`; what the operator's
page has to download reads as well, with `ground`. What else stands there is passed over: the embedded moderator judges
a text by itself, whoever wrote it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from errors import InputError
from finetune.faults import Fault, counted, refusal
from finetune.formats import Problem, called
from finetune.moderation_data import Row
from finetune.reading import File, Record, records
from moderation.base import Category
from moderation.policy import OPERATORS_OWN

SOURCE = "case"
_LONGEST = 20_000
"""Characters of a text."""
_KNOWN = ", ".join(Category)


def load_cases(files: Sequence[Path], skip_bad: bool = False) -> list[Row]:
    """The cases of all files. Raises `InputError` that lists every fault, unless `skip_bad` leaves them out."""
    rows: dict[str, Row] = {}
    places: dict[str, str] = {}
    faults: list[Fault] = []
    for path in files:
        for found in _records(path):
            if isinstance(found, Fault):
                faults.append(found)
                continue
            problems = list(_problems(found.value))
            if not problems:
                row, place = _row(found.value), f"{path}:{found.line}"
                before = rows.setdefault(row.text, row)
                places.setdefault(row.text, place)
                if before.flagged == row.flagged:
                    continue
                other = places[row.text]
                problems = [("flagged", f"{other} rules the same text otherwise", f"{other} 对同一文本的裁定相反")]
            faults += [Fault(str(path), found.line, field, reason, zh) for field, reason, zh in problems]
    if faults and not skip_bad:
        raise refusal(faults, len({(fault.file, fault.line) for fault in faults}))
    if not rows:
        named = ", ".join(map(str, files))
        raise InputError(
            f"{named} holds no case to learn from; rule on cases in the operator's page, /moderation, then export them "
            "with python -m finetune.export --moderation.",
            zh=f"{named} 中没有可学习的案例；请先在运营者页面 /moderation 裁定案例，再用 "
            "python -m finetune.export --moderation 导出。",
        )
    return list(rows.values())


def _records(path: Path) -> Iterator[Record | Fault]:
    return records(File(path, str(path)))


def _problems(value: Any) -> Iterator[Problem]:
    if not isinstance(value, dict):
        yield "", f"it is {called(value)}, not an object", f"它不是对象（{called(value)}）"
        return
    text = value.get("text")
    if not isinstance(text, str) or not text.strip():
        yield "text", "it must be the text that was judged", "应为被审核的文本"
    elif len(text) > _LONGEST:
        length = counted(len(text), "character")
        yield "text", f"it has {length}, more than {_LONGEST:,}", f"有 {len(text):,} 个字符，超过 {_LONGEST:,}"
    if not isinstance(value.get("flagged"), bool):
        yield "flagged", "it must be true (harmful) or false", "应为 true（有害）或 false"
    if value.get("category") and value["category"] not in list(Category):
        yield "category", f"it must be one of {_KNOWN}", f"应为其中之一：{_KNOWN}"
    if value.get("ground") in OPERATORS_OWN:
        yield (
            "ground",
            "a phrase or topic of the operator's own decided, not harm",
            "由管理员的词语或主题规则判定，与有害无关",
        )


def _row(value: Mapping[str, Any]) -> Row:
    flagged = bool(value["flagged"])
    category = value.get("category")
    kinds = () if not flagged else (str(category),) if category else None
    return Row(SOURCE, value["text"], flagged, float(flagged), kinds, 1.0, False, value["text"])
