"""Who screens, and by which policy: the moderators and the screen that the settings ask for. Loads nothing."""

from __future__ import annotations

from pathlib import Path

from chat.local import LocalModel
from chat.moderators import Embedded, Engines, Moderators, named
from chat.placement import Placement
from encoder import SentenceEncoder
from moderation import catalogue
from moderation.classifier import EmbeddedClassifier
from moderation.policy_watch import WatchedPolicy
from moderation.readings import Readings
from moderation.screen import Screen
from moderation.topics import TopicJudge
from settings import Settings


def moderators_of(
    settings: Settings, embedded: EmbeddedClassifier, placement: Placement, shared: LocalModel | None = None
) -> Moderators:
    """The moderators. Raises `SettingsError` for a name or a catalogue that cannot be used.

    `shared` is the chat model of the settings, where it is to screen too.
    """
    engines = Engines(
        embedded=Embedded(embedded, embedded.load),
        catalogue=catalogue.load(settings.moderator_catalogue),
        placement=placement,
        key=settings.moderator_key,
        limit_s=settings.moderation_limit_s,
        shared=shared,
    )
    return named(settings.moderators, engines)


def screen_of(settings: Settings, moderators: Moderators, encoder: SentenceEncoder) -> Screen:
    """The screen in front of them. Raises `SettingsError` for a policy that cannot be used.

    `encoder` judges what a question is about.
    """
    policy = WatchedPolicy(Path(settings.moderation_policy) if settings.moderation_policy else None)
    return Screen(Readings(moderators.moderator), policy, settings.moderation_limit_s, TopicJudge(encoder))
