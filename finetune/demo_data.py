"""What `make tune-demo` learns from: shipped questions about Groundchat, made into conversations as the app has them.

Somebody who chats asks several questions in a row, and the app sets passages before the newest one. So the taught pairs
are dealt out, in a new order each pass, into conversations of one to four questions, and some of these end with a
question behind passages of the starter library and the guide, chosen at random: the question decides, whatever stands
around it. Two in five questions lose some of their words, and a part of those their order: what is asked hangs on the
words, and a small network would rather learn whole sentences by heart. Paraphrases are not among them.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chat.base import Message, Role
from chat.prompt import PromptBuilder, grounded_turn
from finetune.data import examples
from retrieval.base import Passage
from retrieval.library import GUIDE, read_library
from retrieval.split import passages

_ROOT = Path(__file__).parent.parent
FOLDER = Path(__file__).parent / "groundchat"
MOST_QUESTIONS = 4
"""Of one conversation; of one that ends with passages, `_BEFORE_PASSAGES` and one more."""
_BEFORE_PASSAGES = 1
_PASSAGES = (1, 1, 2)
"""How many passages the app may set before a question."""
_FROM_GUIDE = 0.6
"""Questions about the app are answered from its guide, so most passages are from there."""
_VARIED, _KEPT, _MIXED, _SMALL = 0.4, 0.75, 0.3, 0.3
"""Share of the questions that are varied; of their words that stay; of them, those whose words are mixed, and those in
small letters."""
_TIMES = 50
"""So often the tokenizer reads what the app writes around questions."""
_DATED = "Current Date: 2025-10-24\nCurrent Time: 13:57:06 PM UTC\n\n<human>: \n<bot>: "
_ROOM = 512
"""Longest answer that the app's prompt keeps room for by default."""


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


def texts(taught: Sequence[Taught], found: Sequence[Passage]) -> list[str]:
    """What the tokenizer is made from: questions, answers, the guide, and what the app writes around them."""
    guide = [passage for passage in found if passage.source == GUIDE]
    around = [grounded_turn("", guide[:1], brief) for brief in (False, True)] + [_DATED]
    said = [text for pair in taught for text in (pair.question, pair.answer)]
    return [*said, *(passage.text for passage in guide), *around * _TIMES]


def library() -> tuple[Passage, ...]:
    """The passages of the starter library and the guide."""
    return tuple(passage for document in read_library(_ROOT / "assets" / "corpus") for passage in passages(document))


class Dealer:
    """Makes conversations. `prompts` is the app's own prompt for the model; `grounded` the share that has passages."""

    def __init__(self, prompts: PromptBuilder, found: Sequence[Passage], grounded: float, seed: int = 0) -> None:
        self._prompts = prompts
        self._found = tuple(found)
        self._guide = tuple(passage for passage in found if passage.source == GUIDE)
        self._grounded = grounded
        self._chance = random.Random(seed)

    def conversations(self, taught: Sequence[Taught], passes: int) -> Iterator[dict[str, Any]]:
        """Conversations that hold every pair `passes` times, as records in the messages format; none comes twice."""
        dealt = set[tuple[Taught, ...]]()
        for _ in range(passes):
            left = self._chance.sample(taught, len(taught))
            while left:
                behind = self._chance.random() < self._grounded
                count = self._chance.randint(1, _BEFORE_PASSAGES + 1 if behind else MOST_QUESTIONS)
                count += tuple(left[:count]) in dealt
                said, left = left[:count], left[count:]
                dealt.add(tuple(said))
                yield {"messages": list(self._messages(said, behind))}

    def _messages(self, said: Sequence[Taught], behind: bool) -> Iterator[dict[str, str]]:
        for pair in said:
            question = self._varied(pair.question)
            if behind and pair is said[-1]:
                question = self._behind_passages(question)
            yield {"role": "user", "content": question}
            yield {"role": "assistant", "content": pair.answer}

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

    def _behind_passages(self, question: str) -> str:
        """The question as the app writes it behind passages, shortened to what the model can read."""
        chosen = [
            self._chance.choice(self._guide if self._chance.random() < _FROM_GUIDE else self._found)
            for _ in range(self._chance.choice(_PASSAGES))
        ]
        prompt = self._prompts.build([Message(Role.USER, question)], chosen, max_new_tokens=_ROOM)
        return prompt.text.partition("<human>: ")[2].rpartition("\n<bot>:")[0]


def alone(asked: Sequence[Taught]) -> Iterator[dict[str, Any]]:
    """Each question in a conversation of its own."""
    for pair in asked:
        said = ((Role.USER, pair.question), (Role.ASSISTANT, pair.answer))
        yield {"messages": [{"role": role.value, "content": text} for role, text in said]}


def write(records: Iterator[dict[str, Any]], file: Path) -> int:
    """Write records as JSON lines; how many there were."""
    lines = [json.dumps(record, ensure_ascii=False) for record in records]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return len(lines)
