"""A conversation as the tokens that the app sends a model, and which of them are taught.

    tokens = encode(example.turns, tokenizer, "chat-template", length=2048)
    tokens.ids, tokens.labels        # labels are -100 where a token is not taught

What stands before an answer is `chat.prompt.PromptBuilder`'s prompt for it, token by token: the same format, the same
escaping of control tokens and role tags. Taught are the tokens of an answer and what ends it, nothing else:

    special token   where the chat template sets one behind an answer (`<|im_end|>`, `</s>`), it is the end
    EOS             in formats that set none (openchatkit, plain, some templates): the last answer ends with it
    the next tag    in those formats, between two turns: `\\n<human>:` stands there in a prompt, and the app stops at it

An answer is taught only where the row before it is the prompt that the app would send. Some templates write earlier
turns otherwise than newest ones (they take out what was thought aloud), so that one row cannot hold both: `encode`
teaches the last answer then, and `encode_all` gives the others rows of their own.

OpenChatKit's format states a date and a time. They are taken from a hash of the conversation, the same each time, so
that no date is learnt by heart.

Not covered: a model's own way of thinking aloud; `<think>` in an answer is plain text, as it is in the app's prompts.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, TypeVar

from chat.base import Message, Role
from chat.formats import FORMATS
from chat.prompt import PromptBuilder
from errors import InputError
from finetune.examples import Pair, Turn
from finetune.packing import Tokens

ENDLESS = 2**31
"""A length that nothing is cut to."""
_TRIED = ("Yes, in 2 words.", "1", "- a\n- b\n", "好的。", "😀")
_FIRST_DAY, _DAYS = datetime(2023, 1, 1, tzinfo=UTC), 4 * 365


@dataclass(frozen=True, slots=True)
class PairTokens:
    """A prompt and two answers with their ends, as TRL's DataCollatorForPreference takes them. Empty as `Tokens`."""

    prompt: tuple[int, ...]
    chosen: tuple[int, ...]
    rejected: tuple[int, ...]
    dropped: int = 0
    cut: int = 0


def encode(turns: Sequence[Turn], tokenizer: Any, format: str, length: int) -> Tokens:
    """The row of a conversation, at most `length` tokens; the oldest turns leave first, system text stays.

    Raises `InputError` where the tokenizer cannot write the format or the turns cannot be told apart in it.
    """
    rows = encoder(tokenizer, format).rows(turns, length)
    return next((row for row in reversed(rows) if row.ids), rows[-1])


def encode_all(turns: Sequence[Turn], tokenizer: Any, format: str, length: int) -> list[Tokens]:
    """As few rows as teach each taught answer once: one, but for templates that rewrite earlier turns. None empty."""
    return [row for row in encoder(tokenizer, format).rows(turns, length) if row.ids]


def encode_pair(pair: Pair, tokenizer: Any, format: str, length: int) -> PairTokens:
    """The tokens of a preference pair; prompt and longer answer together take at most `length`."""
    return encoder(tokenizer, format).pair(pair, length)


def encoder(tokenizer: Any, format: str) -> Encoder:
    """The encoder of a tokenizer as it now is. Raises `InputError` where it cannot write the format."""
    check_format(tokenizer, format, getattr(tokenizer, "name_or_path", "") or "this model")
    return _made(tokenizer, format, str(tokenizer.chat_template))


def check_format(tokenizer: Any, format: str, name: str) -> None:
    """Raise `InputError` where the tokenizer of the model `name` cannot write the format."""
    if format not in FORMATS:
        known = ", ".join(FORMATS)
        raise InputError(
            f"There is no format “{format}”; choose one of {known}.", zh=f"没有“{format}”格式；请从 {known} 中选择。"
        )
    if format == "chat-template" and not tokenizer.chat_template:
        raise InputError(
            f"The tokenizer of “{name}” has no chat template; set model.format to “openchatkit” or “plain”.",
            zh=f"“{name}”的分词器没有聊天模板；请把 model.format 设为“openchatkit”或“plain”。",
        )


@lru_cache(maxsize=4)
def _made(tokenizer: Any, format: str, _template: str) -> Encoder:
    return Encoder(tokenizer, format)


