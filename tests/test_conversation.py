"""python -m pytest tests/test_conversation.py"""

from __future__ import annotations

from chat.base import Role
from chat.conversation import Conversation, Outcome, Turn
from chat.earlier import talked
from chat.store import ConversationStore
from retrieval.query import standalone


def _answered(turn_id: str) -> Turn:
    return Turn(turn_id, f"question {turn_id}", Outcome.ANSWERED, answer=f"answer {turn_id}")


def test_put_replaces_a_turn_in_its_place_and_appends_a_new_one() -> None:
    conversation = Conversation("c").put(_answered("a")).put(_answered("b"))
    changed = conversation.put(Turn("a", "other"))
    assert [turn.question for turn in changed.turns] == ["other", "question b"]
    assert [turn.id for turn in conversation.put(_answered("c")).turns] == ["a", "b", "c"]


def test_before_keeps_only_older_turns() -> None:
    conversation = Conversation("c").put(_answered("a")).put(_answered("b"))
    assert [turn.id for turn in conversation.before("b").turns] == ["a"]
    assert conversation.before("unknown") == conversation


def test_prompts_never_hold_refused_failed_pending_or_empty_turns() -> None:
    conversation = Conversation("c")
    for outcome in Outcome:
        conversation = conversation.put(Turn(outcome.value, f"q {outcome}", outcome, answer=f"a {outcome}"))
    conversation = conversation.put(Turn("empty", "q", Outcome.STOPPED))
    messages = conversation.messages()
    assert [m.content for m in messages if m.role is Role.USER] == [
        f"q {outcome}" for outcome in ("answered", "stopped", "length", "repetition", "timed_out", "broken_off")
    ]
    assert [m.role for m in messages] == [Role.USER, Role.ASSISTANT] * 6


def test_a_conversation_belongs_to_its_owner() -> None:
    store = ConversationStore()
    store.put(Conversation("c", "anna"))
    assert store.get("c", "anna") is not None
    assert store.get("c", "ben") is None
    opened = store.open("c", "ben")
    assert opened.id != "c"
    assert opened.owner == "ben"


def test_the_least_recently_used_conversation_leaves_first() -> None:
    store = ConversationStore(capacity=2)
    store.put(Conversation("a"))
    store.put(Conversation("b"))
    store.get("a", "")
    store.put(Conversation("c"))
    assert store.get("b", "") is None
    assert store.get("a", "") is not None


def test_what_a_clock_was_asked_is_nothing_that_a_later_it_can_mean() -> None:
    found = Turn("1", "Who discovered penicillin?", Outcome.ANSWERED, answer="Penicillin was discovered by Fleming.")
    clock = Turn("2", "What time is it?", Outcome.UNANSWERED, answer="I have no clock.")
    before = talked(Conversation("c", turns=(found, clock)))
    assert standalone("When was it first used on people?", before).text == "When was penicillin first used on people?"
