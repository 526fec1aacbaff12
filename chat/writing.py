"""One answer while an engine writes it: its citations numbered and checked as they come, watched for loops and time."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import cast

from chat.base import ChatRequest, Chunk, Finish, Message
from chat.bilingual import told
from chat.citations import Numbering
from chat.citations import cited as cited_in
from chat.claims import CitationChecks
from chat.conversation import Outcome, Turn
from chat.events import Event, Notice, Stage, Status
from chat.repetition import LoopDetector
from errors import AppError
from retrieval.base import Passage

logger = logging.getLogger(__name__)

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

    `numbering` knows the citations of the part of the answer that is there already, which is `begun` as it is shown.
    With `checks` the citations are checked.
    """

    def __init__(
        self,
        request: ChatRequest,
        limit_s: float,
        numbering: Numbering,
        begun: str = "",
        checks: CitationChecks | None = None,
    ) -> None:
        self.numbering = numbering
        self.outcome = Outcome.ANSWERED
        self.beside: list[Event] = []
        """What is to be told beside the text, oldest first; whoever tells it takes it out."""
        self.failure: Exception | None = None
        """Why there is no more text; what was written stays."""
        self._read: tuple[Message, ...] = ()
        self._request = request
        self._limit_s = limit_s
        self._loops = LoopDetector()
        self._cut: int | None = None
        self._begun = begun
        self._check = checks.begin(request.language, self._passage) if checks is not None else None

    def pieces(self, write: Callable[[ChatRequest], Iterator[Chunk]]) -> Generator[str]:
        """The text that `write` streams; an empty piece where there is only something to tell beside it."""
        until = time.monotonic() + self._limit_s
        try:
            with closing(cast("Generator[Chunk]", write(self._request))) as chunks:
                yield from self._pieces(chunks, until)
        except Exception as error:
            self.failure = error
        rest = self._numbered(self.numbering.finish())
        self._look(rest)
        yield rest

    def _numbered(self, piece: str) -> str:
        """A piece with its citations numbered; what of it can be checked begins to be."""
        if self._check is not None and piece:
            self._check.push(piece, self.numbering.cited)
        return piece

    def _passage(self, number: int) -> Passage:
        """The passage that is cited as `[number]`."""
        return self._request.passages[self.numbering.numbers.index(number)]

    def _pieces(self, chunks: Iterator[Chunk], until: float) -> Iterator[str]:
        for chunk in chunks:
            if chunk.place:
                self.beside.append(Status(Stage.WAITING, str(chunk.place)))
            if chunk.read and not self._request.begun:
                self._read = chunk.read
            if chunk.notice:
                self.beside.append(Notice(told(chunk.notice, self._request.language)))
            if chunk.finish is not None:
                self.outcome = _OUTCOMES[chunk.finish]
            piece = self._numbered(self.numbering.push(chunk.text))
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

    def ended(self, turn: Turn, written: str, model: str) -> Turn:
        """The turn as it is kept, once these pieces were shown; what is still to be told beside it is added."""
        added = written if self._cut is None else written[: self._cut]
        failure = told_of(self.failure, self._request.language) if self.failure else ""
        broken = Outcome.BROKEN_OFF if added.strip() else Outcome.FAILED
        notices = [event.text for event in self.beside if isinstance(event, Notice)]
        if failure and added.strip():
            notices.append(failure)
        answer = (self._begun + added).strip()
        kept = set(cited_in(answer, max(self.numbering.cited, default=0)))
        cited = tuple(number for number in self.numbering.cited if number in kept)
        return dataclasses.replace(
            turn,
            answer=answer,
            numbers=tuple(self.numbering.numbers),
            cited=cited,
            doubts=self._check.doubts(answer, cited) if self._check is not None else (),
            outcome=broken if failure else self.outcome,
            reason=failure if broken is Outcome.FAILED else "",
            notices=(*turn.notices, *notices),
            model=model,
            read=self._read or turn.read,
        )


def told_of(error: Exception, language: str) -> str:
    """What the person is told of an error, in their language; a bug goes to the log with its traceback."""
    if not isinstance(error, AppError):
        logger.error("A reply failed", exc_info=error)
        error = AppError(
            "Something went wrong inside Groundchat; the log says what. Try again.",
            zh="Groundchat 内部出错了，原因见日志。请再试一次。",
        )
    return error.told(language)