class Encoder:
    """Encodes conversations for one tokenizer and format."""

    def __init__(self, tokenizer: Any, format: str) -> None:
        self._tokenizer = tokenizer
        self._prompts = PromptBuilder(tokenizer, format, ENDLESS)
        before, self._lead, after = self._prompts.around_answer()
        self._anchor = self._anchor_of(before)
        special = frozenset(i for i, token in tokenizer.added_tokens_decoder.items() if token.special)
        ids = tokenizer.encode(after, add_special_tokens=False)
        self._end = next((id_ for id_ in ids if id_ in special), None)
        """The special token that ends an answer in this format, if one does."""
        self._apart = self._end is not None and self._is_apart()

    def rows(self, turns: Sequence[Turn], length: int) -> list[Tokens]:
        """As `encode_all`, with empty rows for what does not fit; the last row is for the last taught answer."""
        said = _messages(turns)
        started = _started(turns)
        wanted = [at for at, turn in enumerate(turns) if turn.role is Role.ASSISTANT and turn.taught]
        if not wanted:
            raise InputError("The conversation has no answer that is taught.", zh="对话中没有要学习的回答。")
        rows: list[Tokens] = []
        while wanted:
            row, done = self._row(said, wanted, started, length)
            rows.append(row)
            wanted = [at for at in wanted if at not in done]
        return rows[::-1]

    def pair(self, pair: Pair, length: int) -> PairTokens:
        said = _messages(pair.turns)
        started = _started(pair.turns)
        system = _system(said)

        def begun(first: int) -> tuple[tuple[int, ...], list[tuple[int, ...]], int]:
            kept = [*system, *said[first:]]
            prompt = self._prompts.whole(kept, started)
            answers = [self._answer(kept, prompt, text, started) for text in (pair.chosen, pair.rejected)]
            return prompt, answers, len(prompt) + max(map(len, answers))

        first, (prompt, answers, _) = _first_that_fits(_beginnings(said), begun, length)
        room = length - len(prompt)
        if room <= 0:
            return PairTokens((), (), ())
        cut = max(0, max(map(len, answers)) - room)
        return PairTokens(prompt, answers[0][:room], answers[1][:room], first - len(system), cut)

    def _row(
        self, said: Sequence[Message], wanted: Sequence[int], started: datetime, length: int
    ) -> tuple[Tokens, set[int]]:
        """The row that ends with the last of the `wanted` answers, and which of them need no other row."""
        last = wanted[-1]
        system = _system(said)

        def begun(first: int) -> tuple[tuple[int, ...], tuple[int, ...], int]:
            kept = [*system, *said[first:last]]
            prompt = self._prompts.whole(kept, started)
            answer = self._answer(kept, prompt, said[last].content, started)
            return prompt, answer, len(prompt) + len(answer)

        first, (prompt, answer, _) = _first_that_fits(_beginnings(said[:last]), begun, length)
        dropped = first - len(system)
        done = {last, *(at for at in wanted if at < first)}
        room = length - len(prompt)
        if room <= 0:
            return Tokens((), (), dropped), {last}
        ids = (*prompt, *answer)
        taught = [False] * len(prompt) + [True] * len(answer)
        for at in wanted[:-1]:
            if at > first and (span := self._span([*system, *said[first : at + 2]], ids[: len(prompt)], started)):
                taught[slice(*span)] = [True] * (span[1] - span[0])
                done.add(at)
        cut = max(0, len(ids) - length)
        return Tokens(ids[:length], tuple(taught[:length]), dropped, cut), done

    def _answer(
        self, said: Sequence[Message], prompt: tuple[int, ...], text: str, started: datetime
    ) -> tuple[int, ...]:
        """The tokens of an answer behind its prompt, end included, as the model is to write them."""
        plain = self._plain(text)
        if self._end is None:
            eos = self._tokenizer.eos_token_id
            return (*plain, eos) if eos is not None else self._plain(text, "".join(self._prompts.tags.stop[:1]))
        written = () if self._apart else self._prompts.whole(said, started, answer=text)
        if written[: len(prompt)] == prompt and self._end in written[len(prompt) :]:
            answer = written[len(prompt) : written.index(self._end, len(prompt))]
            if self._says(answer, plain):
                return (*answer, self._end)
        return (*plain, self._end)

    def _is_apart(self) -> bool:
        """Whether an answer has the same tokens apart from its prompt; else each is written with it, which is slow."""
        said = [Message(Role.USER, "U")]
        prompt = self._prompts.whole(said, _FIRST_DAY)
        return all(
            self._prompts.whole(said, _FIRST_DAY, text)[len(prompt) :][: len(plain) + 1] == (*plain, self._end)
            for text in _TRIED
            for plain in [self._plain(text)]
        )

    def _span(self, said: Sequence[Message], prompt: tuple[int, ...], started: datetime) -> tuple[int, int] | None:
        """Where in a prompt the last answer but one of `said` stands, with what ends it.

        None where it does not stand there behind its own prompt as the model would write it.
        """
        *before, answer, following = said
        own = self._prompts.whole(before, started)
        if prompt[: len(own)] != own:
            return None
        if self._end is not None:
            try:
                end = prompt.index(self._end, len(own)) + 1
            except ValueError:
                return None
            inside = prompt[len(own) : end - 1]
        else:
            end = self._tag_end(before, answer, following, prompt, len(own), started)
            inside = prompt[len(own) : end]
        return (len(own), end) if self._says(inside, self._plain(answer.content)) else None

    def _tag_end(
        self,
        before: Sequence[Message],
        answer: Message,
        following: Message,
        prompt: tuple[int, ...],
        start: int,
        started: datetime,
    ) -> int:
        """Where the tag behind the answer at `start` ends: with the stop string, or where the next words begin."""
        other = "0" if following.content.lstrip()[:1] != "0" else "Q"
        asked = self._prompts.whole([*before, answer, Message(Role.USER, other)], started)
        last = _common(prompt, asked)
        said = len(self._text(self._plain(answer.content)).lstrip())
        for end in range(start + 1, last):
            behind = self._text(prompt[start:end]).lstrip()[said:]
            if any(stop in behind for stop in self._prompts.tags.stop):
                return end
        return last

    def _says(self, ids: Sequence[int], plain: Sequence[int]) -> bool:
        """Whether these tokens begin with an answer whose tokens, written alone, are `plain`."""
        if tuple(ids[: len(plain)]) == tuple(plain):
            return True
        return self._text(ids).lstrip().startswith(self._text(plain).strip())

    def _text(self, ids: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(ids), clean_up_tokenization_spaces=False))

    def _plain(self, text: str, behind: str = "") -> tuple[int, ...]:
        """The tokens of an answer's text behind a prompt, control tokens in it as plain text."""
        said = self._lead + self._prompts.quoted(text) + behind
        known = self._ids_of(self._anchor)
        ids = self._ids_of(self._anchor + said)
        # A tokenizer may set a space before the first word of a text; behind a prompt it sets none.
        return ids[len(known) :] if known and ids[: len(known)] == known else self._ids_of(said)

    def _ids_of(self, text: str) -> tuple[int, ...]:
        return tuple(self._tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True))

    def _anchor_of(self, prompt: str) -> str:
        """The last character before an answer; none where a special token stands there."""
        tokens = (token.content for token in self._tokenizer.added_tokens_decoder.values())
        return "" if any(prompt.endswith(token) for token in tokens) else prompt[-1:]


