"""Answers on GPUs that a Space lends: in forked workers of the real `spaces`, on the CPU.

python -m pytest tests/test_zerogpu.py
"""

from __future__ import annotations

import base64
import gc
import json
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from app import build_app
from chat import zerogpu as lending
from chat.base import Finish, Sampling
from chat.decoding import Job, TimeUp, Waiting
from chat.local import LocalModel
from chat.placement import ZEROGPU
from chat.plain import PlainDecoder
from chat.zerogpu import Answer, Gpu, Lender, Loan, Pace, ZeroGpuDecoder
from errors import ModelError, SettingsError
from settings import Settings
from tests.batched import ids, job, network, seeded, until
from tests.tiny_model import ask, make_endless_model, ready, text
from tests.zerogpu_space import NO_GPU_IN_TIME, WARNINGS, Lent, Refusal, Scheduler, refusal, zerogpu
from wiring import wire

pytestmark = [pytest.mark.filterwarnings(warning) for warning in WARNINGS]

ENDLESS = 100_000


@pytest.fixture(scope="module")
def net() -> Iterator[Any]:
    with seeded():
        yield network("Llama")


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Scheduler, Gpu]]:
    with zerogpu(tmp_path_factory.mktemp("space"), gpus=2) as (scheduler, gpu):
        yield scheduler, gpu


@pytest.fixture
def scheduler(space: tuple[Scheduler, Gpu]) -> Iterator[Scheduler]:
    scheduler, _ = space
    yield scheduler
    scheduler.wait_for(lambda: all(call.failed is not None for call in scheduler.calls if call.gpu >= 0))
    scheduler.calls.clear()
    assert scheduler.answers == []
    scheduler.seconds = None


@pytest.fixture(scope="module")
def lender(space: tuple[Scheduler, Gpu]) -> Lender:
    return Lender(space[1], "cpu")


def tokens(decoder: ZeroGpuDecoder | PlainDecoder, job: Job) -> list[int]:
    return [token for token in decoder.write(job) if isinstance(token, int)]


def first_token(written: Iterator[int | Waiting]) -> int:
    return next(token for token in written if isinstance(token, int))


def given_back(scheduler: Scheduler) -> Lent:
    """The last call, once its GPU is given back."""
    scheduler.wait_for(lambda: scheduler.calls and scheduler.calls[-1].failed is not None)
    return scheduler.calls[-1]


# Where it is written


def test_it_is_written_in_a_worker_and_the_same_as_here(net: Any, lender: Lender, scheduler: Scheduler) -> None:
    decoder = lender.decoder(net)
    for sampling in (Sampling(temperature=0), Sampling(temperature=1.5, seed=3, repetition_penalty=1.2)):
        wanted = job(ids(40), room=24, sampling=sampling)
        assert tokens(decoder, wanted) == tokens(PlainDecoder(net), wanted)
        assert given_back(scheduler).pid not in (0, os.getpid())


def test_the_next_answer_finds_the_worker_of_the_last_one(net: Any, lender: Lender, scheduler: Scheduler) -> None:
    one, other = lender.decoder(net), lender.decoder(net)
    pids = []
    for decoder in (one, one, other):
        tokens(decoder, job(ids(5)))
        pids.append(given_back(scheduler).pid)
    assert pids[0] == pids[1] != pids[2]


def test_a_network_loaded_later_is_not_looked_for_in_an_old_worker(lender: Lender, scheduler: Scheduler) -> None:
    with seeded():
        old, new = network("Llama"), network("GPTNeoX")
    first = lender.decoder(old)
    assert tokens(first, job(ids(5))) == tokens(PlainDecoder(old), job(ids(5)))
    assert tokens(lender.decoder(new), job(ids(5))) == tokens(PlainDecoder(new), job(ids(5)))


def test_an_exchanged_network_is_let_go_although_its_function_is_kept(lender: Lender, scheduler: Scheduler) -> None:
    net = network("Llama")
    decoder, gone = lender.decoder(net), weakref.ref(net)
    tokens(decoder, job(ids(5)))
    given_back(scheduler)
    until(lambda: not any(thread.name == "zerogpu" for thread in threading.enumerate()))
    del net, decoder
    gc.collect()
    assert gone() is None


def test_a_function_is_decorated_before_any_network_is_there() -> None:
    """ZeroGPU ends a Space that has none when its page opens."""
    decorated: list[Answer] = []

    def gpu(*, duration: Callable[[Loan], int]) -> Callable[[Answer], Answer]:
        def decorate(task: Answer) -> Answer:
            decorated.append(task)
            return task

        return decorate

    Lender(gpu)
    assert len(decorated) == 1


