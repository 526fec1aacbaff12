"""Slash commands, for the terminal and the page: what a typed line leads to, as data. Nothing here prints or waits.

    response = run("/hyperparameters temperature=0", session, offer)
    response.session        # the session afterwards
    response.text           # to be shown
    response.effect         # what is to be done: an Ask, LoadModel, ShowPrompt, Contest, Rate, Quit; None where not

A line without a slash is a message. Raises `InputError` for what cannot be done.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType

from chat import command_texts
from chat.assistant import Ask
from chat.conversation import Outcome, Turn, begin, continued
from chat.rating import Thumb, typed
from chat.ratings import rateable
from chat.runs import PREFIX
from chat.sampling_limits import LIMITS, changed
from chat.session import Contest, LoadModel, Offer, Quit, Rate, Response, Session, ShowPrompt
from chat.sources import Source
from errors import InputError

_NAME = re.compile(r"[/／](?P<name>\?|[A-Za-z][A-Za-z0-9_]*)(?P<argument>\s.*|)\Z", re.DOTALL)
_SETTING = re.compile(r"(?P<name>\w+)\s*=\s*(?P<value>[^\s,;]+)[\s,;]*")
_SWITCH: Mapping[str, bool] = MappingProxyType({"on": True, "off": False})


Handler = Callable[[Session, str, Offer], Response]


@dataclass(frozen=True, slots=True)
class Command:
    """`help` and `arguments` by language."""

    name: str
    handler: Handler
    help: Mapping[str, str]
    arguments: Mapping[str, str] = field(default_factory=dict)
    needs: bool = False
    """Whether it means nothing without an argument."""

    def usage(self, language: str) -> str:
        arguments = self.arguments.get(language, self.arguments.get("en", ""))
        return f"/{self.name} {arguments}".rstrip()


def is_command(line: str) -> bool:
    """Whether a typed line is meant for these commands rather than as a message."""
    return line.lstrip().startswith(("/", "／"))


def available(*, ratings: bool, terminal: bool) -> dict[str, Command]:
    """The commands that work here, by name: those that rate where answers can be rated, /quit in a terminal."""
    left_out = {*(() if ratings else _RATE), *(() if terminal else ("quit",))}
    return {name: command for name, command in COMMANDS.items() if name not in left_out}


def run(line: str, session: Session, offer: Offer) -> Response:
    """What a typed line leads to. Raises `InputError`."""
    line = line.strip()
    if not is_command(line):
        return Response(session, effect=session.ask(line))
    match = _NAME.match(line)
    if match is None:
        # A path or an expression: not a mistyped command, and not to be swallowed either.
        raise _refusal("not_a_command", word=line.split()[0][:40], line=_short(line))
    name, argument = match["name"].lower(), match["argument"].strip()
    command = COMMANDS.get(_ALIASES.get(name, name))
    if command is None:
        raise _unknown(name, line, offer)
    if command.needs and not argument:
        raise _refusal("needs", usage=f"/{command.name} TEXT")
    return command.handler(session, argument, offer)


def finished(session: Session, ask: Ask, turn: Turn) -> Session:
    """The session once `ask` has led to `turn`.

    A raw answer leaves no trace. A continuation that fails leaves what was there.
    """
    if ask.raw:
        return session
    kept = turn if ask.resume is None else continued(ask.resume, turn)
    return dataclasses.replace(session, conversation=ask.conversation.put(kept))


def _help(session: Session, argument: str, offer: Offer) -> Response:
    commands = available(ratings=offer.ratings, terminal=offer.terminal)
    usages = {command.usage(session.language): command.help[_language(session)] for command in commands.values()}
    width = max(map(len, usages))
    lines = [f"{usage:<{width}}  {says}" if offer.terminal else f"{usage} — {says}" for usage, says in usages.items()]
    return Response(session, "\n".join([*lines, session.say("help_else")]))


def _say(session: Session, argument: str, offer: Offer) -> Response:
    return Response(session, effect=session.ask(argument))


def _raw_say(session: Session, argument: str, offer: Offer) -> Response:
    return Response(session, effect=session.ask(argument, raw=True))


def _raw_prompt(session: Session, argument: str, offer: Offer) -> Response:
    asked = [turn for turn in session.conversation.asked if turn.outcome is not Outcome.QUESTION_REFUSED]
    if not asked:
        raise _refusal("nothing_asked")
    return Response(session, effect=ShowPrompt(asked[-1]))


def _reset(session: Session, argument: str, offer: Offer) -> Response:
    fresh = dataclasses.replace(session, conversation=begin(session.conversation.owner))
    return Response(fresh, session.say("reset"))


def _hyperparameters(session: Session, argument: str, offer: Offer) -> Response:
    given = {match["name"].lower(): match["value"] for match in _SETTING.finditer(argument)}
    if _SETTING.sub("", argument).strip():
        raise _refusal("settings_form", rest=_short(_SETTING.sub("", argument).strip()))
    for name in given:
        if name not in LIMITS:
            raise _refusal("no_setting", name=name[:40], close=_close(name, tuple(LIMITS)))
    session = dataclasses.replace(session, sampling=changed(session.sampling, given))
    return Response(session, "\n".join(f"{name} = {_shown(getattr(session.sampling, name))}" for name in LIMITS))


def _model(session: Session, argument: str, offer: Offer) -> Response:
    if not argument:
        names = "".join(f"\n  {name}" for name in (offer.reader, *offer.models))
        others = session.say("models") + names if offer.models_allowed else ""
        return Response(session, session.say("model", name=offer.model) + others)
    if not offer.models_allowed:
        raise _refusal("model_fixed")
    run = PREFIX + argument
    return Response(session, effect=LoadModel(run if run in offer.models else argument))


def _sources(session: Session, argument: str, offer: Offer) -> Response:
    if argument:
        session = dataclasses.replace(session, sources=_named(argument, offer))
    return Response(session, "\n".join(_source_line(source, session) for source in offer.sources))


def _source_line(source: Source, session: Session) -> str:
    """Whether it is searched, its names, and how it fares where it says so."""
    line = f"[{'x' if source.name in session.sources else ' '}] {source.name}: {source.label(session.language)}"
    status = source.live.status() if source.live is not None else None
    return line if status is None else f"{line} ({status.zh if session.language == 'zh' else status.text})"


def _named(argument: str, offer: Offer) -> tuple[str, ...]:
    """The sources an argument names: names or labels, or one of the words for all and none."""
    known = {source.name.casefold(): source.name for source in offer.sources}
    words = {"all": tuple(known.values()), "none": ()}
    if argument.lower() in words:
        return words[argument.lower()]
    labels = {label.casefold(): source.name for source in offer.sources for label in source.labels.values()}
    if argument.casefold() in labels:
        return (labels[argument.casefold()],)
    names = [word for word in re.split(r"[\s,，、]+", argument) if word]
    for name in names:
        if name.casefold() not in known:
            raise _refusal("no_source", name=name[:40], names=", ".join(known.values()))
    return tuple(dict.fromkeys(known[name.casefold()] for name in names))


def _moderation(session: Session, argument: str, offer: Offer) -> Response:
    if argument:
        if argument.lower() not in _SWITCH:
            raise _refusal("on_or_off", given=_short(argument))
        wanted = _SWITCH[argument.lower()]
        if not wanted and offer.moderation_forced:
            raise _refusal("moderation_forced")
        session = dataclasses.replace(session, moderation=wanted)
    return Response(session, session.say("moderation_on" if session.moderation else "moderation_off"))


def _contest(session: Session, argument: str, offer: Offer) -> Response:
    if argument.lower() not in ("", "text"):
        raise _refusal("contest_how", given=_short(argument))
    flagged = next((turn for turn in reversed(session.conversation.turns) if turn.flags), None)
    if flagged is None:
        raise _refusal("nothing_flagged")
    return Response(session, effect=Contest(flagged, keep_text=bool(argument)))


def contested(session: Session, turn: Turn) -> Response:
    """The session once its turn was contested, and the thanks for it."""
    text = session.say("contested_text" if any(flag.text_kept for flag in turn.flags) else "contested")
    return Response(dataclasses.replace(session, conversation=session.conversation.put(turn)), text)


def _rate(session: Session, argument: str, offer: Offer, thumb: Thumb) -> Response:
    if not offer.ratings:
        raise _refusal("ratings_off")
    turn = next((turn for turn in reversed(session.conversation.turns) if rateable(turn)), None)
    if turn is None:
        raise _refusal("nothing_asked")
    return Response(session, effect=Rate(turn, typed(argument, thumb)))


def rated(session: Session, turn: Turn) -> Response:
    """The session once its turn was rated, and the thanks for it."""
    rating = turn.rating
    if rating is None:
        key = "rated_off"
    else:
        key = "rated_barred" if rating.barred else "rated_text" if rating.keep else "rated"
    return Response(dataclasses.replace(session, conversation=session.conversation.put(turn)), session.say(key))


def _continue(session: Session, argument: str, offer: Offer) -> Response:
    turn = _last(session)
    if not turn.cut:
        raise _refusal("not_cut")
    if offer.model == offer.reader:
        raise _refusal("reader_cannot")
    ask = session.ask(turn.question)
    before = session.conversation.before(turn.id)
    return Response(session, effect=dataclasses.replace(ask, turn_id=turn.id, conversation=before, resume=turn))


def _retry(session: Session, argument: str, offer: Offer) -> Response:
    turn = _last(session)
    ask = session.ask(turn.question)
    return Response(session, effect=dataclasses.replace(ask, conversation=session.conversation.before(turn.id)))


def _undo(session: Session, argument: str, offer: Offer) -> Response:
    turn = _last(session)
    session = dataclasses.replace(session, conversation=session.conversation.before(turn.id))
    return Response(session, session.say("undone", question=_short(turn.question)), draft=turn.question)


def _quit(session: Session, argument: str, offer: Offer) -> Response:
    return Response(session, effect=Quit()) if offer.terminal else Response(session, session.say("close_tab"))


def _last(session: Session) -> Turn:
    if not session.conversation.asked:
        raise _refusal("nothing_asked")
    return session.conversation.asked[-1]


def _refusal(key: str, **values: object) -> InputError:
    """The sentence of `key` in both languages."""
    return InputError(command_texts.say("en", key, **values), zh=command_texts.say("zh", key, **values))


def _unknown(name: str, line: str, offer: Offer) -> InputError:
    known = available(ratings=offer.ratings, terminal=offer.terminal)
    aliases = [alias for alias, meant in _ALIASES.items() if meant in known]
    close = difflib.get_close_matches(name, [*known, *aliases], n=1)
    if not close:
        return _refusal("unknown", name=name[:40], line=_short(line))
    return _refusal("mistyped", name=name[:40], command=_ALIASES.get(close[0], close[0]), line=_short(line))


def _close(name: str, names: tuple[str, ...]) -> str:
    """The nearest name; all of them where none is near."""
    return next(iter(difflib.get_close_matches(name, names, n=1)), ", ".join(names))


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else f"{line[:59]}…"


def _shown(value: float | int | None) -> str:
    return "none" if value is None else f"{value:.12g}" if isinstance(value, float) else str(value)


def _language(session: Session) -> str:
    return session.language if session.language in command_texts.TEXTS else "en"


_HANDLERS: Mapping[str, Handler] = MappingProxyType(
    {
        "help": _help,
        "say": _say,
        "raw_say": _raw_say,
        "raw_prompt": _raw_prompt,
        "reset": _reset,
        "hyperparameters": _hyperparameters,
        "model": _model,
        "sources": _sources,
        "moderation": _moderation,
        "contest": _contest,
        "good": partial(_rate, thumb=Thumb.UP),
        "bad": partial(_rate, thumb=Thumb.DOWN),
        "continue": _continue,
        "retry": _retry,
        "undo": _undo,
        "quit": _quit,
    }
)
_NEED_TEXT = frozenset({"say", "raw_say"})
_RATE = ("good", "bad")
_ALIASES: Mapping[str, str] = MappingProxyType({"?": "help", "exit": "quit"})

COMMANDS: Mapping[str, Command] = MappingProxyType(
    {
        name: Command(
            name,
            handler,
            help={language: told[name] for language, told in command_texts.HELP.items()},
            arguments={language: told.get(name, "") for language, told in command_texts.ARGUMENTS.items()},
            needs=name in _NEED_TEXT,
        )
        for name, handler in _HANDLERS.items()
    }
)
