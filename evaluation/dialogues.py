"""How well questions are understood in a conversation: `python -m evaluation.dialogues [--failures] [--json]`.

The whole app with its starter library and the reader is talked to, turn by turn. Four kinds of last turns:

- `follow-up` leaves to earlier turns what it is about. `top_3`: the passage that answers is among the first three.
- `switch` begins something new. `top_3`, and `top_3_fresh` for the same question as the first of a conversation.
- `chat` asks nothing. `searched`: whether a passage was found for it all the same.
- `about` wants a document summed up. `right`: everything the answer stands on is of that document.

The dialogues (evaluation/data/dialogues.tsv) were written for this project; every second one of each kind is held out:
nobody looks at how it fails while the rules are worked on.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from pathlib import Path

from chat.assistant import Ask, Assistant
from chat.conversation import Conversation, Turn, begin, new_id
from chat.events import Done, Found
from errors import AppError, InputError
from retrieval.base import Passage
from retrieval.library import GUIDE, LIBRARY
from settings import Settings
from wiring import wire

DIALOGUES = Path(__file__).parent / "data" / "dialogues.tsv"
_TOP = 3


class Kind(StrEnum):
    """What the last turn is."""

    FOLLOW_UP = "follow-up"
    SWITCH = "switch"
    CHAT = "chat"
    ABOUT = "about"


@dataclass(frozen=True, slots=True)
class Dialogue:
    language: str
    kind: Kind
    earlier: tuple[str, ...]
    """What was said before, oldest first."""
    ask: str
    title: str
    """Of the article that answers; empty where nothing is asked."""
    holds: str
    """What stands in the passage that answers."""
    held: bool
    """Whether it is held out."""


@dataclass(frozen=True, slots=True)
class Result:
    """One dialogue and how it went."""

    dialogue: Dialogue
    query: str
    """What the last turn was searched for as."""
    good: bool
    fresh: bool = True
    """Whether it went well as the first question of a conversation."""


def load_dialogues(path: Path = DIALOGUES) -> list[Dialogue]:
    """The dialogues of a file. Raises `InputError` naming a line that is malformed."""
    found: list[Dialogue] = []
    with path.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE), 2):
            try:
                earlier = tuple(part.strip() for part in row["earlier"].split(" / ") if part.strip())
                kind = Kind(row["kind"])
                held = sum(d.kind is kind for d in found) % 2 == 1
                found.append(
                    Dialogue(row["language"], kind, earlier, row["ask"], row["title"], row["holds"] or "", held)
                )
            except (KeyError, ValueError, AttributeError) as error:
                raise InputError(f"{path.name}, line {number}, is not a dialogue.") from error
    return found


@contextmanager
def assistant() -> Iterator[Assistant]:
    """The app without its page, in a folder of its own, ready, with every vector in place."""
    with tempfile.TemporaryDirectory() as folder:
        core = wire(Settings(data_dir=Path(folder), model="reader", network=False), uploads=False)
        try:
            core.assistant.startup.start()
            for _ in core.assistant.startup.wait(threading.Event()):
                pass
            core.index.backfill(threading.Event())
            yield core.assistant
        finally:
            core.close()


def talk(assistant: Assistant, said: Sequence[str]) -> tuple[Turn, tuple[Passage, ...]]:
    """Say everything in one conversation; the last turn, and the passages that were found for it, best first."""
    conversation: Conversation = begin("")
    turn = Turn("", "")
    found: tuple[Passage, ...] = ()
    for question in said:
        found = ()
        for event in assistant.reply(Ask(new_id(), question, conversation, (LIBRARY,), moderation=False)):
            if isinstance(event, Found):
                found = event.passages
            elif isinstance(event, Done):
                turn = event.turn
        conversation = conversation.put(turn)
    return turn, found


def judge(assistant: Assistant, dialogue: Dialogue) -> Result:
    """Hold one dialogue."""
    turn, found = talk(assistant, (*dialogue.earlier, dialogue.ask))
    if dialogue.kind is Kind.CHAT:
        return Result(dialogue, turn.query, all(passage.source == GUIDE for passage in found))
    if dialogue.kind is Kind.ABOUT:
        return Result(dialogue, turn.query, bool(turn.cited) and {p.title for p in found} == {dialogue.title})
    fresh = dialogue.kind is Kind.FOLLOW_UP or _there(talk(assistant, (dialogue.ask,))[1], dialogue)
    return Result(dialogue, turn.query, _there(found, dialogue), fresh)


def _there(found: Sequence[Passage], dialogue: Dialogue) -> bool:
    return any(p.title == dialogue.title and dialogue.holds in p.text for p in found[:_TOP])


def figures(results: Sequence[Result]) -> dict[str, dict[str, float]]:
    """By kind, the shares that the module's text names."""
    names = {Kind.FOLLOW_UP: "top_3", Kind.SWITCH: "top_3", Kind.CHAT: "searched", Kind.ABOUT: "right"}
    shown: dict[str, dict[str, float]] = {}
    for kind, group in groupby(sorted(results, key=lambda r: r.dialogue.kind), key=lambda r: r.dialogue.kind):
        mine = list(group)
        good = sum(result.good for result in mine) / len(mine)
        shown[kind] = {"n": len(mine), names[kind]: round(1 - good if kind is Kind.CHAT else good, 4)}
        if kind is Kind.SWITCH:
            shown[kind]["top_3_fresh"] = round(sum(result.fresh for result in mine) / len(mine), 4)
    return shown


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m evaluation.dialogues", description=__doc__.splitlines()[0])
    parser.add_argument("--dialogues", type=Path, default=DIALOGUES)
    parser.add_argument("--failures", action="store_true", help="show those that went wrong and are not held out")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args(arguments)
    try:
        dialogues = load_dialogues(options.dialogues)
        with assistant() as ready:
            results = [judge(ready, dialogue) for dialogue in dialogues]
    except (AppError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    for result in results if options.failures else ():
        if not result.good and not result.dialogue.held:
            said = " / ".join((*result.dialogue.earlier, result.dialogue.ask))
            print(f"{result.dialogue.kind}: {said} -> {result.query}")
    parts = {"worked_on": False, "held_out": True}
    shown = {name: figures([r for r in results if r.dialogue.held is held]) for name, held in parts.items()}
    for name, kinds in shown.items():
        for kind, values in kinds.items():
            print(f"{name:<10} {kind:<10}", *(f"{key} {value:g}" for key, value in values.items()))
    if options.json:
        print(json.dumps(shown))
    return 0


if __name__ == "__main__":
    sys.exit(main())
