"""Slash commands in the page: the same as in the terminal (`chat.commands`), told in the pane, under the typed line.

A command waits for the messages before it, as a message does. What it says stays in the conversation's display, and
out of every prompt.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

from chat import commands
from chat.assistant import Ask, Assistant
from chat.base import ChatModel
from chat.commands import contested, rated
from chat.conversation import Conversation, Kind, Outcome, Turn, new_id
from chat.ratings import Ratings
from chat.session import Contest, LoadModel, Offer, Rate, Response, Session, ShowPrompt
from chat.slot import MakeModel
from chat.store import ConversationStore
from errors import AppError, InputError
from ui.acts import Wish
from ui.layout import Layout, Options
from ui.models import loadable, who
from ui.pane import Pane, Update, idle
from ui.render import entries
from ui.runs import Run
from ui.texts import loading, say


class SlashCommands:
    """Runs commands typed into the page."""

    def __init__(
        self,
        page: Layout,
        pane: Pane,
        assistant: Assistant,
        store: ConversationStore,
        reader: ChatModel,
        make_model: MakeModel,
        options: Options,
        ratings: Ratings | None = None,
    ) -> None:
        """`ratings` is None where answers cannot be rated."""
        self._page = page
        self._pane = pane
        self._assistant = assistant
        self._store = store
        self._reader = reader
        self._make_model = make_model
        self._options = options
        self._ratings = ratings

    def run(self, line: str, conversation: Conversation, wish: Wish, moved: bool = False) -> Iterator[Update]:
        """Do what the line says. Raises `AppError` when it cannot be done; then it leaves no trace."""
        turn = Turn(new_id(), line.strip(), kind=Kind.COMMAND)

        def do(run: Run, id: str) -> Iterator[Update]:
            try:
                yield from self._do(turn, run, id, wish)
            except AppError:
                now = self._change(id, wish, lambda now: _without(now, run.turn_id))
                yield self._shown(now, wish, run)
                raise

        yield from self._pane.in_turn(turn, conversation, wish, do, moved)

    def _do(self, turn: Turn, run: Run, conversation_id: str, wish: Wish) -> Iterator[Update]:
        now = self._store.get(conversation_id, wish.owner)
        if now is None:
            return
        session = self._session(now.before(turn.id), wish)
        response = commands.run(turn.question, session, self._offer())
        after = response.session
        if after.conversation.id != conversation_id:
            self._pane.runs.drop(conversation_id)
            yield self._pane.anew(self._pane.begin(wish.owner, now.sampling))
            return
        if after.sampling != session.sampling:
            self._change(conversation_id, wish, lambda now: dataclasses.replace(now, sampling=after.sampling))
        if isinstance(response.effect, Ask):
            yield from self._ask(response.effect, turn, run, conversation_id, wish)
        elif isinstance(response.effect, LoadModel):
            yield from self._load(response.effect.name, turn, run, conversation_id, wish)
        elif isinstance(response.effect, Contest):
            done = self._assistant.contest(response.effect.turn, keep_text=response.effect.keep_text)
            self._change(conversation_id, wish, lambda now: now.put(done))
            yield self._end(turn, contested(session, done).text, run, conversation_id, wish)
        elif isinstance(response.effect, Rate) and self._ratings is not None:
            done = self._ratings.rate(now, response.effect.turn.id, response.effect.rating)
            self._change(conversation_id, wish, lambda now: now.put(done))
            yield self._end(turn, rated(session, done).text, run, conversation_id, wish)
        elif response.draft:
            before = after.conversation
            now = self._change(conversation_id, wish, lambda now: _replaced(now, turn.id, before, ()))
            yield self._shown(now, wish, run) | {self._page.chat.message: idle(response.draft)}
        else:
            yield self._end(turn, self._text(response), run, conversation_id, wish) | self._switched(session, after)

    def _session(self, conversation: Conversation, wish: Wish) -> Session:
        return Session(
            conversation, wish.sources, wish.moderation, self._pane.sampling(conversation), language=wish.language
        )

    def _offer(self) -> Offer:
        return Offer(
            sources=self._assistant.sources.all,
            model=self._assistant.models.current.name,
            reader=self._reader.name,
            models=(*(run.id for run in self._options.runs()), *(model.id for model in self._options.catalogue)),
            models_allowed=self._options.model_picker,
            moderation_forced=self._options.moderation_forced,
            ratings=self._ratings is not None,
            terminal=False,
        )

    def _text(self, response: Response) -> str:
        """What the command says; the prompt that it asks for."""
        if not isinstance(response.effect, ShowPrompt):
            return response.text
        session = response.session
        return self._assistant.prompt_of(session.conversation, response.effect.turn, session.sampling)

    def _ask(self, ask: Ask, turn: Turn, run: Run, conversation_id: str, wish: Wish) -> Iterator[Update]:
        """Answer what the command leads to, in its place."""
        kind = Kind.RAW if ask.raw else Kind.MESSAGE
        asked = dataclasses.replace(ask.resume or Turn(ask.turn_id, ask.question), kind=kind, outcome=Outcome.PENDING)
        run.turn_id = asked.id
        run.shown = entries(asked, wish.language, status=say(wish.language, "checking"))
        now = self._change(conversation_id, wish, lambda now: _replaced(now, turn.id, ask.conversation, (asked,)))
        yield {self._page.chat.chatbot: self._pane.shown(now, wish.language)}
        yield from self._pane.write(asked, conversation_id, run, wish, ask.resume)

    def _load(self, name: str, turn: Turn, run: Run, conversation_id: str, wish: Wish) -> Iterator[Update]:
        """Use another model; one that fails to load leaves the old one in place. A stop gives the load up."""
        models, language = self._assistant.models, wish.language
        session = self._session(self._change(conversation_id, wish, lambda now: now), wish)
        try:
            if name.casefold() == self._reader.name.casefold():
                models.put(self._reader)
            else:
                refusal = loadable(name, self._options)
                if refusal:
                    raise InputError(say("en", refusal), zh=say("zh", refusal))
                for says in models.load(self._make_model(name)):
                    if run.cancel.is_set():
                        models.cancel()
                    run.shown = entries(turn, language, status=loading(language, says))
                    yield {self._page.chat.chatbot: self._pane.shown(session.conversation, language)}
        except AppError as error:
            text = f"{error.told(language)}\n{session.say('model_kept', name=models.current.name)}"
        else:
            text = session.say("model_ready", name=models.current.name)
        yield self._end(turn, text, run, conversation_id, wish) | {
            self._page.models.now: who(models, self._reader, language)
        }

    def _end(self, turn: Turn, text: str, run: Run, conversation_id: str, wish: Wish) -> Update:
        """The command as it is kept, with what it says."""
        told = dataclasses.replace(turn, answer=text, outcome=Outcome.ANSWERED)
        now = self._change(conversation_id, wish, lambda now: now.put(told))
        return self._shown(now, wish, run)

    def _shown(self, conversation: Conversation, wish: Wish, run: Run) -> Update:
        """The conversation once the command is done."""
        run.dropped = True
        others = self._pane.runs.now(conversation.id)
        return {self._page.chat.chatbot: self._pane.shown(conversation, wish.language)} | (
            {} if others else {self._page.chat.message: idle()}
        )

    def _switched(self, before: Session, after: Session) -> Update:
        """The switches that the command has moved."""
        switches, moved = self._page.switches, Update()
        if after.sources != before.sources:
            moved[switches.retrieval] = bool(after.sources)
            if after.sources:
                moved[switches.sources] = list(after.sources)
        if after.moderation != before.moderation:
            moved[switches.moderation] = after.moderation
        return moved

    def _change(self, conversation_id: str, wish: Wish, how: Callable[[Conversation], Conversation]) -> Conversation:
        """The conversation, changed; an empty one where it was deleted meanwhile."""
        return self._store.change(conversation_id, wish.owner, how) or Conversation(conversation_id, wish.owner)


def _without(conversation: Conversation, turn_id: str) -> Conversation:
    return dataclasses.replace(conversation, turns=tuple(t for t in conversation.turns if t.id != turn_id))


def _replaced(now: Conversation, turn_id: str, before: Conversation, turns: tuple[Turn, ...]) -> Conversation:
    """`before` and `turns` in the place of a command and what stood before it; what waits behind it stays."""
    place = next((i for i, turn in enumerate(now.turns) if turn.id == turn_id), len(now.turns) - 1)
    return dataclasses.replace(now, turns=(*before.turns, *turns, *now.turns[place + 1 :]))
