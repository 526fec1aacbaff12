"""The policy in plain sentences. python -m pytest tests/test_policy_words.py"""

from __future__ import annotations

from pathlib import Path

import pytest

from moderation.base import Category, Level
from moderation.policy import Policy
from moderation.policy_file import load_policy
from moderation.policy_words import _WORDS, in_words, level_name


def _policy(tmp_path: Path, text: str) -> Policy:
    path = tmp_path / "policy.toml"
    path.write_text(text, encoding="utf-8")
    return load_policy(path)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_kind_of_harm_is_named(language: str) -> None:
    policy = load_policy()
    told = "\n".join(in_words(policy, language))
    assert all(policy.texts[language].categories[category] in told for category in Category)
    assert level_name(Level.NEEDS_INTERVENTION, language) in told


def test_the_built_in_policy_says_what_happens_to_whom() -> None:
    told = in_words(load_policy())
    assert (
        "A question is answered with a warning from the level “needs caution” on, and refused from the level “needs "
        "intervention” on." in told
    )
    assert any(text.startswith("An answer") and "withdrawn" in text for text in told)
    assert "A text that cannot be checked is refused." in told
    assert not any("phrase" in text or "This site" in text for text in told)


def test_phrases_are_counted_and_not_listed(tmp_path: Path) -> None:
    policy = _policy(tmp_path, '[phrases]\nblocked = ["project kestrel", "红隼"]\nallowed = ["kill -9"]\n')
    for language, counted in (("en", "blocks 2 phrases"), ("zh", "屏蔽了 2 个词语")):
        told = "\n".join(in_words(policy, language))
        assert counted in told
        assert not {"kestrel", "红隼", "kill -9"} & set(told.split())
        assert "kestrel" not in told
    assert "1 phrase is never a reason." in in_words(policy)


def test_an_operators_thresholds_topics_and_errors_are_told(tmp_path: Path) -> None:
    policy = _policy(
        tmp_path,
        'on_error = "warn"\n[levels.user]\n"needs caution" = "allow"\n"needs intervention" = "allow"\n'
        '[thresholds.user]\nsexual = { warn = 0.5, refuse = 0.8 }\n[topics]\nonly = ["Bees {and} honey."]\n',
    )
    told = in_words(policy)
    assert "A question is never refused by its level." in told
    own = "For questions, sexual content: a warning from a probability of 50 %, and refused from a probability of 80 %."
    assert own in told
    assert "This site is only for: Bees {and} honey. Questions about anything else are refused." in told
    assert "A text that cannot be checked is shown with a warning." in told


@pytest.mark.parametrize(
    ("orders", "said", "zh"),
    [("leave out", "is left out", "会被略去"), ("warn", "with a note", "附提醒"), ("allow", "not searched", "不检查")],
)
def test_what_happens_to_orders_in_passages_is_told(tmp_path: Path, orders: str, said: str, zh: str) -> None:
    policy = _policy(tmp_path, f'[passages]\norders = "{orders}"\n')
    assert any("passage" in text and said in text for text in in_words(policy))
    assert any("检索到的内容" in text and zh in text for text in in_words(policy, "zh"))


def test_a_question_with_an_exact_order_reaches_certainty(tmp_path: Path) -> None:
    policy = _policy(tmp_path, '[thresholds.user]\n"prompt attack" = { refuse = 1.0 }\nhate = { refuse = 1.0 }\n')
    told = "\n".join(in_words(policy))
    assert "For questions, an attempt to switch off the assistant's rules: refused from a probability of 100 %." in told
    assert "For questions, hate against a group of people: neither refused nor warned about." in told


def test_both_languages_know_the_same_sentences() -> None:
    assert set(_WORDS["en"]) == set(_WORDS["zh"])


def test_another_language_is_told_in_english() -> None:
    assert in_words(load_policy(), "fr") == in_words(load_policy(), "en")
