"""A policy in plain sentences, in English and Chinese: what is refused, warned about, and for whom.

    for paragraph in in_words(load_policy(), "en"):
        print(paragraph)

Everything that the policy says is in them, but for the operator's phrases, which are counted and not listed, and the
words of self-harm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from moderation.base import Action, Category, Level, Side
from moderation.policy import Policy, Threshold

_WORDS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "en": {
            "both": "Questions and answers are judged by how likely they are to do harm.",
            "kinds": "Harm means: {kinds}.",
            "user": "A question is {actions}.",
            "assistant": "An answer, which is checked while it is written, is {actions}.",
            "refuse": "refused from the level “{level}” on",
            "warn": "answered with a warning from the level “{level}” on",
            "refuse_assistant": "withdrawn from the level “{level}” on",
            "warn_assistant": "shown with a warning from the level “{level}” on",
            "never": "never refused by its level",
            "own_user": "For questions, {kind}: {actions}.",
            "own_assistant": "For answers, {kind}: {actions}.",
            "own_refuse": "refused from a probability of {percent} %",
            "own_warn": "a warning from a probability of {percent} %",
            "own_never": "neither refused nor warned about",
            "self_harm": "Who speaks of harming themselves is shown where to find help, instead of a cold refusal.",
            "blocked": "The operator blocks {count} phrases of their own.",
            "blocked_one": "The operator blocks 1 phrase of their own.",
            "allowed": "{count} phrases are never a reason.",
            "allowed_one": "1 phrase is never a reason.",
            "topics_refuse": "This site is only for: {topics} Questions about anything else are refused.",
            "topics_warn": "This site is for: {topics} Questions about anything else are answered with a note.",
            "passages_refuse": "A found passage that gives the assistant orders is left out.",
            "passages_warn": "A found passage that gives the assistant orders is used, with a note.",
            "passages_allow": "Found passages are not searched for orders to the assistant.",
            "unchecked_refuse": "A text that cannot be checked is refused.",
            "unchecked_warn": "A text that cannot be checked is shown with a warning.",
            "and": ", and ",
            "comma": ", ",
        },
        "zh": {
            "both": "问题和回答都按其造成伤害的可能性来审核。",
            "kinds": "伤害指：{kinds}。",
            "user": "问题：{actions}。",
            "assistant": "回答（边写边审核）：{actions}。",
            "refuse": "达到“{level}”级别时不予回答",
            "warn": "达到“{level}”级别时回答并附提醒",
            "refuse_assistant": "达到“{level}”级别时撤回",
            "warn_assistant": "达到“{level}”级别时附提醒",
            "never": "不因级别而拒绝",
            "own_user": "问题中的“{kind}”：{actions}。",
            "own_assistant": "回答中的“{kind}”：{actions}。",
            "own_refuse": "概率达到 {percent}% 时拒绝",
            "own_warn": "概率达到 {percent}% 时提醒",
            "own_never": "既不拒绝也不提醒",
            "self_harm": "若有人说想伤害自己，会得到求助渠道，而不是冷冰冰的拒绝。",
            "blocked": "管理员另外屏蔽了 {count} 个词语。",
            "blocked_one": "管理员另外屏蔽了 1 个词语。",
            "allowed": "有 {count} 个词语从不作为拒绝的理由。",
            "allowed_one": "有 1 个词语从不作为拒绝的理由。",
            "topics_refuse": "本站只回答与以下主题有关的问题：{topics}其他问题不予回答。",
            "topics_warn": "本站的主题是：{topics}回答其他问题时会附上说明。",
            "passages_refuse": "检索到的内容若在向助手下达指令，会被略去。",
            "passages_warn": "检索到的内容若在向助手下达指令，仍会使用，并附提醒。",
            "passages_allow": "不检查检索到的内容是否在向助手下达指令。",
            "unchecked_refuse": "无法审核的内容一律拒绝。",
            "unchecked_warn": "无法审核的内容会附提醒显示。",
            "and": "，",
            "comma": "、",
        },
    }
)
_LEVELS_ZH = {
    Level.CASUAL: "普通",
    Level.POSSIBLY_NEEDS_CAUTION: "或需留意",
    Level.PROBABLY_NEEDS_CAUTION: "很可能需留意",
    Level.NEEDS_CAUTION: "需要留意",
    Level.NEEDS_INTERVENTION: "需要干预",
}
_NEVER = 1.0
"""A probability that no moderator is expected to reach."""


def level_name(level: Level, language: str) -> str:
    """OpenChatKit's label for a level, or its Chinese."""
    return _LEVELS_ZH[level] if language == "zh" else level.label


def in_words(policy: Policy, language: str = "en") -> tuple[str, ...]:
    """The policy in sentences, most important first; English for a language that is not here."""
    return _Writer(policy, language if language in _WORDS else "en").sentences()


@dataclass(frozen=True, slots=True)
class _Writer:
    policy: Policy
    language: str

    def sentences(self) -> tuple[str, ...]:
        names = self.policy.texts[self.language].categories
        kinds = self._say("comma").join(names[category] for category in Category)
        found = [self._say("both"), self._say("kinds", kinds=kinds)]
        found += [self._side(side) for side in Side]
        found += [
            self._own(side, name, threshold)
            for side in Side
            for name, threshold in self.policy.thresholds[side].items()
        ]
        found += [self._say("self_harm"), self._say(f"passages_{self.policy.passages}")]
        found += [*self._topics(), *self._phrases("blocked", self.policy.blocked)]
        found += [*self._phrases("allowed", self.policy.allowed), self._say(f"unchecked_{self.policy.on_error}")]
        return tuple(found)

    def _side(self, side: Side) -> str:
        levels = self.policy.levels[side]
        suffix = "_assistant" if side is Side.ASSISTANT else ""
        actions = []
        for action in (Action.WARN, Action.REFUSE):
            first = next((level for level in sorted(Level) if levels[level] is action), None)
            if first is not None:
                actions.append(self._say(f"{action}{suffix}", level=level_name(first, self.language)))
        return self._say(side.value, actions=self._joined(actions or [self._say("never")]))

    def _own(self, side: Side, category: str, threshold: Threshold) -> str:
        given = {Action.WARN: threshold.warn, Action.REFUSE: threshold.refuse}
        kind = self.policy.texts[self.language].categories[category]
        # Orders in exact phrases are sure, but only in questions.
        reached = category == Category.PROMPT_ATTACK and side is Side.USER
        actions = [
            self._say(f"own_{action}", percent=f"{100 * probability:g}")
            for action, probability in given.items()
            if probability < _NEVER or (reached and probability == _NEVER)
        ]
        return self._say(f"own_{side}", kind=kind, actions=self._joined(actions or [self._say("own_never")]))

    def _topics(self) -> list[str]:
        topics = self.policy.topics
        return [self._say(f"topics_{topics.action}", topics=topics.named(self.language))] if topics.only else []

    def _phrases(self, kind: str, phrases: Sequence[str]) -> list[str]:
        if not phrases:
            return []
        return [self._say(f"{kind}_one" if len(phrases) == 1 else kind, count=len(phrases))]

    def _joined(self, parts: Sequence[str]) -> str:
        return self._say("and").join(parts)

    def _say(self, key: str, **values: object) -> str:
        return _WORDS[self.language][key].format(**values)
