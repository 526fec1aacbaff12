"""Messages that wait for each other, and a store that several threads change. python -m pytest tests/test_runs.py"""

from __future__ import annotations

import threading

import pytest

from chat.conversation import Turn, begin
from chat.store import ConversationStore
from errors import InputError
from ui.runs import Runs


def test_the_next_message_has_its_turn_when_the_one_before_has_ended() -> None:
    runs = Runs()
    first, second = runs.join("c", "1"), runs.join("c", "2")
    elsewhere = runs.join("d", "3")
    assert (first.first.is_set(), second.first.is_set(), elsewhere.first.is_set()) == (True, False, True)
    assert [run.turn_id for run in runs.now("c")] == ["1", "2"]
    runs.leave("c", first)
    assert second.first.is_set()
    runs.leave("c", second)
    assert runs.now("c") == []


def test_stop_ends_only_the_answer_that_is_being_written() -> None:
    runs = Runs()
    first, second = runs.join("c", "1"), runs.join("c", "2")
    runs.stop("c")
    assert (first.cancel.is_set(), second.cancel.is_set()) == (True, False)
    runs.stop("nothing there")


def test_dropped_runs_are_not_shown_and_let_the_next_one_in() -> None:
    runs = Runs()
    dropped = [runs.join("c", "1"), runs.join("c", "2")]
    runs.drop("c")
    newer = runs.join("c", "3")
    assert all(run.dropped and run.cancel.is_set() for run in dropped)
    assert runs.now("c") == [newer]
    assert not newer.first.is_set()
    for run in dropped:
        runs.leave("c", run)
    assert newer.first.is_set()


def test_only_some_messages_may_wait() -> None:
    runs = Runs()
    for number in range(6):
        runs.join("c", str(number))
    with pytest.raises(InputError, match="5 messages are waiting") as caught:
        runs.join("c", "one more")
    assert "等待" in caught.value.told("zh")
    runs.drop("c")
    runs.join("c", "after a reset")


def test_no_change_to_a_conversation_is_lost_between_threads() -> None:
    store, conversation = ConversationStore(), begin("anna")
    store.put(conversation)

    def add(turn: Turn) -> None:
        store.change(conversation.id, "anna", lambda now: now.put(turn))

    def add_many(name: str) -> None:
        for number in range(50):
            add(Turn(f"{name}{number}", "q"))

    threads = [threading.Thread(target=add_many, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    held = store.get(conversation.id, "anna")
    assert held
    assert len(held.turns) == 200
    assert store.change(conversation.id, "ben", lambda now: now) is None
