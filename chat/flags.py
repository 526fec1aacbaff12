"""What moderation said of a turn, and how that is told: which category, and how sure, in English and Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from moderation.base import Category, Side
from moderation.policy import OFF_TOPIC, Decision, Ground


@dataclass(frozen=True, slots=True)
class Flag:
    """One side of a turn that was refused, or shown with a warning. It holds nothing of the text."""

    side: Side
    decision: Decision
    contested: bool = False
    """Whether somebody has said that it is wrong."""
    text_kept: bool = False
    """Whether they let the text be kept."""


CATEGORIES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        Category.HATE: ("hate", "仇恨言论"),
        Category.HARASSMENT: ("harassment", "骚扰"),
        Category.SEXUAL: ("sexual content", "色情内容"),
        Category.SEXUAL_MINORS: ("sexual content about minors", "涉及未成年人的色情内容"),
        Category.VIOLENCE: ("violence", "暴力"),
        Category.SELF_HARM: ("self-harm", "自我伤害"),
        Category.ILLICIT: ("illegal or harmful acts", "违法或有害行为"),
        Category.WEAPONS: ("weapons", "武器"),
        Category.PERSONAL_INFORMATION: ("personal information", "个人信息"),
        Category.PROMPT_ATTACK: ("attack on the assistant's rules", "绕过助手规则"),
        OFF_TOPIC: ("off topic", "偏离主题"),
    }
)
"""What each category is called, in English and Chinese."""

_SURE = ((0.97, "very sure", "非常确定"), (0.85, "quite sure", "相当确定"), (0.6, "fairly sure", "比较确定"))
_UNSURE = ("not very sure", "不太确定")


def category_name(language: str, category: str) -> str:
    """A category in words; the category itself where it is of an operator's own making."""
    english, chinese = CATEGORIES.get(category, (category, category))
    return chinese if language == "zh" else english


def how_sure(language: str, decision: Decision) -> str:
    """How sure the moderator was, in words; empty where the decision rests on no probability."""
    if decision.ground is not Ground.JUDGED:
        return ""
    english, chinese = next((words for least, *words in _SURE if decision.score >= least), _UNSURE)
    return chinese if language == "zh" else english


def in_brackets(language: str, decision: Decision) -> str:
    """Category and how sure, for a line of text: ` (violence, quite sure)`; empty where neither is known."""
    words = [category_name(language, decision.category)] if decision.category else []
    words += [sure] if (sure := how_sure(language, decision)) else []
    if not words:
        return ""
    return f"（{'，'.join(words)}）" if language == "zh" else f" ({', '.join(words)})"