def test_elsewhere_than_on_zerogpu_the_decorator_does_nothing(net: Any) -> None:
    import spaces

    wanted = job(ids(12), room=8)
    assert tokens(Lender(spaces.GPU, "cpu").decoder(net), wanted) == tokens(PlainDecoder(net), wanted)


def test_the_visitor_whose_time_it_is_is_known(net: Any, lender: Lender, scheduler: Scheduler) -> None:
    import gradio
    from gradio.context import LocalContext

    token = f"h.{base64.urlsafe_b64encode(json.dumps({'user': 'someone'}).encode()).decode()}.s"
    before = LocalContext.request.set(gradio.Request(headers={"x-ip-token": token}))
    try:
        tokens(lender.decoder(net), job(ids(5)))
    finally:
        LocalContext.request.reset(before)
    assert given_back(scheduler).asked["token"] == token


def test_only_the_page_is_lent_gpus(lender: Lender, space: tuple[Scheduler, Gpu]) -> None:
    settings = Settings(device=ZEROGPU, model="owner/model", users=4)
    lent, terminal = (wire(settings, gpu=gpu).make_model("owner/model") for gpu in (space[1], None))
    assert isinstance(lent, LocalModel) and isinstance(terminal, LocalModel)
    assert (lent.placement.device, lent.users) == (ZEROGPU, 1)
    assert (terminal.placement.device, terminal.users) == ("cpu", 4)


def test_a_space_that_lacks_the_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spaces", None)
    with pytest.raises(SettingsError, match="the package spaces cannot be imported"):
        build_app(Settings(device=ZEROGPU))


# For how long


def test_the_first_answer_asks_for_a_minute_and_later_ones_for_less(
    net: Any, lender: Lender, scheduler: Scheduler
) -> None:
    decoder = lender.decoder(net)
    for _ in range(2):
        tokens(decoder, job(ids(5), room=8))
        given_back(scheduler)
    asked = [int(call.asked["durationSeconds"]) for call in scheduler.calls]
    assert asked[0] == 60
    assert 10 < asked[1] < 20


def test_the_time_asked_for_grows_with_the_tokens_and_has_an_end() -> None:
    pace = Pace()
    assert pace.seconds(10) == 60
    pace.learn(100.0, [103.0])  # one token says nothing of the speed
    assert pace.seconds(10) == 60
    pace.learn(100.0, [103.0, 103.125, 103.25])
    assert pace.seconds(8) == 10 + 2 * (3 + 1)
    assert pace.seconds(80) == 10 + 2 * (3 + 10)
    assert pace.seconds(800) == 60
    pace.learn(200.0, [200.5, 200.625])  # a worker that was there has less to do
    assert pace.seconds(8) == 10 + 2 * (3 + 1)


def test_a_worker_ends_the_answer_itself_before_its_time_is_up(
    net: Any, lender: Lender, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lending, "LONGEST_S", 1)
    monkeypatch.setattr(lending, "_SPARE_S", 1)
    decoder = lender.decoder(net)
    came: list[int] = []
    with pytest.raises(TimeUp, match="go on with it") as caught:
        came.extend(token for token in decoder.write(job(ids(5), room=ENDLESS)) if isinstance(token, int))
    assert len(came) > 10
    assert "接着写" in caught.value.told("zh")
    assert given_back(scheduler).failed is False


def test_what_was_written_before_zerogpu_took_the_gpu_back_stays(
    net: Any, lender: Lender, scheduler: Scheduler
) -> None:
    scheduler.seconds = 0.5
    decoder = lender.decoder(net)
    came: list[int] = []
    with pytest.raises(TimeUp, match="took its GPU back"):
        for token in decoder.write(job(ids(5), room=ENDLESS)):
            came += [token] if isinstance(token, int) else []
    assert len(came) > 10
    scheduler.seconds = None
    wanted = job(ids(5))
    assert tokens(decoder, wanted) == tokens(PlainDecoder(net), wanted)
    assert given_back(scheduler).failed is False


def test_an_answer_cut_by_its_time_can_be_gone_on_with(
    tmp_path: Path, lender: Lender, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lending, "LONGEST_S", 1)
    monkeypatch.setattr(lending, "_SPARE_S", 1)
    model = ready(make_endless_model(tmp_path / "endless"), lender)
    chunks = list(model.stream(ask("Hello!", sampling=Sampling(temperature=0, max_new_tokens=4000), language="zh")))
    assert text(chunks)
    assert chunks[-1].finish is Finish.LENGTH
    assert "请接着写" in chunks[-1].notice


# Whoever leaves


