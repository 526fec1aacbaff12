"""One answer while an engine writes it: its citations numbered as they come, watched for loops and for time."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import cast

from chat.base import ChatRequest, Chunk, Finish
from chat.bilingual import told
from chat.citations import Numbering
from chat.conversation import Outcome
from chat.events import Event, Notice, Stage, Status
from chat.repetition import LoopDetector

_OUTCOMES = {
    Finish.STOP: Outcome.ANSWERED,
    Finish.LENGTH: Outcome.LENGTH,
    Finish.CANCELLED: Outcome.STOPPED,
    Finish.UNANSWERED: Outcome.UNANSWERED,
    Finish.REPETITION: Outcome.REPETITION,
    Finish.REFUSED: Outcome.ANSWER_REFUSED,
}


class Writing:
    """What an engine writes, and how it ends. `limit_s` is the longest it may take, in seconds.

    `numbering` knows the citations of the part of the answer that is there already.
    """

    def __init__(self, request: ChatRequest, limit_s: float, numbering: Numbering) -> None:
        self.numbering = numbering
        self.outcome = Outcome.ANSWERED
        self.beside: list[Event] = []
        """What is to be told beside the text, oldest first; whoever tells it takes it out."""
        self.failure: Exception | None = None
        """Why there is no more text; what was written stays."""
        self._request = request
        self._limit_s = limit_s
        self._loops = LoopDetector()
        self._cut: int | None = None

    def pieces(self, write: Callable[[ChatRequest], Iterator[Chunk]]) -> Generator[str]:
        """The text that `write` streams; an empty piece where there is only something to tell beside it."""
        until = time.monotonic() + self._limit_s
        try:
            with closing(cast("Generator[Chunk]", write(self._request))) as chunks:
                yield from self._pieces(chunks, until)
        except Exception as error:
            self.failure = error
        rest = self.numbering.finish()
        self._look(rest)
        yield rest

    def _pieces(self, chunks: Iterator[Chunk], until: float) -> Iterator[str]:
        for chunk in chunks:
            if chunk.place:
                self.beside.append(Status(Stage.WAITING, str(chunk.place)))
            if chunk.notice:
                self.beside.append(Notice(told(chunk.notice, self._request.language)))
            if chunk.finish is not None:
                self.outcome = _OUTCOMES[chunk.finish]
            piece = self.numbering.push(chunk.text)
            yield piece
            self._look(piece)
            if self._cut is not None:
                return
            if chunk.finish is None and time.monotonic() > until:
                self.outcome = Outcome.TIMED_OUT
                return

    def _look(self, piece: str) -> None:
        if self._cut is None and (cut := self._loops.push(piece)) is not None:
            self._cut, self.outcome = cut, Outcome.REPETITION

    def kept(self, written: str) -> str:
        """Of the pieces that were shown, what stays: not the loop that it ended in."""
        return written if self._cut is None else written[: self._cut]
