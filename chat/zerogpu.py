"""One answer at a time on a GPU that a Hugging Face Space with ZeroGPU lends for it.

    lender = Lender(spaces.GPU)    # before the page opens: ZeroGPU ends a Space that has decorated nothing by then
    decoder = lender.decoder(net)  # `net` lies in this process, on the CPU

ZeroGPU (`spaces` 0.51.3, https://huggingface.co/docs/hub/spaces-zerogpu) runs a decorated function in a worker that is
forked from this process and alone sees the GPU. So the worker has the network, and moves it to the GPU; what goes in
and what comes out is pickled. A worker that has ended an answer may be given the next one, its network still in place.
"""

from __future__ import annotations

import contextvars
import logging
import math
import queue
import re
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Protocol

from chat.base import Sampling
from chat.decoding import MOST_WAITING, Job, TimeUp, Waiting, queue_full
from errors import ModelError

logger = logging.getLogger(__name__)

LONGEST_S = 60
"""Seconds of a GPU that one answer may ask for: what `spaces` asks for by itself. Some visitors may not have more."""
_SPARE_S = 10
"""Of those asked for, seconds in which a worker starts, and in which it ends before ZeroGPU ends it."""
_TIMED = 8
"""Answers whose speed is remembered."""
_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Loan:
    """What a worker is given to do."""

    ids: tuple[int, ...]
    sampling: Sampling
    room: int
    ends: frozenset[int]
    seconds: int
    """For which the GPU is asked."""


Said = int | Waiting | ModelError | None
"""What a worker says: tokens, that it is not there yet, why there are no more, or at last that the answer is whole.

Errors are said, not raised, since of what a worker raises `spaces` passes on no more than the class's name. And the
end is said because `spaces` tells of it only when the GPU has been given back.
"""
Answer = Callable[[Loan], Generator[Said]]


class Gpu(Protocol):
    """`spaces.GPU`, as it is used here."""

    def __call__(self, *, duration: Callable[[Loan], int]) -> Callable[[Answer], Answer]: ...


class Lender:
    """Makes decoders whose answers are written on lent GPUs. `device` is where a worker finds its GPU."""

    def __init__(self, gpu: Gpu, device: str = "cuda") -> None:
        self._gpu, self._device = gpu, device
        self._next = _Task(gpu, device)

    def decoder(self, net: Any) -> ZeroGpuDecoder:
        """A `Decoder` for a network that lies on the CPU.

        Each has a function of its own, so that no worker is asked for a network that was loaded after it was forked.
        """
        task, self._next = self._next, _Task(self._gpu, self._device)
        return ZeroGpuDecoder(net, task)


class _Task:
    """What workers run for one network. `spaces` keeps it for good, so it must not keep the network."""

    def __init__(self, gpu: Gpu, device: str) -> None:
        self.net: Callable[[], Any] = lambda: None
        self.answer = gpu(duration=lambda loan: loan.seconds)(self._answer)
        self._device = device

    def _answer(self, loan: Loan) -> Generator[Said]:
        """In the worker."""
        from chat.plain import PlainDecoder

        until = time.monotonic() + loan.seconds - _SPARE_S / 2
        yield Waiting(0)
        decoder = PlainDecoder(self.net().to(self._device))
        try:
            with closing(decoder.write(Job(loan.ids, loan.sampling, loan.room, loan.ends))) as written:
                for token in written:
                    yield token
                    if time.monotonic() > until:
                        yield _time_up()
                        return
        except ModelError as error:
            logger.exception("Writing on a lent GPU failed")
            yield error
            raise  # so that this worker, whose GPU may be in any state, gets no other answer to write
        yield None


class ZeroGpuDecoder:
    """A `Decoder` for one network. How many answers are written at the same time, and in which order, is ZeroGPU's to
    say; of at most `most` that it has been asked for."""

    def __init__(self, net: Any, task: _Task, most: int = MOST_WAITING) -> None:
        self._net = net
        self._task = task
        self._pace = Pace()
        self._most, self._asked = most, 0
        self._lock = threading.Lock()
        task.net = weakref.ref(net)

    def write(self, job: Job) -> Generator[int | Waiting]:
        """See `Decoder`. Waiting for a GPU cannot be interrupted; whoever cancels meanwhile does not wait for it."""
        loan = Loan(tuple(job.ids), job.sampling, job.room, job.ends, self._pace.seconds(job.room))
        said: queue.SimpleQueue[Said] = queue.SimpleQueue()
        left = threading.Event()
        # In the context of the request `spaces` finds whose time on the GPU this is.
        within = contextvars.copy_context().run
        reader = threading.Thread(target=within, args=(self._read, loan, said.put, left), name="zerogpu", daemon=True)
        if not job.cancel.is_set():
            with self._lock:
                if self._asked >= self._most:
                    raise queue_full(self._most)
                self._asked += 1
            reader.start()
        try:
            while not job.cancel.is_set():
                try:
                    one = said.get(timeout=_POLL_S)
                except queue.Empty:
                    one = Waiting(0)
                if one is None or job.cancel.is_set():
                    return
                if isinstance(one, ModelError):
                    raise one
                yield one
        finally:
            left.set()

    def _read(self, loan: Loan, tell: Callable[[Said], None], left: threading.Event) -> None:
        """Pass on what the worker says; it ends at its next token once `left` is set."""
        came, tokens = 0.0, list[float]()
        try:
            with closing(self._task.answer(loan)) as said:
                for one in said:
                    came = came or time.monotonic()
                    if isinstance(one, int):
                        tokens.append(time.monotonic())
                    else:
                        self._pace.learn(came, tokens)
                    if left.is_set() and one is not None:
                        return
                    tell(one)
                    if isinstance(one, ModelError):
                        return
        except Exception as error:
            self._pace.learn(came, tokens)
            tell(_failure(error, loan))
        finally:
            with self._lock:
                self._asked -= 1


