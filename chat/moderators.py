"""The moderators that the operator named, put together with the engines they run on.

moderators = named(["embedded", "meta-llama/Llama-Guard-3-1B", "http://host:8000/v1#model"], parts)
moderators.load(print)          # all of them, one after the other
moderators.moderator.check(…)   # one, or several of which any may refuse
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from chat import weights
from chat.bilingual import Bilingual
from chat.local import LocalModel
from chat.placement import ZEROGPU, Placement
from chat.remote import is_address
from chat.remote_scoring import RemoteScorer
from chat.scoring import LocalScorer
from errors import InputError, SettingsError
from moderation.base import Moderator, Report
from moderation.catalogue import Catalogue, Labels
from moderation.combined import CombinedModerator
from moderation.prompted import PromptedModerator
from moderation.text_classifier import TextClassifier

EMBEDDED = "embedded"


class LoadableModerator(Moderator, Protocol):
    """A moderator whose weights are loaded by an explicit call. Raises `errors.AppError`."""

    def load(self, report: Report) -> None: ...


@dataclass(frozen=True, slots=True)
class Embedded:
    """The classifier that comes with the app, and how it is loaded."""

    moderator: Moderator
    load: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Engines:
    """What moderators run on."""

    embedded: Embedded
    catalogue: Catalogue
    placement: Placement
    key: str = ""
    """For servers."""
    limit_s: float = 10.0
    """Longest time of one look at a text, in seconds."""
    shared: LocalModel | None = None
    """A chat model of this machine; where it is named as a moderator too it is loaded once."""


@dataclass(frozen=True, slots=True)
class Moderators:
    """All of them as one, and how they are loaded."""

    moderator: Moderator
    names: tuple[str, ...]
    """What may be told of them to anybody: no addresses, no paths."""
    loads: tuple[Callable[[Report], None], ...]

    def load(self, report: Report) -> None:
        """Raises the `errors.AppError` of the first that cannot be loaded: without it nothing may be answered."""
        for name, load in zip(self.names, self.loads, strict=True):
            report(Bilingual(f"Loading the moderator {name}", zh=f"正在加载审核模型 {name}"))
            load(report)


def named(names: Sequence[str], engines: Engines) -> Moderators:
    """The moderators by their names. Loads nothing. Raises `SettingsError` for a name that cannot be one."""
    made = [_made(name, engines) for name in names]
    moderators = [moderator for moderator, _ in made]
    return Moderators(
        moderator=moderators[0] if len(moderators) == 1 else CombinedModerator(moderators),
        names=tuple(_shown(name) for name in names),
        loads=tuple(load for _, load in made),
    )


def _shown(name: str) -> str:
    return name.partition("#")[2] or "server" if is_address(name) else LocalModel(name).name


def _made(name: str, engines: Engines) -> tuple[Moderator, Callable[[Report], None]]:
    if name == EMBEDDED:
        return engines.embedded.moderator, lambda report: engines.embedded.load()
    moderator = _served(name, engines) if is_address(name) else _local(name, engines)
    return moderator, moderator.load


def _served(address: str, engines: Engines) -> LoadableModerator:
    url, _, model = address.partition("#")
    try:
        scorer = RemoteScorer(url, model, engines.key, engines.limit_s)
    except InputError as error:
        raise SettingsError(f"--moderators names a server that cannot be used: {error}") from error
    return PromptedModerator(scorer, engines.catalogue)


def _local(name: str, engines: Engines) -> LoadableModerator:
    entry = engines.catalogue.find(LocalModel(name).name)
    device = "cpu" if engines.placement.device == ZEROGPU else engines.placement.device
    if entry is None or isinstance(entry.asks, Labels):
        return TextClassifier(name, weights.fetch, engines.catalogue, device)
    if engines.shared is not None and engines.shared.model == name:
        scorer = LocalScorer.beside(engines.shared, engines.limit_s)
    else:
        # An adapter belongs to the chat model.
        placement = dataclasses.replace(engines.placement, device=device, adapter="")
        scorer = LocalScorer.alone(name, placement, engines.limit_s)
    return PromptedModerator(scorer, engines.catalogue)
