"""A chat model's reading of a follow-up question, beside that of the rules (`retrieval.query`).

    rewriting = rewriter.begin(model, question, turns, cancel)   # at once; the model writes behind the search
    rewriting.reading()                                          # the question that stands alone, empty where none came

The model is asked through the same engine as for answers, so it shares their batch: a short prompt with the last
turns, greedily, a few tokens. What it writes is used as a search query only, and only where it is a question that keeps
the words of the one that was asked and adds few that were not said. Whoever would have to wait in a queue, or longer
than the limit, goes on with the rules' reading; a model that is late three times in a row is left alone for a while.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing
from typing import cast

from chat.base import ChatModel, ChatRequest, Chunk, Message, Role, Sampling
from chat.citations import renumbered
from chat.remote_prompt import shielded
from retrieval.mentions import Turn
from retrieval.query import is_lone
from retrieval.text import analyse, language

logger = logging.getLogger(__name__)

_HEAD = (
    "Rewrite the last question so that it can be understood without the conversation: put the names in the place of "
    "words like “it”, “he” or “there”, and add what it leaves out. Keep its language. If it can be understood already, "
    "repeat it. Write only the question and do not answer it."
)
_TURNS = 3
_ANSWER_CHARS = 400
_MOST_TOKENS = 64
_LONGEST = 120
"""Characters that a reading may have beyond twice those of the question."""
_NEW_TERMS = 2
_KEPT = 0.5
_POLL_S = 0.05
_TOGETHER = 32
_LATE, _LEFT_ALONE_S = 3, 300.0
_UNCITED = dict.fromkeys(range(1, 100), 0)
_LABEL = re.compile(
    r"(?:(?:the )?(?:rewritten|standalone|stand-alone|last|new)?\s*question|rewritten|改写后?的?问题|问题)\s*[:：]\s*",
    re.I,
)
_ASKS = re.compile(
    r"(?:who|whom|whose|what|when|where|why|which|how|is|are|was|were|do|does|did|has|have|had|can|could|will|would|"
    r"should|may|tell|give|show|list|name|explain|describe|compare|in (?:what|which))\b"
    r"|.*(?:谁|誰|什么|什麼|哪|多少|几|幾|怎|如何|吗|嗎|呢|为何|為何|何时|何時|介绍|介紹|说说|說說|讲讲|講講|告诉|告訴)",
    re.IGNORECASE,
)


class Rewriter:
    """Safe to call from several threads. `limit_s` is the longest that a reading may take; 0 asks no model."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._threads = ThreadPoolExecutor(_TOGETHER, thread_name_prefix="rewriting")
        self._lock = threading.Lock()
        self._late: tuple[str, int, float] = ("", 0, 0.0)
        """Name of a model, how often in a row it was late, and until when it is left alone."""

    def begin(self, model: ChatModel, question: str, turns: Sequence[Turn], cancel: threading.Event) -> Rewriting:
        """Ask the model to rewrite `question`, which follows `turns` (oldest first); `cancel` is the answer's."""
        began = time.monotonic()
        given_up = threading.Event()
        request = ChatRequest(
            messages=(Message(Role.USER, prompt(question, turns)),),
            language=language(question),
            sampling=Sampling(max_new_tokens=_MOST_TOKENS, temperature=0.0),
            cancel=given_up,
        )
        with self._lock:
            name, times, until = self._late
        if not self._limit_s or (name == model.name and times >= _LATE and began < until):
            return Rewriting(self, model.name, None, question, turns, cancel, given_up, began)
        written = self._threads.submit(_written, model, request)
        return Rewriting(self, model.name, written, question, turns, cancel, given_up, began + self._limit_s)

    def came(self, name: str, in_time: bool) -> None:
        """Note whether a model was in time."""
        with self._lock:
            before = self._late[1] if self._late[0] == name else 0
            late = 0 if in_time else min(before + 1, _LATE)
            self._late = (name, late, time.monotonic() + _LEFT_ALONE_S)


class Rewriting:
    """One question, while a model rewrites it. `until` is on `time.monotonic()`'s clock."""

    def __init__(
        self,
        rewriter: Rewriter,
        name: str,
        written: Future[str] | None,
        question: str,
        turns: Sequence[Turn],
        cancel: threading.Event,
        given_up: threading.Event,
        until: float,
    ) -> None:
        self._rewriter = rewriter
        self._name = name
        self._written = written
        self._question = question
        self._turns = turns
        self._cancel = cancel
        self._given_up = given_up
        self._until = until

    def reading(self) -> str:
        """The question as the model reads it; empty where that came late, failed, or cannot be used."""
        if self._written is None:
            return ""
        while not self._cancel.is_set() and time.monotonic() < self._until:
            if wait([self._written], min(_POLL_S, max(0.0, self._until - time.monotonic()))).done:
                break
        self._given_up.set()
        if not self._written.done():
            if not self._cancel.is_set():
                self._rewriter.came(self._name, in_time=False)
            return ""
        self._rewriter.came(self._name, in_time=True)
        try:
            return usable(self._written.result(), self._question, self._turns)
        except Exception as error:
            logger.info("%s did not rewrite a question: %s", self._name, error)
            return ""


def _written(model: ChatModel, request: ChatRequest) -> str:
    """What the model writes; empty once it is given up, or has to wait for others."""
    text = ""
    with closing(cast("Generator[Chunk]", model.stream(request))) as chunks:
        for chunk in chunks:
            if chunk.place or request.cancel.is_set():
                return ""
            text += chunk.text
    return text


def prompt(question: str, turns: Sequence[Turn]) -> str:
    """What the model is asked: the last turns, without citations, and the question."""
    said = [
        f"Q: {_line(turn.question)}\nA: {_line(renumbered(turn.answer, _UNCITED))[:_ANSWER_CHARS] or '-'}"
        for turn in turns[-_TURNS:]
    ]
    return "\n\n".join([_HEAD, *said, f"Last question: {_line(question)}"])


def _line(text: str) -> str:
    return " ".join(text.split())


def usable(written: str, question: str, turns: Sequence[Turn]) -> str:
    """The question that a model wrote, bare; empty where it is nonsense, an answer, or one that was asked before."""
    if shielded(written) != written:
        return ""
    text = _LABEL.sub("", written.strip().partition("\n")[0].strip(), count=1).strip(" \"“”'‘’*`")
    if not text or len(text) > 2 * len(question) + _LONGEST or not _asks(text):
        return ""
    code = language(question)
    terms, asked = set(analyse(text, code)), set(analyse(question, code))
    said = {term for turn in turns for part in (turn.question, turn.answer, turn.title) for term in analyse(part, code)}
    if not is_lone(question) and len(asked & terms) < _KEPT * len(asked):
        return ""
    if len(terms - asked - said) > min(_NEW_TERMS, len(terms) / 3):
        return ""
    return "" if any(_plain(text) == _plain(turn.question) for turn in turns) else text


def _asks(text: str) -> bool:
    return text.endswith(("?", "？")) or _ASKS.match(text) is not None


def _plain(text: str) -> str:
    return text.casefold().strip(" ?？.。!！")