def _messages(turns: Sequence[Turn]) -> list[Message]:
    """The turns as the app's messages. Raises `InputError` unless user and assistant alternate, user first."""
    spoken = [turn.role for turn in turns if turn.role is not Role.SYSTEM]
    expected = [(Role.USER, Role.ASSISTANT)[at % 2] for at in range(len(spoken))]
    late = any(turn.role is Role.SYSTEM for turn in turns[1:])
    if spoken != expected or late or not all(turn.text.strip() for turn in turns):
        raise InputError(
            "A conversation to learn from is an optional system turn, then user and assistant in turn, none empty.",
            zh="要学习的对话须为：可选的系统回合，然后用户与助手交替，且均不为空。",
        )
    return [Message(turn.role, turn.text) for turn in turns]


def _system(said: Sequence[Message]) -> list[Message]:
    return [message for message in said[:1] if message.role is Role.SYSTEM]


def _beginnings(said: Sequence[Message]) -> list[int]:
    """Places where a row may begin: at each of the user's turns, the oldest first."""
    return [at for at, message in enumerate(said) if message.role is Role.USER]


Begun = TypeVar("Begun", bound=tuple[Any, Any, int])


def _first_that_fits(places: Sequence[int], begun: Callable[[int], Begun], length: int) -> tuple[int, Begun]:
    """The first place whose row has at most `length` tokens, else the last, and what begins there.

    `begun` ends with the tokens of the row; a later beginning makes it shorter.
    """
    found = begun(places[0])
    if found[-1] <= length or len(places) == 1:
        return places[0], found
    at = bisect_left(places, True, 1, len(places) - 1, key=lambda place: begun(place)[-1] <= length)
    return places[at], begun(places[at])


def _started(turns: Sequence[Turn]) -> datetime:
    """A time of day within some years, that hangs on nothing but what is said."""
    digest = hashlib.sha256("\0".join(turn.text for turn in turns).encode("utf-8", "replace")).digest()
    return _FIRST_DAY + timedelta(seconds=int.from_bytes(digest[:8]) % (_DAYS * 86_400))


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two rows have in common at their beginning."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
