"""What `make tune-demo` learns from: shipped questions about Groundchat, made into conversations as the app has them.

Somebody who chats asks several questions in a row. So the taught pairs are dealt out, in a new order each pass, into
conversations of one to four questions. Two in five questions lose some of their words, and a part of those their order:
what is asked hangs on the words, and a small network would rather learn whole sentences by heart. Paraphrases are not
among them.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chat.base import Role
from finetune.data import examples

FOLDER = Path(__file__).parent / "groundchat"
MOST_QUESTIONS = (1, 4, 12)
"""Of one conversation, drawn anew for each; twelve fill what the model reads. Taught in short ones alone, it gave wrong
answers from the fifth question on."""
_VARIED, _KEPT, _MIXED, _SMALL = 0.4, 0.75, 0.3, 0.3
"""Share of the questions that are varied; of their words that stay; of them, those whose words are mixed, and those in
small letters."""
_TIMES = 50
"""So often the tokenizer reads what the app writes around questions."""
_DATED = "Current Date: 2025-10-24\nCurrent Time: 13:57:06 PM UTC\n\n<human>: \n<bot>: "


@dataclass(frozen=True, slots=True)
class Taught:
    """A question and its answer."""

    question: str
    answer: str


def pairs(name: str, answers: int = 0) -> tuple[Taught, ...]:
    """`taught` or `paraphrases`; of the first `answers` answers, 0 for all."""
    loaded = examples(str(FOLDER / f"{name}.jsonl")).items
    found = sorted((_place(one.source), Taught(one.turns[0].text, one.turns[1].text)) for one in loaded)
    known = list(dict.fromkeys(pair.answer for _, pair in found))
    kept = set(known[:answers] if answers else known)
    return tuple(pair for _, pair in found if pair.answer in kept)


def _place(source: str) -> int:
    """The line that a conversation stands in."""
    return int(source.rpartition(":")[2])


def texts(taught: Sequence[Taught]) -> list[str]:
    """What the tokenizer is made from: questions, answers, and what the app writes around them."""
    said = [text for pair in taught for text in (pair.question, pair.answer)]
    return [*said, *[_DATED] * _TIMES]


class Dealer:
    """Makes conversations."""

    def __init__(self, seed: int = 0) -> None:
        self._chance = random.Random(seed)

    def conversations(self, taught: Sequence[Taught], passes: int) -> Iterator[dict[str, Any]]:
        """Conversations that hold every pair at least `passes` times, as records in the messages format.

        None comes twice.
        """
        dealt = set[tuple[Taught, ...]]()
        for _ in range(passes):
            left = self._chance.sample(taught, len(taught))
            while left:
                count = self._chance.randint(1, self._chance.choice(MOST_QUESTIONS))
                said, left = left[:count], left[count:]
                while tuple(said) in dealt:
                    said.append(self._chance.choice(taught))
                dealt.add(tuple(said))
                yield _record(Taught(self._varied(pair.question), pair.answer) for pair in said)

    def _varied(self, question: str) -> str:
        """The question as it is, or with fewer words, perhaps in another order."""
        chance = self._chance.random
        if chance() >= _VARIED:
            return question
        between = " " if question.isascii() else ""  # Chinese has no spaces: its characters are the words
        words = question.split() if between else list(question)
        kept = [word for word in words if chance() < _KEPT] or words
        if chance() < _MIXED:
            self._chance.shuffle(kept)
        said = between.join(kept)
        return said.lower() if chance() < _SMALL else said


def alone(asked: Sequence[Taught]) -> Iterator[dict[str, Any]]:
    """Each question in a conversation of its own."""
    for pair in asked:
        yield _record([pair])


def _record(said: Iterable[Taught]) -> dict[str, Any]:
    """A conversation in the messages format."""
    turns = (
        (role, text) for pair in said for role, text in ((Role.USER, pair.question), (Role.ASSISTANT, pair.answer))
    )
    return {"messages": [{"role": role.value, "content": text} for role, text in turns]}


def write(records: Iterator[dict[str, Any]], file: Path) -> int:
    """Write records as JSON lines; how many there were."""
    lines = [json.dumps(record, ensure_ascii=False) for record in records]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return len(lines)
