"""From verdicts to actions: the operator's policy, and the screen that applies it and fails closed.

policy = Policy.load(None)                      # moderation/policy.toml; or the operator's file laid over it
screen = Screen(moderator, policy, limit_s=10)
decision = screen.check(Exchange(text))         # allow, warn or refuse, with a reason in plain words
"""

from __future__ import annotations

import logging
import queue
import re
import threading
import time
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from errors import ModerationError, SettingsError
from moderation.base import Action, Category, Exchange, Level, Moderator, Side, Verdict
from moderation.features import chinese_share, clean, fold
from moderation.self_harm import Mention, SelfHarm

_DEFAULT = Path(__file__).with_suffix(".toml")
_OTHER = "other"
_SEVERITY = {Action.ALLOW: 0, Action.WARN: 1, Action.REFUSE: 2}
_LEVELS = {level.label: level for level in Level}
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
)
_WORKERS = 4

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Decision:
    """What happens to a text, and why, in words for the person who wrote or awaited it."""

    action: Action
    category: str = ""
    """A `Category` value; empty when the text is allowed or could not be checked, or nothing tells what kind it is."""
    level: Level = Level.CASUAL
    score: float = 0.0
    reason: str = ""
    """Empty when the text is allowed."""

    @property
    def severity(self) -> int:
        """0 allow, 1 warn, 2 refuse."""
        return _SEVERITY[self.action]


@dataclass(frozen=True, slots=True)
class Threshold:
    """Probabilities from which a category is warned about or refused; above 1 means never."""

    warn: float = 2.0
    refuse: float = 2.0

    def action(self, probability: float) -> Action:
        if probability >= self.refuse:
            return Action.REFUSE
        return Action.WARN if probability >= self.warn else Action.ALLOW


@dataclass(frozen=True, slots=True)
class Texts:
    """The sentences of one language."""

    sentences: Mapping[str, str]
    categories: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Policy:
    """What levels, categories and phrases lead to. Made by `load`."""

    levels: Mapping[Side, Mapping[Level, Action]]
    thresholds: Mapping[Side, Mapping[str, Threshold]]
    on_error: Action
    blocked: tuple[str, ...]
    """Folded phrases, each with a space at both ends."""
    allowed: tuple[str, ...]
    named_from: float
    """Probability, given that there is harm, from which the leading category is named."""
    named_ahead: float
    """How many times as probable as the next category it must be."""
    self_harm: SelfHarm
    texts: Mapping[str, Texts]

    @classmethod
    def load(cls, path: Path | None = None) -> Policy:
        """The built-in policy, with the operator's file laid over it.

        Raises `SettingsError` with one sentence that names the key and the value that cannot be used.
        """
        table = tomllib.loads(_DEFAULT.read_text(encoding="utf-8"))
        if path is not None:
            _overlay(table, _read(path), str(path), "")
        return _parse(table, str(path or _DEFAULT.name))

    def decide(self, verdict: Verdict, side: Side, language: str = "en", text: str = "") -> Decision:
        """The action for a verdict: the leading category's own thresholds where it has some, else the level's.

        The category is named when it is sure enough; where it is not, the reason is a general one.
        """
        leading = verdict.categories[0][0] if verdict.categories else ""
        own = self.thresholds[side]
        action, category = Action.ALLOW, leading
        if leading not in own:
            action = self.levels[side][verdict.level]
        for name, probability in verdict.categories:
            if name in own and _SEVERITY[own[name].action(probability)] > _SEVERITY[action]:
                action, category = own[name].action(probability), name
        if category not in own and not self._sure(verdict, category):
            category = ""
        mention = self.self_harm.mention(text) if side is Side.USER else Mention.NONE
        if mention is not Mention.NONE:
            action, category = _with_mention(mention, action, category)
        if action is Action.ALLOW:
            return Decision(action, "", verdict.level, verdict.score)
        return Decision(action, category, verdict.level, verdict.score, self._reason(action, category, side, language))

    def _sure(self, verdict: Verdict, category: str) -> bool:
        """Whether the category may be named. Self-harm need not be far ahead: its words do no harm where it is not."""
        found = dict(verdict.categories)
        others = [probability for name, probability in found.items() if name != category]
        ahead = 1.0 if category == Category.SELF_HARM else self.named_ahead
        needed = max(self.named_from * verdict.score, ahead * max(others, default=0.0))
        return category in found and found[category] >= needed

    def unchecked(self, side: Side, language: str = "en") -> Decision:
        """The decision about a text that could not be checked."""
        texts = self._texts(language).sentences
        answer = "unchecked" if side is Side.USER else "unchecked_answer"
        key = "unchecked_warn" if self.on_error is Action.WARN else answer
        return Decision(self.on_error, "", Level.NEEDS_INTERVENTION, 1.0, texts[key])

    def phrase(self, text: str, language: str = "en") -> Decision | None:
        """The refusal of a text that holds one of the operator's blocked phrases."""
        if not any(_holds(fold(clean(text)), phrase) for phrase in self.blocked):
            return None
        reason = self._texts(language).sentences["blocked"]
        return Decision(Action.REFUSE, "", Level.NEEDS_INTERVENTION, 1.0, reason)

    def without_allowed(self, text: str) -> str:
        """The text that is judged: always-allowed phrases are cut out of it."""
        for phrase in self.allowed:
            words = r"\s+".join(re.escape(word) for word in phrase.split())
            text = re.sub(rf"(?<!\w){words}(?!\w)", " ", text, flags=re.IGNORECASE)
        return text

    def _reason(self, action: Action, category: str, side: Side, language: str) -> str:
        texts = self._texts(language)
        if category == Category.SELF_HARM and side is Side.USER:
            return texts.sentences["self_harm" if action is Action.REFUSE else "self_harm_warn"]
        key = "warn" if action is Action.WARN else "refuse" if side is Side.USER else "retract"
        name = texts.categories.get(category, texts.categories[_OTHER])
        return texts.sentences[key].replace("{category}", name)

    def _texts(self, language: str) -> Texts:
        return self.texts.get(language, self.texts["en"])