class Pace:
    """How long answers take on the GPUs that are lent, from the last ones. Safe to use from several threads."""

    def __init__(self) -> None:
        self._start = 0.0
        self._steps: deque[float] = deque(maxlen=_TIMED)

    def seconds(self, room: int) -> int:
        """To ask for, so that an answer of `room` tokens is written even if slowly; `LONGEST_S` at most.

        Less is better: whoever asks for more than is left of their time gets nothing, and waits longer.
        """
        steps = tuple(self._steps)
        if not steps:
            return LONGEST_S
        return min(LONGEST_S, _SPARE_S + math.ceil(2 * (self._start + max(steps) * room)))

    def learn(self, came: float, tokens: Sequence[float]) -> None:
        """A worker was there at `came`, and wrote its tokens at these times, in seconds of one clock."""
        if len(tokens) > 1:
            # The slowest start there was: only a new worker has the network to move first.
            self._start = max(self._start, tokens[0] - came)
            self._steps.append((tokens[-1] - tokens[0]) / (len(tokens) - 1))


def _time_up() -> TimeUp:
    return TimeUp(
        "The time on ZeroGPU's GPU was up before the answer was complete; go on with it, or try again.",
        zh="ZeroGPU 的 GPU 时间在回答完成之前用完了；请接着写，或再试一次。",
    )


def _failure(error: Exception, loan: Loan) -> ModelError:
    """What `spaces` raised, in one sentence; it raises `gr.Error` with a title of its own for each way to fail."""
    title, message = getattr(error, "title", ""), str(getattr(error, "message", ""))
    if title == "ZeroGPU worker error":
        return _worker_failed(message)
    if title in _REFUSALS:
        found = re.search(r"Try again in ([\w:., ]+?)\. ", message)
        english, chinese = _REFUSALS[title]
        return ModelError(
            english.format(later=f"in {found[1]}" if found else "later", seconds=loan.seconds),
            zh=chinese.format(later=f"在 {found[1]} 后" if found else "稍后", seconds=loan.seconds),
        )
    logger.error("ZeroGPU lent no GPU", exc_info=error)
    kind = type(error).__name__
    return ModelError(f"ZeroGPU lent no GPU ({kind}); try again.", zh=f"ZeroGPU 没有借出 GPU（{kind}）；请再试一次。")


def _worker_failed(kind: str) -> ModelError:
    """A worker that was ended (`GPU task aborted`) or raised an exception of this name."""
    logger.error("A worker of ZeroGPU failed: %s", kind)
    if kind == "GPU task aborted":
        return TimeUp(
            "ZeroGPU took its GPU back before the answer was complete; go on with it, or try again.",
            zh="ZeroGPU 在回答完成之前收回了 GPU；请接着写，或再试一次。",
        )
    if kind == "OutOfMemoryError":
        return ModelError(
            "The GPU that ZeroGPU lent has too little memory for the model; choose a smaller one.",
            zh="ZeroGPU 借出的 GPU 显存不足，容纳不下该模型；请选用更小的模型。",
        )
    return ModelError(
        f"The model failed while writing ({kind}); try again.", zh=f"模型在书写时出错（{kind}）；请再试一次。"
    )


_REFUSALS = {
    "ZeroGPU quota exceeded": (
        "Your time on ZeroGPU's GPUs is used up; try again {later}, or log in to Hugging Face for more of it.",
        "ZeroGPU 的 GPU 时间已用完；请{later}再试，或登录 Hugging Face 以获得更多时间。",
    ),
    "ZeroGPU pending credits exceeded": (
        "Too many of your answers are on ZeroGPU's GPUs; try again when one of them has ended.",
        "在 ZeroGPU 上同时生成的回答太多；请等其中一个结束后再试。",
    ),
    "ZeroGPU illegal duration": (
        "ZeroGPU lends you no GPU for the {seconds} s that this answer may take; ask for a shorter one, or log in to "
        "Hugging Face.",
        "这个回答可能需要 {seconds} 秒，ZeroGPU 不会借出 GPU 这么久；请要求更短的回答，或登录 Hugging Face。",
    ),
    "ZeroGPU queue timeout": (
        "No GPU of ZeroGPU became free within a minute; try again.",
        "一分钟内没有空闲的 ZeroGPU；请再试一次。",
    ),
    "ZeroGPU client error": (
        "ZeroGPU lent no GPU; reload the page, then try again.",
        "ZeroGPU 没有借出 GPU；请刷新页面后再试。",
    ),
}
