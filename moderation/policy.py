"""From verdicts to actions: what levels, categories and phrases lead to, and the words for it.

policy = load_policy()                          # moderation.policy_file: policy.toml, or an operator's file over it
decision = policy.decide(verdict, Side.USER)    # allow, warn or refuse, with a reason in plain words
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from moderation.base import Action, Category, Level, Side, Verdict
from moderation.features import clean, fold
from moderation.orders import ordered
from moderation.self_harm import Mention, SelfHarm
from moderation.topics import Topics

OFF_TOPIC = "off-topic"
"""Stands where a category would, for a question that the site is not for."""
_OTHER = "other"
_LINK_SIGNS = re.compile(r"://|(?<!\w)@|(?<=\bwww)\.", re.IGNORECASE)
"""What `clean` knows links and mentions by; an operator may block those as well."""
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
"""Letters of scripts that set no spaces between words: Thai, Lao, Burmese, Khmer, kana, Chinese."""
_BEFORE, _AFTER = rf"(?<!(?!{_UNSPACED.pattern})\w)", rf"(?!(?!{_UNSPACED.pattern})\w)"
"""Edges of a word, which may touch Chinese."""


class Ground(StrEnum):
    """What a decision rests on."""

    JUDGED = "judged"
    """The moderator's verdict: its score is a probability."""
    WORDS = "words"
    """Words of self-harm, or orders to the assistant."""
    PHRASE = "phrase"
    """A phrase that the operator blocks."""
    TOPIC = "topic"
    UNCHECKED = "unchecked"
    """The moderator failed."""