class Screen:
    """Asks the moderator, applies the policy, and fails closed.

    A moderator that raises, or takes longer than `limit_s` seconds, leads to `Policy.unchecked`: a refusal unless the
    operator chose otherwise. Errors are logged; the text is not. Safe to call from several threads.

    The moderator runs on a few daemon threads of the screen's own, so that one that hangs can be left behind; when all
    of them hang, every further text is unchecked.
    """

    def __init__(self, moderator: Moderator, policy: Policy, limit_s: float = 10.0) -> None:
        self.policy = policy
        self._moderator = moderator
        self._limit_s = limit_s
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    def check(self, exchange: Exchange, language: str = "") -> Decision:
        """What happens to the text. `language` is that of the reason; the text's own where empty."""
        language = language or ("zh" if chinese_share(exchange.text) > 0.3 else "en")
        try:
            blocked = self.policy.phrase(exchange.text, language)
            if blocked:
                return blocked
            judged = Exchange(self.policy.without_allowed(exchange.text), exchange.side, exchange.context)
            return self.policy.decide(self._ask(judged), exchange.side, language, judged.text)
        except ModerationError as error:
            logger.error("A text could not be checked: %s", error)
        except Exception:
            logger.exception("A text could not be checked")
        return self.policy.unchecked(exchange.side, language)

    def _ask(self, exchange: Exchange) -> Verdict:
        """The moderator's verdict. Raises what the moderator raises, and `ModerationError` when it is too slow."""
        job = _Job(exchange, time.monotonic() + self._limit_s)
        self._start_threads()
        self._jobs.put(job)
        if not job.done.wait(self._limit_s):
            raise ModerationError(
                f"{self._moderator.name} took longer than {self._limit_s:g} s; raise moderation_limit_s or relieve it."
            )
        if job.failure is not None:
            raise job.failure
        if job.verdict is None:
            raise ModerationError(f"{self._moderator.name} gave no verdict.")
        return job.verdict

    def _start_threads(self) -> None:
        with self._lock:
            while len(self._threads) < _WORKERS:
                thread = threading.Thread(target=self._work, name="moderation", daemon=True)
                self._threads.append(thread)
                thread.start()

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            if time.monotonic() < job.deadline:
                job.run(self._moderator)


