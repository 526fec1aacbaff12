"""The life of one message, as a stream of events; the page, the terminal and the API all show the same.

Checking the question and searching start together; a refused question costs nothing but the search. Every source has
its own time limit, and one that fails is a notice, never a failed answer.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field

from activity import Activity
from chat import overviews
from chat.base import NO_SOURCES, ChatRequest, Message, RawModel, Role, Sampling
from chat.bilingual import Bilingual
from chat.citations import Numbering, Verbatim
from chat.claims import CitationChecks
from chat.conversation import Conversation, Kind, Outcome, Turn
from chat.earlier import history, last_answer, talked
from chat.events import Delta, Done, Event, Flagged, Found, Notice, Retracted, Stage, Status
from chat.finding import Finder, Finding, Searching, likelier
from chat.rewriting import Rewriter
from chat.screening import Screening, flagged, gone_on, kept, noted, refused, warned, withdrawn
from chat.slot import ModelSlot
from chat.smalltalk import Scope, remark, scope, talk
from chat.sources import NOTHING_CHOSEN, Chosen, Source, Sources
from chat.startup import Startup
from chat.vetting import Vetting
from chat.writing import Writing, told_of
from errors import InputError, SourceError
from moderation.base import Action, Exchange, Side
from moderation.cases import Cases
from moderation.passages import PassageScreen
from moderation.policy import Policy
from moderation.screen import Screen
from moderation.stream import Retraction, screened
from moderation.tally import Tally
from retrieval.base import Passage
from retrieval.joining import Joining
from retrieval.overview_request import OverviewRequest
from retrieval.query import Query, leans, standalone
from retrieval.rerank import Reranker
from retrieval.text import language

LONGEST_QUESTION = 20_000
"""Characters of a message."""
_REMARKED = 0.5
"""How likely a passage must be meant by somebody who does not ask."""

_FROM_MEMORY = Bilingual(
    "This model was taught to answer from memory, so no source was searched for it.",
    zh="此模型学的是凭记忆作答，所以没有为它检索来源。",
)


@dataclass(frozen=True, slots=True)
class Ask:
    """One message and how it is to be answered. `turn.id` names the reply that is being written."""

    turn_id: str
    question: str
    conversation: Conversation
    """The turns before this one."""
    sources: tuple[str, ...] = ()
    """Names of the sources to search; empty when retrieval is off."""
    moderation: bool = True
    sampling: Sampling = Sampling()
    raw: bool = False
    """Whether the model goes on from the question as it stands: nothing is searched, no prompt is written around it."""
    resume: Turn | None = None
    """The turn whose answer was cut by its length, to be gone on with; then nothing is searched again."""
    settings: Chosen = field(default_factory=lambda: NOTHING_CHOSEN)
    """What the visitor chose of the sources."""
    cancel: threading.Event = field(default_factory=threading.Event)


class Assistant:
    """Answers messages. Safe to call from several threads; each call is its own stream."""

    def __init__(
        self,
        models: ModelSlot,
        sources: Sources,
        guide: Source,
        reranker: Reranker,
        screen: Screen,
        startup: Startup,
        answer_limit_s: float = 600.0,
        activity: Activity | None = None,
        joining: Joining | None = None,
        checks: CitationChecks | None = None,
        rewriter: Rewriter | None = None,
        cases: Cases | None = None,
        tally: Tally | None = None,
    ) -> None:
        """`activity` is told while an answer is written, so that background work makes way.

        `joining`: see `Finder`. `checks` check the citations of a model that writes in its own words, `rewriter` lets
        it read follow-ups; without them that is not done. What moderation decides is counted in `tally`, and kept in
        `cases` where somebody contests it.
        """
        self.models = models
        self.sources = sources
        self.guide = guide
        self.startup = startup
        self._reranker = reranker
        self._finder = Finder(sources, reranker, joining)
        self._screening = Screening(screen, cases, tally)
        self._vetting = Vetting(PassageScreen(screen))
        self._limit_s = answer_limit_s
        self._activity = activity or Activity()
        self._checks = checks
        self._rewriter = rewriter

    def search(
        self, query: str, names: Sequence[str], k: int, owner: str = "", settings: Chosen = NOTHING_CHOSEN
    ) -> list[Passage]:
        """The k best passages of the named sources, best first. Raises `SourceError` when one cannot answer."""
        chosen = self.sources.named(names)
        settings = self.sources.checked(settings, names)
        cancel = threading.Event()
        for _ in self.startup.wait(cancel):
            pass
        searches = self.sources.start(chosen, standalone(check_question(query), ()), owner, cancel, settings)
        passages, notices = self.sources.collect(searches, cancel)
        if notices:
            first = next(iter(notices.values()))
            raise SourceError(first, zh=first.told("zh"))
        return self._reranker.rank(query, passages, k=k)

    def reply(self, ask: Ask) -> Generator[Event, None, None]:
        """Everything that happens while the message is answered; the last event is `Done`.

        Raises `InputError` before the first event when the message cannot be answered as it is. Closing the
        iterator cancels the work within one token.
        """
        check_question(ask.question)
        if ask.raw:
            self._raw_model()
        chosen = self.sources.named(ask.sources)
        checked = dataclasses.replace(ask, settings=self.sources.checked(ask.settings, ask.sources))
        return self._reply(checked, chosen)

    def _reply(self, ask: Ask, chosen: list[Source]) -> Generator[Event, None, None]:
        yield Status(Stage.CHECKING)
        turn = Turn(
            ask.turn_id,
            ask.question,
            moderated=ask.moderation,
            model=self.models.current.name,
            asked=time.time(),
            kind=Kind.RAW if ask.raw else Kind.MESSAGE,
        )
        try:
            for says in self.startup.wait(ask.cancel):
                yield Status(Stage.LOADING, says)
            with self._activity:
                yield from self._way(ask, chosen, turn)
        except Exception as error:
            yield Done(dataclasses.replace(turn, outcome=Outcome.FAILED, reason=told_of(error, language(ask.question))))
        finally:
            ask.cancel.set()

    @property
    def policy(self) -> Policy:
        """The moderation policy in force."""
        return self._screening.screen.policy

    def contest(self, turn: Turn, side: Side | None = None, keep_text: bool = False) -> Turn:
        """The turn, once what moderation said of it is recorded as wrong; see `Screening.contest`."""
        return self._screening.contest(turn, side, keep_text)

    def prompt_of(self, conversation: Conversation, turn: Turn, sampling: Sampling) -> str:
        """The prompt that the model in use reads for one of the conversation's turns, up to its answer.

        Raises `InputError` where it reads no prompt that could be shown.
        """
        model = self._raw_model()
        ask = Ask(turn.id, turn.question, conversation.before(turn.id), sampling=sampling)
        query = standalone(turn.question, talked(ask.conversation))
        return model.prompt_of(self._request(ask, [], query, turn.passages))

    def _raw_model(self) -> RawModel:
        model = self.models.current
        if not isinstance(model, RawModel):
            raise InputError(
                f"“{model.name}”, which answers now, neither shows its prompts nor takes raw text; a chat model on "
                "this machine does: load one with /model.",
                zh=f"现在回答的“{model.name}”既不显示提示词，也不接受原始文本；请用 /model 加载本机的聊天模型。",
            )
        return model

    def _way(self, ask: Ask, chosen: list[Source], turn: Turn) -> Iterator[Event]:
        if ask.resume:
            return self._resume(ask, ask.resume)
        return self._alone(ask, turn, standalone(ask.question, ())) if ask.raw else self._answer(ask, chosen, turn)

    def _answer(self, ask: Ask, chosen: list[Source], turn: Turn) -> Iterator[Event]:
        query = standalone(ask.question, talked(ask.conversation))
        turn = dataclasses.replace(turn, query=query.text, new_topic=query.new_topic)
        if self.models.current.least == NO_SOURCES:
            yield from self._alone(ask, turn, query, _FROM_MEMORY.told(query.language) if chosen else "")
            return
        wanted = overviews.asked(ask.question, ask.conversation)
        searched = [] if talk(ask.question) is not None else chosen
        searching = Searching(query, ()) if wanted else self._searching(ask, searched, query)
        turn = yield from self._checked(ask, turn, query, anything=wanted is not None)
        if turn.outcome is Outcome.QUESTION_REFUSED:
            return
        yield Status(Stage.SEARCHING)
        if wanted:
            given = (chosen, ask.conversation, query.language, self.sources.limit_s, ask.cancel, ask.settings)
            ready = overviews.ready(wanted, *given)
            if ready is not None and (ready.overviews or wanted.certain or self.models.current.least == 0):
                yield from self._overview(ask, turn, chosen, query, wanted, ready)
                return
            searching = self._searching(ask, searched, overviews.plainly(wanted, query))
        least = max(self.models.current.least, _REMARKED if remark(ask.question) else 0.0)
        found = self._found(ask, searched, searching, least)
        if ask.cancel.is_set():
            yield Done(dataclasses.replace(turn, outcome=Outcome.STOPPED))
            return
        found = self._vetting.found(found) if ask.moderation else found
        query, passages = found.query, found.passages
        turn = dataclasses.replace(turn, query=query.text, new_topic=query.new_topic)
        for notice in (notice.told(query.language) for notice in found.notices):
            turn = noted(turn, notice)
            yield Notice(notice)
        turn = dataclasses.replace(turn, passages=passages, numbers=ask.conversation.numbers(passages))
        yield Found(passages)
        yield Status(Stage.WRITING)
        yield from self._write(ask, turn, self._request(ask, chosen, query, passages))

    def _searching(self, ask: Ask, chosen: list[Source], query: Query) -> Searching:
        guide = [self.guide] if self._guided(query.text) else []
        return self._finder.start([*guide, *chosen], query, ask.conversation.owner, ask.cancel, ask.settings)

    def _found(self, ask: Ask, searched: list[Source], searching: Searching, least: float) -> Finding:
        """What was found for the question; a follow-up also as the model reads it, where it does so in time."""
        query, turns, model = searching.query, talked(ask.conversation), self.models.current
        follows = self._rewriter is not None and model.least > 0 and searched and turns and leans(ask.question, query)
        if self._rewriter is None or not follows or remark(ask.question):
            return self._finder.found(searching, least, ask.cancel)
        rewriting = self._rewriter.begin(model, ask.question, turns, ask.cancel)
        found = self._finder.found(searching, least, ask.cancel)
        text = rewriting.reading()
        if not text or text.casefold() in (found.query.text.casefold(), ask.question.strip().casefold()):
            return found
        exchange = Exchange(text, Side.USER, last_answer(ask.conversation))
        if ask.moderation and self._screening.screen.check(exchange, query.language).action is not Action.ALLOW:
            return found
        reading = dataclasses.replace(query, text=text, alone="", new_topic=False)
        searched = [source for source in searched if source.name not in found.silent]
        other = self._finder.found(self._searching(ask, searched, reading), least, ask.cancel)
        return likelier(found, other)

    def _overview(
        self, ask: Ask, turn: Turn, chosen: list[Source], query: Query, wanted: OverviewRequest, ready: overviews.Ready
    ) -> Iterator[Event]:
        """Answer with overviews of documents, or say that there is no such document."""
        ready = self._vetting.ready(ready, query.language) if ask.moderation else ready
        for notice in ready.notices:
            turn = noted(turn, notice)
            yield Notice(notice)
        if not ready.overviews:
            text = overviews.none(wanted, chosen, self.sources.all, ask.conversation.owner, query.language)
            yield Delta(text)
            yield Done(dataclasses.replace(turn, answer=text, outcome=Outcome.UNANSWERED))
            return
        query = dataclasses.replace(query, text=ready.query or query.text)
        turn = dataclasses.replace(
            turn, query=query.text, passages=ready.passages, numbers=ask.conversation.numbers(ready.passages)
        )
        yield Found(ready.passages)
        yield Status(Stage.WRITING)
        request = self._request(ask, chosen, query, ready.passages)
        yield from self._write(ask, turn, dataclasses.replace(request, overviews=ready.overviews))

    def _guided(self, question: str) -> bool:
        """Whether the app's guide is searched. The reader judges by itself what is about the app; a chat model that is
        said hello to would answer from the guide."""
        return self.models.current.least == 0 or scope(question) is Scope.APP

    def _checked(self, ask: Ask, turn: Turn, query: Query, anything: bool = False) -> Generator[Event, None, Turn]:
        """The turn with what the moderator says of its question; `Done` has come where that refuses it.

        `anything`: whatever its topic is.
        """
        if not ask.moderation:
            self._screening.count(Side.USER, None)
            return turn
        decision = self._screening.question(turn, ask.conversation, query, raw=ask.raw, anything=anything)
        if decision.action is not Action.ALLOW:
            yield Flagged(decision)
        if decision.action is Action.REFUSE:
            turn = kept(ask.resume, decision) if ask.resume else refused(turn, Outcome.QUESTION_REFUSED, decision)
            yield Done(turn)
            return turn
        return noted(flagged(turn, Side.USER, decision), decision.reason) if decision.reason else turn

    def _alone(self, ask: Ask, turn: Turn, query: Query, notice: str = "") -> Iterator[Event]:
        """Let the model answer without sources."""
        turn = yield from self._checked(ask, turn, query)
        if turn.outcome is Outcome.QUESTION_REFUSED:
            return
        if notice:
            turn = noted(turn, notice)
            yield Notice(notice)
        yield Status(Stage.WRITING)
        yield from self._write(ask, turn, self._request(ask, [], query, ()))

    def _resume(self, ask: Ask, turn: Turn) -> Iterator[Event]:
        """Go on with an answer from where it stopped, on the same passages."""
        query = standalone(ask.question, talked(ask.conversation))
        begun, request = turn.placed(turn.passages), self._request(ask, [], query, turn.passages)
        judged, moderated = turn.moderated or not ask.moderation, turn.moderated and ask.moderation
        turn = dataclasses.replace(gone_on(turn), outcome=Outcome.PENDING, doubts=(), moderated=moderated)
        turn = turn if judged else (yield from self._checked(ask, turn, query))
        if turn.outcome is not Outcome.PENDING:
            return
        yield Status(Stage.WRITING)
        yield from self._write(ask, turn, dataclasses.replace(request, begun=begun))

    def _request(self, ask: Ask, chosen: list[Source], query: Query, passages: tuple[Passage, ...]) -> ChatRequest:
        return ChatRequest(
            messages=(*history(ask.conversation, query, passages), Message(Role.USER, ask.question)),
            passages=passages,
            query=query.text,
            language=query.language,
            searched=tuple(s.label(query.language) for s in chosen if not s.empty(ask.conversation.owner)),
            unsearched=tuple(s.label(query.language) for s in self.sources.all if s not in chosen),
            sampling=ask.sampling,
            cancel=ask.cancel,
            started=ask.conversation.started,
        )

    def _write(self, ask: Ask, turn: Turn, request: ChatRequest) -> Iterator[Event]:
        model = self.models.current
        writing = self._writing(ask, turn, request)
        pieces = writing.pieces(self._raw_model().raw_stream if ask.raw else model.stream)

        judge = self._screening.answer(turn.id, ask.question, request.language)

        def checked() -> Iterator[str | Retraction]:
            nonlocal turn
            worst = yield from screened(pieces, judge, begun=request.begun)
            self._screening.count(Side.ASSISTANT, worst)
            if worst.action is Action.WARN and not warned(turn, worst):
                turn = flagged(turn, Side.ASSISTANT, worst)
                writing.beside.append(Notice(worst.reason))

        written = ""
        try:
            for piece in checked() if ask.moderation else pieces:
                while writing.beside:
                    event = writing.beside.pop(0)
                    turn = noted(turn, event.text) if isinstance(event, Notice) else turn
                    yield event
                if isinstance(piece, Retraction):
                    self._screening.count(Side.ASSISTANT, piece.decision)
                    yield Retracted(piece.decision)
                    yield Done(withdrawn(turn, ask.resume, piece.decision, request.language))
                    return
                if piece:
                    written += piece
                    yield Delta(piece)
        finally:
            pieces.close()
        if not ask.moderation:
            self._screening.count(Side.ASSISTANT, None)
        yield Done(writing.ended(turn, written, model.name))

    def _writing(self, ask: Ask, turn: Turn, request: ChatRequest) -> Writing:
        """The citations of a model that writes in its own words are checked; one that quotes has judged by itself."""
        if ask.raw:
            return Writing(request, self._limit_s, Verbatim())
        numbers = turn.numbers or tuple(range(1, len(turn.passages) + 1))
        free = 1 + max(len(ask.conversation.numbered), *numbers, 0)
        numbering = Numbering(numbers, free, turn.cited)
        checks = self._checks if self.models.current.least > 0 else None
        return Writing(request, self._limit_s, numbering, ask.resume.answer if ask.resume else "", checks)


def check_question(text: str) -> str:
    """The message itself. Raises `InputError` when it is empty or too long."""
    if not text.strip():
        raise InputError("Your message is empty; type a question first.", zh="消息是空的，请先输入问题。")
    if len(text) > LONGEST_QUESTION:
        raise InputError(
            f"Your message has {len(text):,} characters and the limit is {LONGEST_QUESTION:,}; "
            "shorten it, or upload the long part as a document and ask about it.",
            zh=f"消息有 {len(text):,} 个字符，上限是 {LONGEST_QUESTION:,} 个；请缩短，或把长的部分上传为文档再提问。",
        )
    return text
