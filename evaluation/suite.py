"""Suites: what a chat model is asked, what it should answer, and how an answer is scored; all of it data.

A suite is a JSONL file, plain or `.gz`, or a folder of them. A line is a conversation that ends with the answer wanted:

    {"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "the reference"}]}

That is enough: the answer is compared with the reference word for word, and by its tokens. Beside it may stand

- `id`, `task` (figures are also given by task; else the file's name), `language` (`en` where it is left out),
- `sources`: [{"title", "text"}], given to the model as the app gives what it found; `gold`: the numbers, from 1, of
  those that hold the answer,
- `answerable`: false where the sources do not hold it; without `checks` it is then scored whether the model says so,
- `answers`: what else is right; exact match and token F1 take the best of them and the reference,
- `checks`: [{"check": kind, …}], see `evaluation.checks`; the score is the product of theirs,
- `tokens`: the longest answer that is let be written (256).

`default` names the suite in evaluation/data/suite, written for this project. Other fields are left alone.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from chat.base import Message, Role
from errors import InputError
from evaluation.checks import KINDS, fault
from evaluation.items import LONGEST, Check, Item, Source

SUITE = Path(__file__).parent / "data" / "suite"
DEFAULT = "default"
_MOST_SHOWN = 20
"""Faults that are told; the others are counted."""
_ENDINGS = (".jsonl", ".jsonl.gz")
_UTF_8 = "utf-8-sig"
"""With the mark that Windows sets before it, or without."""


def load_suite(name: str) -> tuple[Item, ...]:
    """The items of a suite by its name, file or folder. Raises `InputError` telling all faults, each with its line."""
    items: list[Item] = []
    faults: list[str] = []
    for path in _files(name):
        task = Path(path.name.removesuffix(".gz")).stem
        for number, line in enumerate(_lines(path), 1):
            if not line.strip():
                continue
            try:
                item = _item(line, f"{task}-{number}", task)
                faults += [f"{path.name}, line {number}, {told}" for check in item.checks if (told := fault(check))]
                items.append(item)
            except _Fault as error:
                faults.append(f"{path.name}, line {number}, {error}")
    faults += [f"“{key}” is the id of {n} items" for key, n in Counter(i.id for i in items).items() if n > 1]
    if faults:
        more = f"\nand {len(faults) - _MOST_SHOWN} more." if len(faults) > _MOST_SHOWN else ""
        raise InputError(
            f"{name} cannot be used as a suite; mend these lines:\n" + "\n".join(faults[:_MOST_SHOWN]) + more
        )
    if not items:
        raise InputError(f"{name} holds no items; give a JSONL file of conversations that end with an answer.")
    return tuple(items)


def sample(items: Sequence[Item], limit: int | None) -> tuple[Item, ...]:
    """At most `limit` items of each task, at even distances; the same ones every time."""
    if limit is None:
        return tuple(items)
    by_task: dict[str, list[Item]] = {}
    for item in items:
        by_task.setdefault(item.task, []).append(item)
    return tuple(
        mine[i * len(mine) // limit] if limit < len(mine) else mine[i]
        for mine in by_task.values()
        for i in range(min(limit, len(mine)))
    )


class _Fault(ValueError):
    """What is wrong with a line, as the end of a sentence."""


def _files(name: str) -> list[Path]:
    path = SUITE if name == DEFAULT else Path(name).expanduser()
    if path.is_dir():
        return sorted(each for each in path.iterdir() if each.name.endswith(_ENDINGS))
    if not path.is_file():
        raise InputError(f"There is no suite “{name}”; give `{DEFAULT}`, a JSONL file, or a folder of them.")
    return [path]


def _lines(path: Path) -> Iterator[str]:
    try:
        with gzip.open(path, "rt", encoding=_UTF_8) if path.suffix == ".gz" else path.open(encoding=_UTF_8) as file:
            yield from file
    except (UnicodeDecodeError, OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} cannot be read as UTF-8 text ({type(error).__name__}); save it as UTF-8.") from error


def _item(line: str, id_: str, task: str) -> Item:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        raise _Fault("is not JSON.") from None
    if not isinstance(row, dict):
        raise _Fault("is not a JSON object.")
    messages = _messages(row)
    reference = messages.pop().content
    sources = tuple(_source(each, n) for n, each in enumerate(_typed(row, "sources", list, []), 1))
    gold = tuple(_typed(row, "gold", list, []))
    if any(not isinstance(n, int) or not 1 <= n <= len(sources) for n in gold):
        raise _Fault(f"“gold” is {list(gold)} and there are {len(sources)} sources; give their numbers, from 1.")
    answers = tuple(_typed(row, "answers", list, []))
    if not all(isinstance(each, str) and each.strip() for each in answers):
        raise _Fault("“answers” are not all texts.")
    tokens = _typed(row, "tokens", int, LONGEST)
    if tokens < 1:
        raise _Fault(f"“tokens” is {tokens}; give a number above 0.")
    answerable = _typed(row, "answerable", bool, True)
    plain = Check("exact" if answerable else "refuses", {})
    checks = tuple(_check(each) for each in _typed(row, "checks", list, [])) or (plain,)
    compared = bool(answers) or any(check.kind in KINDS and KINDS[check.kind].compares for check in checks)
    return Item(
        id=_typed(row, "id", str, id_),
        task=_typed(row, "task", str, task),
        messages=tuple(messages),
        reference=reference,
        language=_typed(row, "language", str, "en"),
        sources=sources,
        gold=gold,
        answerable=answerable,
        answers=tuple(dict.fromkeys((reference, *answers))) if compared else (),
        checks=checks,
        tokens=tokens,
    )


def _messages(row: Mapping[str, Any]) -> list[Message]:
    said = _typed(row, "messages", list, None)
    messages = []
    for number, each in enumerate(said, 1):
        if not isinstance(each, dict) or not isinstance(each.get("content"), str) or not each["content"].strip():
            raise _Fault(f"message {number} has no “content” that is text.")
        if each.get("role") not in list(Role):
            raise _Fault(f"message {number} has the role {each.get('role')!r}; give system, user or assistant.")
        messages.append(Message(Role(each["role"]), each["content"]))
    roles = [message.role for message in messages]
    turns = roles[1:] if roles[:1] == [Role.SYSTEM] else roles
    if not turns or turns != [Role.USER, Role.ASSISTANT] * (len(turns) // 2):
        raise _Fault("is not user and assistant in turn, after a system message or none, to the assistant's answer.")
    return messages


def _source(said: object, number: int) -> Source:
    text = said.get("text") if isinstance(said, dict) else None
    if not isinstance(said, dict) or not isinstance(text, str) or not text.strip():
        raise _Fault(f"source {number} has no “text”.")
    return Source(str(said.get("title", "")), text)


def _check(said: object) -> Check:
    if not isinstance(said, dict) or not isinstance(said.get("check"), str):
        raise _Fault("a check does not say its kind in “check”.")
    return Check(said["check"], {key: value for key, value in said.items() if key != "check"})


def _typed(row: Mapping[str, Any], field: str, kind: type, default: Any) -> Any:
    value = row.get(field, default)
    if value is None:
        raise _Fault(f"has no “{field}”.")
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise _Fault(f"“{field}” is {value!r}; give {_NAMES[kind]}.")
    return value


_NAMES = {str: "text", int: "a whole number", list: "a list", bool: "true or false"}