class _Job:
    """One text on its way through the moderator."""

    def __init__(self, exchange: Exchange, deadline: float) -> None:
        self.deadline = deadline
        self.done = threading.Event()
        self.verdict: Verdict | None = None
        self.failure: Exception | None = None
        self._exchange = exchange

    def run(self, moderator: Moderator) -> None:
        try:
            verdicts = moderator.check([self._exchange])
            if len(verdicts) == 1:
                self.verdict = verdicts[0]
        except Exception as error:
            self.failure = error
        finally:
            self.done.set()


def worst(decisions: Iterable[Decision]) -> Decision:
    """The severest decision, the first of equals; allow when there is none."""
    return max(decisions, key=lambda decision: decision.severity, default=Decision(Action.ALLOW))


def _with_mention(mention: Mention, action: Action, category: str) -> tuple[Action, str]:
    """Action and category of a text whose words speak of self-harm.

    Other harm keeps its refusal, so that a word of suicide frees nothing.
    """
    if mention is Mention.DANGER:
        return Action.REFUSE, Category.SELF_HARM
    if action is Action.REFUSE and (category != Category.SELF_HARM or mention is Mention.WORD):
        return action, category
    return Action.WARN, Category.SELF_HARM


def _holds(folded: str, phrase: str) -> bool:
    """Whole words in scripts with spaces; anywhere in Chinese, which has none."""
    return (phrase.strip() if chinese_share(phrase) else phrase) in re.sub(r"[^\w]+", " ", folded)


# Reading the file. Every check raises SettingsError through `_wrong`, which names the key.


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
        blocked=_phrases(table["phrases"]["blocked"], source, "phrases.blocked", _folded_phrase),
        allowed=_phrases(table["phrases"]["allowed"], source, "phrases.allowed", str.strip),
        named_from=_number(table["named_from"], source, "named_from", 0, 1),
        named_ahead=_number(table["named_ahead"], source, "named_ahead", 1, 100),
        self_harm=_self_harm(table["self_harm"], source),
        texts={language: _language(part, source, f"texts.{language}") for language, part in table["texts"].items()},
    )


def _action(value: object, source: str, key: str) -> Action:
    if value not in [action.value for action in Action]:
        raise _wrong(source, key, value, "allow, warn or refuse")
    return Action(str(value))


def _levels(table: Mapping[str, Any], source: str, key: str) -> dict[Level, Action]:
    actions = {_LEVELS[label]: _action(value, source, f"{key}.{label}") for label, value in table.items()}
    ordered = [actions[level] for level in sorted(Level)]
    for milder, severer, level in zip(ordered, ordered[1:], list(Level)[1:], strict=False):
        if _SEVERITY[severer] < _SEVERITY[milder]:
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
    if not isinstance(value, list) or not all(isinstance(item, str) and item.strip() for item in value):
        raise _wrong(source, key, value, "a list of phrases, none of them empty")
    return tuple(shape(item) for item in value)


def _number(value: object, source: str, key: str, least: float, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise _wrong(source, key, value, f"a number from {least} to {most}")
    return float(value)


def _self_harm(table: Mapping[str, Any], source: str) -> SelfHarm:
    lists = {name: _phrases(value, source, f"self_harm.{name}", str.strip) for name, value in table.items()}
    try:
        return SelfHarm.of(**lists)
    except ValueError as error:
        raise SettingsError(f"{source}: in “self_harm” the {error}; close each bracket that was opened.") from error


def _folded_phrase(phrase: str) -> str:
    return re.sub(r"[^\w]+", " ", fold(clean(phrase)))


def _language(table: Mapping[str, Any], source: str, key: str) -> Texts:
    for name in _TEXTS:
        if not isinstance(table[name], str) or not table[name].strip():
            raise _wrong(source, f"{key}.{name}", table[name], "a sentence")
    for name, value in table["categories"].items():
        if not isinstance(value, str) or not value.strip():
            raise _wrong(source, f"{key}.categories.{name}", value, "a name in words")
    return Texts({name: table[name] for name in _TEXTS}, dict(table["categories"]))
