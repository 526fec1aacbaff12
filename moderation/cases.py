"""Decisions that somebody thinks are wrong: kept for the operator to rule on, and for training.

    cases = Cases(folder)
    cases.hold("turn 7", Side.USER, Judged(text))          # in memory, so that it can be kept if the person agrees
    cases.contest("turn 7", Side.USER, decision, keep_text=True)
    cases.rule(case.id, "wrong")

`cases.jsonl` in the folder holds one JSON object a line: `id`, `time` (Unix), `side`, `action`, `category`, `level`,
`ground`, `score`, `hash`, `flagged` and, with the person's consent alone, `text` and, of an answer, the question it was
given (`context`). `flagged` is what the text should have been called: false until the operator rules that the decision
was right (`ruling`). The file is training data as it is (`{"text"?, "flagged"}`), but what nobody has ruled on is one
person's word: `python -m finetune.moderation` should be given `export(ruled=True)`.

The hash is keyed with a random key of this folder, so that nobody can look short texts up in it. The same text of the
same side is one case. At most `most` cases are kept, the oldest leave first. One process writes.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import os
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from errors import InputError
from moderation.base import Action, Side
from moderation.policy import Decision

RULINGS = ("right", "wrong")
FILE = "cases.jsonl"
MOST = 5000
_LONGEST = 20_000
"""Characters of a text that is kept."""
_HELD, _HELD_S = 500, 3600.0
"""Texts that wait in memory for somebody to contest them, and how long the youngest of them does."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Judged:
    """A text that was flagged, and the question before it where it is an answer."""

    text: str
    context: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """One contested decision."""

    id: str
    time: float
    side: str
    action: str
    category: str
    level: str
    ground: str
    score: float
    hash: str
    text: str = ""
    """Empty without consent."""
    context: str = ""
    ruling: str = ""
    """`right` or `wrong`: what the operator says of the decision; empty before."""

    def line(self) -> str:
        """The case as JSON, on one line."""
        row: dict[str, Any] = {**dataclasses.asdict(self), "flagged": self.ruling == "right"}
        for name in ("text", "context", "ruling"):
            if not row[name]:
                del row[name]
        return json.dumps(row, ensure_ascii=False)

    @classmethod
    def read(cls, line: str) -> Case | None:
        """The case of a line; None where it is none, as after a crash in the middle of a write.

        What a later version of the app wrote beside is passed over.
        """
        try:
            row = json.loads(line)
            case = cls(**{each.name: row[each.name] for each in dataclasses.fields(cls) if each.name in row})
            Side(case.side), Action(case.action)
            return case
        except (ValueError, TypeError, KeyError):
            return None


