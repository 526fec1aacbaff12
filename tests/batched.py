"""Small random networks, and answers written to many at once by one of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from chat.base import Sampling
from chat.decoding import Decoder, Job, Waiting
from tests.tiny_model import one_thread

VOCABULARY = 97
GREEDY = Sampling(temperature=0)


@contextmanager
def seeded() -> Iterator[None]:
    """The same networks every time, on one thread."""
    with one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def network(kind: str, **more: Any) -> Any:
    """A random network of a family of transformers."""
    import transformers

    size = {"vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = getattr(transformers, f"{kind}Config")(
        **size | {"intermediate_size": 48, "bos_token_id": 0, "eos_token_id": 0} | more
    )
    net = transformers.AutoModelForCausalLM.from_config(config).eval()
    net.generation_config.eos_token_id = None
    return net


def ids(count: int, seed: int = 0) -> tuple[int, ...]:
    return tuple(torch.randint(1, VOCABULARY, (count,), generator=torch.Generator().manual_seed(seed)).tolist())


def job(prompt: Sequence[int], room: int = 12, sampling: Sampling = GREEDY, ends: Sequence[int] = ()) -> Job:
    return Job(tuple(prompt), sampling, room, frozenset(ends))


def generated(net: Any, prompt: Sequence[int], room: int, **options: Any) -> list[int]:
    """What transformers' own `generate` writes."""
    given = torch.tensor([list(prompt)])
    options = {"do_sample": False} | options
    written = net.generate(given, max_new_tokens=room, min_new_tokens=room, pad_token_id=0, **options)
    return [int(token) for token in written[0, given.shape[1] :]]


def written(decoder: Decoder, jobs: Sequence[Job]) -> list[list[int]]:
    """What is written to all jobs, begun at the same time."""
    found: list[list[int]] = [[] for _ in jobs]

    def read(place: int) -> None:
        found[place] = [token for token in decoder.write(jobs[place]) if isinstance(token, int)]

    threads = [threading.Thread(target=read, args=(place,)) for place in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    return found


def first_token(stream: Iterator[int | Waiting]) -> int:
    """Read on until something is written."""
    return next(token for token in stream if isinstance(token, int))


class Watched:
    """Notes the tokens of each forward pass, and does something at one of them."""

    def __init__(self, net: Any, at: int = -1, act: Callable[[], None] = lambda: None) -> None:
        self.passes: list[tuple[int, int]] = []
        self._hook = net.register_forward_pre_hook(self._seen, with_kwargs=True)
        self._at, self._act = at, act

    def _seen(self, _: Any, __: Any, options: dict[str, Any]) -> None:
        self.passes.append(tuple(options["input_ids"].shape))
        if len(self.passes) - 1 == self._at:
            self._act()

    def __enter__(self) -> Watched:
        return self

    def __exit__(self, *_: object) -> None:
        self._hook.remove()


def until(true: Callable[[], object]) -> None:
    """Wait for something another thread is about to do."""
    pause = threading.Event()
    for _ in range(3000):
        if true():
            return
        pause.wait(0.01)
    raise AssertionError("it never came to that")
