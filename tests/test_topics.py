"""The off-topic rule: what passes, what does not, and that it fails closed. python -m pytest tests/test_topics.py"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from chat.conversation import Conversation, Outcome, Turn
from chat.events import Flagged
from encoder import SentenceEncoder
from evaluation.topics import Once, rates, sites
from moderation.base import Action
from moderation.policy import OFF_TOPIC, Ground, Policy
from moderation.policy_file import load_policy
from moderation.screen import Screen
from moderation.topics import TopicJudge, Vectors
from tests.bench import Bench, Make, Words, benches, turn_of

_GARDEN = """
[topics]
only = [
  "Growing vegetables at home: soil, seeds, watering, pests and harvest.",
  "在家种菜：土壤、种子、浇水、病虫害和收获。",
]
examples = ["When should I sow carrots?", "番茄怎么浇水？"]
"""


@pytest.fixture
def policy(tmp_path: Path) -> Policy:
    return _policy(tmp_path, _GARDEN)


@pytest.fixture
def make(encoder: SentenceEncoder, tmp_path: Path) -> Iterator[Make]:
    with benches(encoder, tmp_path) as make:
        yield make


def _policy(tmp_path: Path, text: str) -> Policy:
    path = tmp_path / "policy.toml"
    path.write_text(text, encoding="utf-8")
    return load_policy(path)


def _screen(policy: Policy, encoder: SentenceEncoder) -> Screen:
    return Screen(Words(), policy, topics=TopicJudge(encoder))


def _asked(bench: Bench, *questions: str) -> Turn:
    """The last turn of a conversation in which these are asked one after the other."""
    conversation = Conversation("c")
    for number, question in enumerate(questions):
        turn = turn_of(bench.reply(question, conversation))
        conversation = conversation.put(dataclasses.replace(turn, id=str(number)))
    return conversation.turns[-1]


@pytest.mark.parametrize(
    ("question", "action"),
    [
        ("How deep do I plant garlic?", Action.ALLOW),
        ("What keeps slugs off my lettuce?", Action.ALLOW),
        ("Who won the World Cup in 2018?", Action.REFUSE),
        ("How do I invest ten thousand euros?", Action.REFUSE),
    ],
)
def test_english_is_judged_by_meaning(policy: Policy, encoder: SentenceEncoder, question: str, action: Action) -> None:
    assert _screen(policy, encoder).topic([question], "en").action is action


@pytest.mark.parametrize(
    ("question", "language", "action"),
    [
        ("番茄的病虫害怎么防治？", "zh", Action.ALLOW),
        ("世界杯冠军是哪个国家？", "zh", Action.REFUSE),
        ("Wann säe ich Möhren?", "de", Action.ALLOW),
        ("Wer ist Weltmeister?", "de", Action.ALLOW),
    ],
)
def test_other_languages_are_judged_by_words_or_let_through(
    policy: Policy, encoder: SentenceEncoder, question: str, language: str, action: Action
) -> None:
    assert _screen(policy, encoder).topic([question], language).action is action


def test_the_refusal_names_the_topics_in_the_readers_language(policy: Policy, encoder: SentenceEncoder) -> None:
    screen = _screen(policy, encoder)
    english = screen.topic(["Who painted the Mona Lisa?"], "en")
    assert (english.category, english.ground) == (OFF_TOPIC, Ground.TOPIC)
    assert "Growing vegetables at home" in english.reason
    assert "在家种菜" not in english.reason
    chinese = screen.topic(["蒙娜丽莎是谁画的？"], "zh")
    assert "在家种菜" in chinese.reason
    assert "Growing" not in chinese.reason


def test_a_warning_may_be_chosen(tmp_path: Path, encoder: SentenceEncoder) -> None:
    policy = _policy(tmp_path, _GARDEN + 'action = "warn"\n')
    decision = _screen(policy, encoder).topic(["Who painted the Mona Lisa?"], "en")
    assert decision.action is Action.WARN
    assert "does not seem to be about" in decision.reason


def test_an_encoder_that_fails_leaves_the_question_unchecked(policy: Policy) -> None:
    class Broken:
        def knows(self, language: str) -> bool:
            return True

        def encode(self, texts: Sequence[str]) -> Vectors:
            raise OSError("gone")

    decision = Screen(Words(), policy, topics=TopicJudge(Broken())).topic(["How deep do I plant garlic?"], "en")
    assert (decision.action, decision.ground) == (Action.REFUSE, Ground.UNCHECKED)


def test_a_topic_that_takes_too_long_is_unchecked(policy: Policy) -> None:
    never = threading.Event()

    class Stalled:
        def knows(self, language: str) -> bool:
            return True

        def encode(self, texts: Sequence[str]) -> Vectors:
            never.wait(30)
            raise OSError("gone")

    screen = Screen(Words(), policy, limit_s=0.2, topics=TopicJudge(Stalled()))
    decision = screen.topic(["How deep do I plant garlic?"], "en")
    never.set()
    assert (decision.action, decision.ground) == (Action.REFUSE, Ground.UNCHECKED)


def test_without_topics_nothing_is_encoded() -> None:
    class Counting:
        calls = 0

        def knows(self, language: str) -> bool:
            return True

        def encode(self, texts: Sequence[str]) -> Vectors:
            self.calls += 1
            return np.ones((len(texts), 1), dtype=np.float32)

    encoder = Counting()
    screen = Screen(Words(), load_policy(), topics=TopicJudge(encoder))
    assert screen.topic(["Who painted the Mona Lisa?"], "en").action is Action.ALLOW
    assert encoder.calls == 0


def test_off_topic_is_refused_before_anything_is_generated(
    make: Make, policy: Policy, encoder: SentenceEncoder
) -> None:
    bench = make(screen=_screen(policy, encoder))
    events = bench.reply("Who painted the Mona Lisa?")
    turn = turn_of(events)
    assert any(isinstance(event, Flagged) for event in events)
    assert (turn.outcome, turn.category) == (Outcome.QUESTION_REFUSED, OFF_TOPIC)
    assert bench.engine.asked == []


@pytest.mark.parametrize(
    "follow_up",
    [
        "and why?",
        "thanks!",
        "hello",
        "How do I upload a document?",
        "Tell me more",
        "shorter, please",
        "Can you give me an example?",
    ],
)
def test_small_talk_and_follow_ups_pass(make: Make, policy: Policy, encoder: SentenceEncoder, follow_up: str) -> None:
    bench = make(screen=_screen(policy, encoder))
    assert _asked(bench, "How deep do I plant garlic?", follow_up).outcome is Outcome.ANSWERED


@pytest.mark.parametrize("follow_up", ["and who won the World Cup?", "Who painted the Mona Lisa?"])
def test_a_follow_up_does_not_smuggle_another_topic_in(
    make: Make, policy: Policy, encoder: SentenceEncoder, follow_up: str
) -> None:
    bench = make(screen=_screen(policy, encoder))
    assert _asked(bench, "How deep do I plant garlic?", follow_up).outcome is Outcome.QUESTION_REFUSED


def test_without_earlier_turns_a_bare_follow_up_is_judged_like_any_question(
    make: Make, policy: Policy, encoder: SentenceEncoder
) -> None:
    bench = make(screen=_screen(policy, encoder))
    assert _asked(bench, "Tell me a long story").outcome is Outcome.QUESTION_REFUSED


def test_with_moderation_off_the_topic_is_free(make: Make, policy: Policy, encoder: SentenceEncoder) -> None:
    bench = make(screen=_screen(policy, encoder))
    turn = turn_of(bench.reply("Who painted the Mona Lisa?", moderation=False))
    assert turn.outcome is Outcome.ANSWERED


def test_the_default_threshold_holds_on_sites_it_was_not_chosen_on(encoder: SentenceEncoder) -> None:
    found = sites(TopicJudge(Once(encoder)), examples=True)
    assert sum(len(site.own) for site in found if site.part == "measuring") == 80
    told = rates(found, "measuring", load_policy().topics.least)
    assert told.refused <= 0.08
    assert told.passed <= 0.12
