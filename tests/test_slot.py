"""python -m pytest tests/test_slot.py"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from chat.base import ChatRequest, Chunk
from chat.slot import ModelSlot
from chat.startup import Startup, Step
from errors import AppError, InputError, ModelError


class Engine:
    """A model whose loading the test steers."""

    least = 0.0

    def __init__(self, name: str, failure: Exception | None = None) -> None:
        self.name = name
        self.go = threading.Event()
        self._failure = failure

    def load(self, progress: Callable[[str], None] | None = None) -> None:
        if progress:
            progress("reading weights")
        assert self.go.wait(10)
        if self._failure:
            raise self._failure

    def stream(self, request: ChatRequest) -> Iterator[Chunk]:
        yield Chunk(self.name)


def test_the_old_model_answers_until_the_new_one_is_ready() -> None:
    slot, new = ModelSlot(Engine("old")), Engine("new")
    said = slot.load(new)
    assert [next(said), next(said)] == ["Loading new", "reading weights"]
    assert slot.current.name == "old"
    assert slot.says == "reading weights"
    new.go.set()
    assert list(said) == []
    assert slot.current is new
    assert slot.says == ""


def test_a_load_can_be_given_up() -> None:
    class Slow(Engine):
        def load(self, progress: Callable[[str], None] | None = None) -> None:
            assert progress
            progress("Downloading: 1 of 9 MB")
            assert self.go.wait(10)
            progress("Downloading: 2 of 9 MB")

    slot, new = ModelSlot(Engine("old")), Slow("new")
    said = slot.load(new)
    assert [next(said), next(said)] == ["Loading new", "Downloading: 1 of 9 MB"]
    slot.cancel()
    new.go.set()
    with pytest.raises(ModelError, match="Loading new was cancelled"):
        list(said)
    assert slot.current.name == "old"
    third = Engine("third")
    third.go.set()
    assert list(slot.load(third))
    assert slot.current is third


def test_a_second_load_waits_its_turn() -> None:
    slot, new = ModelSlot(Engine("old")), Engine("new")
    said = slot.load(new)
    with pytest.raises(InputError, match="Another model is being loaded"):
        slot.load(Engine("third"))
    new.go.set()
    list(said)
    third = Engine("third")
    third.go.set()
    assert list(slot.load(third))
    assert slot.current is third


@pytest.mark.parametrize(
    ("failure", "said"),
    [(ModelError("There is no model “new”."), "There is no model “new”."), (RuntimeError("bug"), "the log says why")],
)
def test_a_failed_load_leaves_the_old_model_and_says_why(failure: Exception, said: str) -> None:
    slot, new = ModelSlot(Engine("old")), Engine("new", failure)
    new.go.set()
    with pytest.raises(ModelError, match=said):
        list(slot.load(new))
    assert slot.current.name == "old"
    assert said in slot.says


def test_startup_tells_each_step_then_is_ready() -> None:
    reached, go = threading.Event(), threading.Event()

    def work(report: Callable[[str], None]) -> None:
        report("half way")
        reached.set()
        assert go.wait(10)

    startup = Startup([Step("one", work), Step("two", lambda report: None)])
    assert not startup.ready
    startup.start()
    assert reached.wait(10)
    told = startup.wait(threading.Event())
    assert next(told) == "half way"
    go.set()
    list(told)
    assert startup.ready
    assert startup.says == ""


def test_a_step_that_fails_is_told_to_everyone_who_waits() -> None:
    def fail(report: Callable[[str], None]) -> None:
        raise ModelError("The encoder is missing.")

    ran: list[str] = []
    startup = Startup([Step("one", fail), Step("two", lambda report: ran.append("two"))])
    startup.start()
    assert startup.join(10)
    for _ in range(2):
        with pytest.raises(AppError, match="The encoder is missing"):
            list(startup.wait(threading.Event()))
    assert not startup.ready
    assert ran == []


def test_waiting_ends_when_cancelled() -> None:
    cancel = threading.Event()
    startup = Startup([])
    told = startup.wait(cancel)
    assert next(told) == "Starting"
    cancel.set()
    assert list(told) == []