class Cases:
    """The contested decisions in a folder. Light to make; the file is read when first needed. Thread-safe."""

    def __init__(self, folder: Path, most: int = MOST, clock: Callable[[], float] = time.time) -> None:
        """`clock` tells Unix time."""
        self._path = folder / FILE
        self._key_path = folder / "key"
        self._most = most
        self._clock = clock
        self._lock = threading.Lock()
        self._held: OrderedDict[tuple[str, Side], tuple[float, Judged]] = OrderedDict()
        self._cases: OrderedDict[tuple[str, str], Case] | None = None

    def hold(self, turn_id: str, side: Side, judged: Judged) -> None:
        """Remember a flagged text for an hour, in memory only."""
        with self._lock:
            self._held[turn_id, side] = (self._clock(), judged)
            self._held.move_to_end((turn_id, side))
            self._let_go()

    def contest(self, turn_id: str, side: Side, decision: Decision, keep_text: bool) -> bool:
        """Keep the case. Whether its text was kept too: that needs consent, and a text that is still in memory.

        Contested again, it stays one case; consent that was given later adds the text. Raises `InputError` when it
        cannot be written.
        """
        with self._lock:
            self._let_go()
            judged = self._held.get((turn_id, side), (0.0, Judged("")))[1]
            kept = Judged(judged.text[:_LONGEST], judged.context[:_LONGEST]) if keep_text else Judged("")
            try:
                self._add(turn_id, side, decision, judged, kept)
            except OSError as error:
                raise _unwritten(error) from error
            return bool(kept.text)

    def rule(self, case_id: str, ruling: str) -> None:
        """What the operator says of a decision.

        Raises `InputError` for a case or a ruling that there is not, and when it cannot be written.
        """
        if ruling not in RULINGS:
            raise InputError(f"“{ruling[:20]}” is no ruling; use right or wrong.", zh="只能判为 right 或 wrong。")
        with self._lock:
            cases = self._loaded()
            key = next((key for key, case in cases.items() if case.id == case_id), None)
            if key is None:
                raise InputError(
                    "This case is no longer kept; look at the list again.", zh="该案例已不再保留，请刷新列表。"
                )
            ruled = dataclasses.replace(cases[key], ruling=ruling)
            try:
                self._write({**cases, key: ruled}.values())
            except OSError as error:
                raise _unwritten(error) from error
            cases[key] = ruled

    def all(self) -> tuple[Case, ...]:
        """Every case, newest first."""
        with self._lock:
            return tuple(reversed(self._loaded().values()))

    def export(self, ruled: bool = False) -> str:
        """The cases as JSON lines, oldest first; with `ruled` only those that the operator has ruled on."""
        with self._lock:
            return "".join(f"{case.line()}\n" for case in self._loaded().values() if case.ruling or not ruled)

    def _add(self, turn_id: str, side: Side, decision: Decision, judged: Judged, kept: Judged) -> None:
        cases = self._loaded()
        digest = self._digest(judged.text or turn_id)
        known = cases.get((digest, side.value))
        if known is not None:
            if kept.text and not known.text:
                more = dataclasses.replace(known, text=kept.text, context=kept.context)
                self._write({**cases, (digest, side.value): more}.values())
                cases[digest, side.value] = more
            return
        case = Case(
            id=secrets.token_urlsafe(9),
            time=round(self._clock(), 1),
            side=side.value,
            action=decision.action.value,
            category=decision.category,
            level=decision.level.label,
            ground=decision.ground.value,
            score=round(decision.score, 4),
            hash=digest,
            text=kept.text,
            context=kept.context,
        )
        if len(cases) >= self._most:
            # A tenth makes room at once, so that a flood does not rewrite the file each time.
            left = list(cases.items())[len(cases) - self._most + self._most // 10 + 1 :]
            self._write([*(one for _, one in left), case])
            self._cases = cases = OrderedDict(left)
        else:
            self._append(case)
        cases[digest, side.value] = case

    def _let_go(self) -> None:
        """Forget what has been held too long, or is too much."""
        while self._held:
            since, _ = next(iter(self._held.values()))
            if len(self._held) <= _HELD and self._clock() - since < _HELD_S:
                return
            self._held.popitem(last=False)

    def _digest(self, text: str) -> str:
        return hashlib.blake2b(text.encode("utf-8", "replace"), key=self._key(), digest_size=16).hexdigest()

    def _key(self) -> bytes:
        """The folder's key, made on first use."""
        try:
            return self._key_path.read_bytes()
        except FileNotFoundError:
            self._replace(self._key_path, secrets.token_bytes(32))
            return self._key_path.read_bytes()

    def _loaded(self) -> OrderedDict[tuple[str, str], Case]:
        if self._cases is None:
            try:
                # Not splitlines: a text may hold other signs that end a line, which JSON leaves as they are.
                lines = self._path.read_text(encoding="utf-8", errors="replace").removesuffix("\n").split("\n")
            except FileNotFoundError:
                lines = []
            lines = [line for line in lines if line]
            found = [case for case in map(Case.read, lines) if case is not None]
            self._cases = OrderedDict(((case.hash, case.side), case) for case in found)
            if len(found) < len(lines):
                logger.warning("%d lines of %s are no cases and are left out.", len(lines) - len(found), self._path)
                self._write(found)
        return self._cases

    def _append(self, case: Case) -> None:
        """One write of one whole line: a crash leaves at most a torn last line, which the next start leaves out."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            data = f"{case.line()}\n".encode("utf-8", "replace")
            before = os.fstat(file).st_size
            if os.write(file, data) != len(data):
                os.ftruncate(file, before)
                raise OSError("the disk is full")
            os.fsync(file)
        finally:
            os.close(file)

    def _write(self, cases: Iterable[Case]) -> None:
        self._replace(self._path, "".join(f"{case.line()}\n" for case in cases).encode("utf-8", "replace"))

    def _replace(self, path: Path, data: bytes) -> None:
        """Put `data` in the file's place: what is there is the old or the new, never a part."""
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(".new")
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)


def _unwritten(error: OSError) -> InputError:
    logger.error("A contested decision could not be written: %s", error)
    return InputError(
        "This could not be recorded, because the app cannot write to its data folder; tell the operator.",
        zh="无法记录：应用不能写入数据文件夹；请告知管理员。",
    )
