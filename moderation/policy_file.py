"""The policy file: the built-in policy.toml, with an operator's file laid over it, checked value by value."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from errors import SettingsError
from moderation.base import Action, Category, Level, Side
from moderation.policy import Policy, Texts, Threshold, phrase_words
from moderation.self_harm import SelfHarm
from moderation.topics import Topics

_DEFAULT = Path(__file__).with_name("policy.toml")
_LEVELS = {level.label: level for level in Level}
_PASSAGES = {"allow": Action.ALLOW, "warn": Action.WARN, "leave out": Action.REFUSE}
_TEXTS = (
    "refuse",
    "warn",
    "retract",
    "self_harm",
    "self_harm_warn",
    "unchecked",
    "unchecked_answer",
    "unchecked_warn",
    "blocked",
    "off_topic",
    "off_topic_warn",
)


def load_policy(path: Path | None = None) -> Policy:
    """The built-in policy, with the operator's file laid over it.

    Raises `SettingsError` with one sentence that names the key and the value that cannot be used.
    """
    table = tomllib.loads(_DEFAULT.read_text(encoding="utf-8"))
    if path is not None:
        _overlay(table, _read(path), str(path), "")
    return _parse(table, str(path or _DEFAULT.name))


def _wrong(source: str, key: str, value: object, expected: str) -> SettingsError:
    return SettingsError(f"{source}: “{key}” is {value!r}; it must be {expected}.")


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"The moderation policy {path} cannot be read; give a readable TOML file.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"The moderation policy {path} is not valid TOML: {error}.") from error


def _open_ended(key: str) -> bool:
    """Tables whose keys the built-in file does not list."""
    return key in ("thresholds.user", "thresholds.assistant")


def _overlay(table: dict[str, Any], own: Mapping[str, Any], source: str, prefix: str) -> None:
    """Lay the operator's values over the built-in ones; a key that is not there is unknown."""
    for name, value in own.items():
        key = f"{prefix}{name}"
        if name not in table and not _open_ended(prefix.rstrip(".")):
            raise SettingsError(f"{source}: “{key}” is not a key of the policy; known here: {', '.join(table)}.")
        if isinstance(table.get(name), dict):
            if not isinstance(value, dict):
                raise _wrong(source, key, value, "a table")
            _overlay(table[name], value, source, f"{key}.")
        else:
            table[name] = value


def _parse(table: Mapping[str, Any], source: str) -> Policy:
    on_error = _action(table["on_error"], source, "on_error")
    if on_error is Action.ALLOW:
        raise _wrong(source, "on_error", "allow", "refuse or warn")
    return Policy(
        levels={side: _levels(table["levels"][side.value], source, f"levels.{side.value}") for side in Side},
        thresholds={side: _thresholds(table["thresholds"][side.value], source, f"thresholds.{side}") for side in Side},
        on_error=on_error,
        blocked=_phrases(table["phrases"]["blocked"], source, "phrases.blocked", phrase_words),
        allowed=_phrases(table["phrases"]["allowed"], source, "phrases.allowed", str.strip),
        named_from=_number(table["named_from"], source, "named_from", 0, 1),
        named_ahead=_number(table["named_ahead"], source, "named_ahead", 1, 100),
        self_harm=_self_harm(table["self_harm"], source),
        passages=_passages(table["passages"]["orders"], source),
        passages_from=_number(table["passages"]["from"], source, "passages.from", 0.01, 1),
        texts={language: _language(part, source, f"texts.{language}") for language, part in table["texts"].items()},
        topics=_topics(table["topics"], source),
    )


def _action(value: object, source: str, key: str) -> Action:
    if value not in [action.value for action in Action]:
        raise _wrong(source, key, value, "allow, warn or refuse")
    return Action(str(value))


def _passages(value: object, source: str) -> Action:
    if not isinstance(value, str) or value not in _PASSAGES:
        raise _wrong(source, "passages.orders", value, "allow, warn or leave out")
    return _PASSAGES[value]


def _levels(table: Mapping[str, Any], source: str, key: str) -> dict[Level, Action]:
    actions = {_LEVELS[label]: _action(value, source, f"{key}.{label}") for label, value in table.items()}
    ordered = [actions[level] for level in sorted(Level)]
    for milder, severer, level in zip(ordered, ordered[1:], list(Level)[1:], strict=False):
        if severer.severity < milder.severity:
            raise _wrong(source, f"{key}.{level.label}", severer.value, f"at least {milder.value}, as below it")
    return actions


def _thresholds(table: Mapping[str, Any], source: str, key: str) -> dict[str, Threshold]:
    found = {}
    for name, value in table.items():
        if name not in [category.value for category in Category]:
            raise SettingsError(f"{source}: “{key}.{name}” is not a category; known: {', '.join(Category)}.")
        if not isinstance(value, dict) or not value or set(value) - {"warn", "refuse"}:
            raise _wrong(source, f"{key}.{name}", value, "a table with warn, refuse or both")
        for action, number in value.items():
            _number(number, source, f"{key}.{name}.{action}", 0, 1)
        threshold = Threshold(**value)
        if "warn" in value and "refuse" in value and threshold.warn > threshold.refuse:
            raise _wrong(source, f"{key}.{name}.warn", value["warn"], f"at most refuse ({value['refuse']})")
        found[name] = threshold
    return found


def _phrases(value: object, source: str, key: str, shape: Callable[[str], str]) -> tuple[str, ...]:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        phrases = tuple(shape(item) for item in value)
        if all(phrase.strip() for phrase in phrases):
            return phrases
    raise _wrong(source, key, value, "a list of phrases, none of them empty (a blocked one has a letter or a digit)")


def _topics(table: Mapping[str, Any], source: str) -> Topics:
    action = _action(table["action"], source, "topics.action")
    if action is Action.ALLOW:
        raise _wrong(source, "topics.action", "allow", "refuse or warn; to allow everything leave “only” empty")
    only, examples = (_phrases(table[name], source, f"topics.{name}", str.strip) for name in ("only", "examples"))
    if examples and not only:
        raise SettingsError(f"{source}: “topics.examples” needs “topics.only”, which says what the site is for.")
    return Topics(only, examples, _number(table["least"], source, "topics.least", -1, 1), action)


def _number(value: object, source: str, key: str, least: float, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise _wrong(source, key, value, f"a number from {least} to {most}")
    return float(value)


def _self_harm(table: Mapping[str, Any], source: str) -> SelfHarm:
    lists = {name: _phrases(value, source, f"self_harm.{name}", str.strip) for name, value in table.items()}
    try:
        return SelfHarm.of(**lists)
    except ValueError as error:
        raise SettingsError(f"{source}: in “self_harm” {error}.") from error


def _language(table: Mapping[str, Any], source: str, key: str) -> Texts:
    for name in _TEXTS:
        if not isinstance(table[name], str) or not table[name].strip():
            raise _wrong(source, f"{key}.{name}", table[name], "a sentence")
    for name, value in table["categories"].items():
        if not isinstance(value, str) or not value.strip():
            raise _wrong(source, f"{key}.categories.{name}", value, "a name in words")
    return Texts({name: table[name] for name in _TEXTS}, dict(table["categories"]))