def test_a_reader_who_leaves_ends_the_worker_within_a_token(net: Any, lender: Lender, scheduler: Scheduler) -> None:
    written = lender.decoder(net).write(job(ids(5), room=ENDLESS))
    first_token(written)
    began = time.monotonic()
    written.close()
    assert given_back(scheduler).failed is False
    assert time.monotonic() - began < 2


def test_cancelled_it_ends_within_a_token(net: Any, lender: Lender, scheduler: Scheduler) -> None:
    asked = job(ids(5), room=ENDLESS)
    written = lender.decoder(net).write(asked)
    first_token(written)
    asked.cancel.set()
    assert list(written) == []
    assert given_back(scheduler).failed is False


def test_whoever_waits_for_a_gpu_need_not_wait_to_leave(net: Any, lender: Lender, scheduler: Scheduler) -> None:
    decoder = lender.decoder(net)
    others = [decoder.write(job(ids(5), room=ENDLESS)) for _ in range(scheduler.gpus)]
    for other in others:
        first_token(other)
    asked = job(ids(5))
    waiting = decoder.write(asked)
    assert next(waiting) == Waiting(0)
    scheduler.wait_for(lambda: len(scheduler.calls) == scheduler.gpus + 1)
    asked.cancel.set()
    assert list(waiting) == []
    assert scheduler.calls[-1].gpu == -1
    others[0].close()
    assert given_back(scheduler).failed is False  # it came too late, and went back unused
    others[1].close()


# What goes wrong


@pytest.mark.parametrize(
    ("answer", "sentence", "chinese"),
    [
        (refusal(429, left=12, wait=4500), "is used up; try again in 1:15:00, or log in", "请在 1:15:00 后再试"),
        (refusal(429, left=0, wait=0), "is used up; try again later, or log in", "请稍后再试"),
        (refusal(429, left=0, wait=-1), "no GPU for the 60 s that this answer may take", "60 秒"),
        (refusal(429, left=0, wait=0, result="pending-overquota-exceeded"), "Too many of your answers", "太多"),
        (refusal(503), "lent no GPU; reload the page", "刷新页面"),
        (refusal(401), "lent no GPU; reload the page", "刷新页面"),
        (refusal(500), r"lent no GPU \(RuntimeError\); try again", "RuntimeError"),
        (NO_GPU_IN_TIME, "became free within a minute", "一分钟内"),
    ],
)
def test_a_refusal_is_one_sentence(
    net: Any, lender: Lender, scheduler: Scheduler, answer: Refusal, sentence: str, chinese: str
) -> None:
    from gradio import Request
    from gradio.context import LocalContext

    before = LocalContext.request.set(Request(headers={"x-ip-token": "h.e30=.s"}))
    scheduler.answers.append(answer)
    try:
        with pytest.raises(ModelError, match=sentence) as caught:
            tokens(lender.decoder(net), job(ids(5)))
    finally:
        LocalContext.request.reset(before)
    assert chinese in caught.value.told("zh")
    assert str(caught.value).count(".") == 1


def test_a_service_that_is_away_is_told(net: Any, tmp_path: Path) -> None:
    with zerogpu(tmp_path) as (_, gpu):
        decoder = Lender(gpu, "cpu").decoder(net)
    with pytest.raises(ModelError, match=r"ZeroGPU lent no GPU \(ConnectError\); try again"):
        tokens(decoder, job(ids(5)))


def test_what_fails_in_a_worker_is_told_and_the_worker_goes(lender: Lender, scheduler: Scheduler) -> None:
    with seeded():
        broken = network("Llama")
    with torch.no_grad():
        broken.lm_head.weight.fill_(torch.nan)
    decoder = lender.decoder(broken)
    for _ in range(2):
        with pytest.raises(ModelError, match="numbers that are none"):
            tokens(decoder, job(ids(5)))
        assert given_back(scheduler).failed is True
    one, other = (call.pid for call in scheduler.calls)
    assert one != other


class Unmovable(torch.nn.Module):
    """A network whose move to a GPU fails."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    def to(self, *_: Any, **__: Any) -> Any:
        raise self._error


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (torch.OutOfMemoryError("CUDA out of memory."), "too little memory for the model; choose a smaller one"),
        (RuntimeError("CUDA error"), r"failed while writing \(RuntimeError\)"),
    ],
)
def test_a_network_that_cannot_be_moved_is_told(
    lender: Lender, scheduler: Scheduler, error: Exception, sentence: str
) -> None:
    net = Unmovable(error)
    with pytest.raises(ModelError, match=sentence):
        tokens(lender.decoder(net), job(ids(5)))
    assert given_back(scheduler).failed is True
