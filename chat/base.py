"""What every chat engine speaks: one request in, a stream of chunks out."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol, runtime_checkable

from chat.bilingual import Bilingual
from retrieval.base import Passage
from retrieval.overview import Overview


class Role(StrEnum):
    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


class Finish(StrEnum):
    """Why an answer ended."""

    STOP = "stop"
    LENGTH = "length"
    CANCELLED = "cancelled"
    REFUSED = "refused"
    REPETITION = "repetition"
    """It had begun to repeat itself; what it repeated is taken off."""
    UNANSWERED = "unanswered"
    """The reader found no sentence that answers."""


@dataclass(frozen=True, slots=True)
class Message:
    role: Role
    content: str
    relevance: float = 1.0
    """How far it bears on the newest turn, 0 to 1; where a prompt is short of room, the least leave first."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """Temperature 0 is greedy. Defaults are OpenChatKit's, except the length (it stopped at 128 tokens)."""

    max_new_tokens: int = 512
    temperature: float = 0.6
    top_k: int = 40
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    no_repeat_ngram: int = 0
    """No run of this many tokens is written twice; 0 is off."""
    seed: int | None = None
    chosen: frozenset[str] = field(default=frozenset(), compare=False)
    """Names of the settings that a person has set, be it to their defaults: an engine does these, or refuses them."""


@dataclass(frozen=True, slots=True)
class ChatRequest:
    messages: tuple[Message, ...]
    """The conversation as typed, the newest user turn last. Never holds refused turns or forged system turns."""
    passages: tuple[Passage, ...] = ()
    """What the answer may stand on; `[n]` in an answer means `passages[n - 1]`."""
    query: str = ""
    """The newest turn as a question that stands alone; the turn itself where empty."""
    language: str = "en"
    """ISO 639-1 code of the newest turn."""
    searched: tuple[str, ...] = ()
    """Labels of the sources that were searched for `passages`."""
    unsearched: tuple[str, ...] = ()
    """Labels of the sources that could be switched on."""
    overviews: tuple[Overview, ...] = ()
    """Where an overview of documents is asked for: what to say of each, in sentences of `passages`."""
    sampling: Sampling = Sampling()
    cancel: threading.Event = field(default_factory=threading.Event)
    begun: str = ""
    """The beginning of the answer, written before and cut by its length: the engine goes on from there."""
    started: datetime | None = None
    """When the conversation began: OpenChatKit's prompt states it. Now where it is left out."""

    @property
    def question(self) -> str:
        """The newest user turn, as typed."""
        return self.messages[-1].content


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of the answer. The last chunk carries `finish`; concatenated `text` is the whole answer."""

    text: str = ""
    finish: Finish | None = None
    notice: str = ""
    """Something the person should know beside the answer, e.g. that old turns were left out; may be `Bilingual`."""
    read: tuple[Message, ...] = ()
    """The messages as the model reads them, the sources in the last; told where it is not given all as it stands."""
    place: int = 0
    """Place in the queue while the request waits for its turn, 1 for the next; 0 once it is being answered."""


NO_SOURCES = math.inf
"""`ChatModel.least` of a model that was not taught to read sources."""

SILENT = Bilingual("The model ended its turn without an answer.", zh="模型没有作答就结束了。")
"""The notice of an answer that is empty."""


class ChatModel(Protocol):
    """An engine. Raises `errors.ModelError` with one sentence when it fails."""

    @property
    def name(self) -> str: ...

    @property
    def least(self) -> float:
        """Probability of answering from which a passage is worth giving to it; 0 where it judges that by itself, and
        `NO_SOURCES` where it is given none."""
        ...

    def stream(self, request: ChatRequest) -> Iterator[Chunk]: ...


@runtime_checkable
class RawModel(Protocol):
    """An engine whose prompts are text that a person can see and write. Raises `InputError` and `ModelError`."""

    def raw_stream(self, request: ChatRequest) -> Iterator[Chunk]:
        """Go on from `request.question` as it stands: no prompt is written around it, no history, no passages."""
        ...

    def prompt_of(self, request: ChatRequest) -> str:
        """The prompt that `stream` would read."""
        ...
