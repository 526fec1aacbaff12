"""The assistant in a terminal: reads lines, runs them as messages or commands, and writes what comes of them."""

from __future__ import annotations

import dataclasses
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from chat.assistant import Ask, Assistant
from chat.base import ChatModel
from chat.bilingual import told
from chat.commands import contested, finished, rated, run
from chat.console import Console, Keyboard
from chat.conversation import Outcome, Turn
from chat.events import Delta, Done, Event, Stage, Status
from chat.flags import in_brackets
from chat.ratings import Ratings
from chat.session import Contest, LoadModel, Offer, Quit, Rate, Response, Session, ShowPrompt
from chat.slot import MakeModel
from errors import AppError
from retrieval.base import Passage

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells know it."""
_REASONS = {
    Outcome.QUESTION_REFUSED: "question_refused",
    Outcome.ANSWER_REFUSED: "answer_refused",
    Outcome.FAILED: "failed",
}
_ENDS = {
    Outcome.STOPPED: "stopped",
    Outcome.LENGTH: "length",
    Outcome.TIMED_OUT: "timed_out",
    Outcome.REPETITION: "repetition",
}


class Terminal:
    """One person at a keyboard, or a script in a pipe."""

    def __init__(
        self,
        assistant: Assistant,
        session: Session,
        offer: Offer,
        reader: ChatModel,
        make_model: MakeModel,
        keyboard: Keyboard,
        console: Console,
        runs: Callable[[], tuple[str, ...]] = tuple,
        ratings: Ratings | None = None,
    ) -> None:
        """`runs`: what fine-tuned models there are now; they are suggested before those of `offer`. `ratings` must be
        there where the offer says that answers can be rated."""
        self.session = session
        self._assistant = assistant
        self._models = assistant.models
        self._offer = offer
        self._reader = reader
        self._make_model = make_model
        self._keyboard = keyboard
        self._console = console
        self._runs = runs
        self._ratings = ratings

    def run(self) -> int:
        """Wait until all is loaded, then read and answer until the end; the exit status.

        Raises the `AppError` of a start that fails.
        """
        try:
            for says in self._assistant.startup.wait(threading.Event()):
                self._progress(says)
        except KeyboardInterrupt:
            self._console.end()
            return INTERRUPTED
        if self._models.says:
            self._console.line(self._say("note", text=told(self._models.says, self.session.language)))
        if self._keyboard.interactive:
            self._console.line(self._say("greeting", name=self._models.current.name), dim=True)
        if not self.session.moderation:
            self._console.line(self._say("moderation_off"), dim=True)
        return self._converse()

    def _converse(self) -> int:
        draft = ""
        while True:
            try:
                self._console.end()
                line = self._keyboard.read(draft)
                draft = ""
                if line.strip():
                    response = self._respond(line)
                    if isinstance(response.effect, Quit):
                        return 0
                    draft = response.draft
            except EOFError:
                if self._keyboard.interactive:
                    self._console.line()
                return 0
            except KeyboardInterrupt:
                self._console.line()
                if not self._keyboard.interactive:
                    return INTERRUPTED

    def _respond(self, line: str) -> Response:
        try:
            response = run(line, self.session, self._now())
            self.session = response.session
            if response.text:
                self._console.line(response.text)
            self._do(response.effect)
        except AppError as error:
            self._console.line(error.told(self.session.language))
            return Response(self.session)
        return response

    def _now(self) -> Offer:
        """What there is to choose from at this moment."""
        model, models = self._models.current.name, (*self._runs(), *self._offer.models)
        return dataclasses.replace(self._offer, model=model, models=models)

    def _do(self, effect: object) -> None:
        if isinstance(effect, Ask):
            self._answer(effect)
        elif isinstance(effect, LoadModel):
            self._load(effect.name)
        elif isinstance(effect, Contest):
            response = contested(self.session, self._assistant.contest(effect.turn, keep_text=effect.keep_text))
            self.session = response.session
            self._console.line(response.text)
        elif isinstance(effect, Rate) and self._ratings is not None:
            response = rated(self.session, self._ratings.rate(self.session.conversation, effect.turn.id, effect.rating))
            self.session = response.session
            self._console.line(response.text)
        elif isinstance(effect, ShowPrompt):
            self._console.line(self._assistant.prompt_of(self.session.conversation, effect.turn, self.session.sampling))

    def _answer(self, ask: Ask) -> None:
        with _interrupting(ask.cancel):
            for event in self._assistant.reply(ask):
                self._show(event)
                if isinstance(event, Done):
                    self.session = finished(self.session, ask, event.turn)
                    self._console.end()
                    for text in self._after(ask, event.turn):
                        self._console.line(text, dim=True)
        self._console.line()

    def _show(self, event: Event) -> None:
        if isinstance(event, Delta):
            self._console.piece(event.text)
        elif isinstance(event, Status):
            if event.stage is Stage.LOADING:
                self._progress(event.detail)
            else:
                self._console.status(self._say(event.stage.value, detail=event.detail))

    def _progress(self, says: str) -> None:
        says = told(says, self.session.language)
        self._console.status(says if says.endswith((".", "。", "…")) else f"{says}…", progress=True)

    def _after(self, ask: Ask, turn: Turn) -> Iterator[str]:
        """What stands under an answer: how it ended, notices, sources."""
        if turn.outcome in _REASONS:
            refusals = (flag.decision for flag in turn.flags if flag.decision.reason == turn.reason)
            sure = "".join(in_brackets(self.session.language, decision) for decision in refusals)
            yield self._say(_REASONS[turn.outcome], reason=turn.reason) + sure
        elif turn.outcome in _ENDS:
            yield self._say("raw_length" if ask.raw and turn.outcome is Outcome.LENGTH else _ENDS[turn.outcome])
        for notice in turn.notices:
            yield self._say("note", text=notice)
        if not turn.moderated:
            yield self._say("unscreened")
        if ask.raw or turn.outcome is Outcome.ANSWER_REFUSED:
            return
        for number in sorted(turn.cited):
            yield f"[{number}] {self._source(turn.passage(number))}"
            for sentence in dict.fromkeys(doubt.sentence for doubt in turn.doubts if doubt.number == number):
                yield self._say("unsupported", number=number, sentence=sentence)
        if not turn.cited and turn.outcome in (Outcome.ANSWERED, Outcome.LENGTH) and turn.model != self._reader.name:
            yield self._say("from_memory")
        if turn.query and turn.query.strip() != turn.question.strip():
            yield self._say("searched_for", query=turn.query)

    def _source(self, passage: Passage) -> str:
        """Title and section, and where to look it up."""
        heading = f"{passage.title} › {passage.section}" if passage.section else passage.title
        known = (*self._offer.sources, self._assistant.guide)
        labels = {source.name: source.label(self.session.language) for source in known}
        return f"{heading} — {passage.url or labels.get(passage.source, passage.source)}"

    def _load(self, name: str) -> None:
        """Use another model; one that fails to load leaves the old one in place."""
        try:
            if name.casefold() == self._reader.name.casefold():
                self._models.put(self._reader)
            else:
                for says in self._models.load(self._make_model(name)):
                    self._progress(says)
        except AppError as error:
            self._console.line(error.told(self.session.language))
            self._console.line(self._say("model_kept", name=self._models.current.name))
        except KeyboardInterrupt:
            self._console.line(self._say("model_behind", name=self._models.current.name))
        else:
            self._console.line(self._say("model_ready", name=self._models.current.name))

    def _say(self, key: str, **values: object) -> str:
        return self.session.say(key, **values)


@contextmanager
def _interrupting(cancel: threading.Event) -> Iterator[None]:
    """Inside, Ctrl-C sets `cancel`; once more raises `KeyboardInterrupt`, as outside. For the main thread."""

    def stop(signum: int, frame: FrameType | None) -> None:
        if cancel.is_set():
            raise KeyboardInterrupt
        cancel.set()

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