OPERATORS_OWN = (Ground.PHRASE, Ground.TOPIC)
"""Grounds that say nothing of harm."""


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
    ground: Ground = Ground.JUDGED


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
    """What levels, categories and phrases lead to. Made by `policy_file.load_policy`."""

    levels: Mapping[Side, Mapping[Level, Action]]
    thresholds: Mapping[Side, Mapping[str, Threshold]]
    on_error: Action
    blocked: tuple[str, ...]
    """Each as `phrase_words` has it."""
    allowed: tuple[str, ...]
    named_from: float
    """Probability, given that there is harm, from which the leading category is named."""
    named_ahead: float
    """How many times as probable as the next category it must be."""
    self_harm: SelfHarm
    passages: Action
    """What happens to a passage that gives the assistant orders; REFUSE leaves it out."""
    passages_from: float
    """Probability of a prompt attack from which a sentence of a passage is such an order."""
    texts: Mapping[str, Texts]
    topics: Topics = Topics()

    def decide(self, verdict: Verdict, side: Side, language: str = "en", text: str = "") -> Decision:
        """The action for a verdict: the leading category's own thresholds where it has some, else the level's.

        Both count, and the severer, where harm of a kind without thresholds may hide behind the leading category.
        The category is named when it is sure enough; where it is not, the reason is a general one. Of several
        moderators' verdicts the severest decision counts.
        """
        if verdict.parts:
            return worst(self.decide(part, side, language, text) for part in verdict.parts)
        leading = verdict.categories[0][0] if verdict.categories else ""
        own = self.thresholds[side]
        action, category = Action.ALLOW, leading
        if leading not in own:
            action = self.levels[side][verdict.level]
        for name, probability in verdict.categories:
            if name in own and own[name].action(probability).severity > action.severity:
                action, category = own[name].action(probability), name
        if leading in own and not self._alone(verdict, leading, own):
            level = self.levels[side][verdict.level]
            if level.severity > action.severity:
                action, category = level, next((name for name, _ in verdict.categories if name not in own), "")
        if category not in own and not self._sure(verdict, category):
            category = ""
        judged = (action, category)
        if side is Side.USER and self._ordered(text).severity > action.severity:
            action, category = self._ordered(text), Category.PROMPT_ATTACK
        mention = self.self_harm.mention(text) if side is Side.USER else Mention.NONE
        if mention is not Mention.NONE:
            action, category = _with_mention(mention, action, category)
        if action is Action.ALLOW:
            return Decision(action, "", verdict.level, verdict.score)
        ground = Ground.JUDGED if (action, category) == judged else Ground.WORDS
        reason = self._reason(action, category, side, language)
        return Decision(action, category, verdict.level, verdict.score, reason, ground)

    def _alone(self, verdict: Verdict, category: str, own: Mapping[str, Threshold]) -> bool:
        """Whether the text is surely of this kind, and of none that has no thresholds of its own."""
        others = [probability for name, probability in verdict.categories if name not in own]
        return self._sure(verdict, category) and max(others, default=0.0) < self.named_from * verdict.score

    def _ordered(self, text: str) -> Action:
        """The action for orders to the assistant that exact phrases find: they are as sure as can be."""
        if not ordered(text):
            return Action.ALLOW
        own = self.thresholds[Side.USER]
        if Category.PROMPT_ATTACK in own:
            return own[Category.PROMPT_ATTACK].action(1.0)
        return self.levels[Side.USER][Level.NEEDS_INTERVENTION]

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
        return Decision(self.on_error, "", Level.NEEDS_INTERVENTION, 1.0, texts[key], Ground.UNCHECKED)

    def off_topic(self, language: str = "en") -> Decision:
        """The decision about a question that the site is not for; it names what the site is for."""
        key = "off_topic_warn" if self.topics.action is Action.WARN else "off_topic"
        reason = self._texts(language).sentences[key].replace("{topics}", self.topics.named(language))
        return Decision(self.topics.action, OFF_TOPIC, Level.CASUAL, 0.0, reason, Ground.TOPIC)

    def phrase(self, text: str, language: str = "en") -> Decision | None:
        """The refusal of a text that holds one of the operator's blocked phrases."""
        words = phrase_words(text)
        if not any(_holds(words, phrase) for phrase in self.blocked):
            return None
        reason = self._texts(language).sentences["blocked"]
        return Decision(Action.REFUSE, "", Level.NEEDS_INTERVENTION, 1.0, reason, Ground.PHRASE)

    def without_allowed(self, text: str) -> str:
        """The text that is judged: always-allowed phrases are cut out of it."""
        for phrase in self.allowed:
            words = r"\s+".join(re.escape(word) for word in phrase.split())
            before, after = (
                "" if _UNSPACED.match(edge) else side for edge, side in ((phrase[0], _BEFORE), (phrase[-1], _AFTER))
            )
            text = re.sub(f"{before}{words}{after}", " ", text, flags=re.IGNORECASE)
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


def worst(decisions: Iterable[Decision]) -> Decision:
    """The severest decision, the first of equals; allow when there is none."""
    return max(decisions, key=lambda decision: decision.action.severity, default=Decision(Action.ALLOW))


def _with_mention(mention: Mention, action: Action, category: str) -> tuple[Action, str]:
    """Action and category of a text whose words speak of self-harm.

    Other harm keeps its refusal, so that a word of suicide frees nothing.
    """
    if mention is Mention.DANGER:
        return Action.REFUSE, Category.SELF_HARM
    if action is Action.REFUSE and (category != Category.SELF_HARM or mention is Mention.WORD):
        return action, category
    return Action.WARN, Category.SELF_HARM


def phrase_words(text: str) -> str:
    """A text as blocked phrases are looked for in it: its words, folded, with a space at both ends.

    Of a text without a letter or digit it is a single space.
    """
    return re.sub(r"[^\w]+", " ", fold(clean(_LINK_SIGNS.sub(" ", text))))


def _holds(words: str, phrase: str) -> bool:
    """Whole words in scripts with spaces, also right beside Chinese; anywhere in scripts without."""
    return phrase.strip() in words if _UNSPACED.search(phrase) else phrase in _UNSPACED.sub(" | ", words)
