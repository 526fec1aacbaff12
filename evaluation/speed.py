"""How fast answers are written, for one person and for many: `python -m evaluation.speed [--users 1,4,16] [--json]`.

Side by side, in turn, on the same weights: our assistant, and what a plain app does (`gr.ChatInterface` around a
`TextIteratorStreamer`: `generate` in a thread, one answer at a time). Users come at the same moment, each with a
prompt of its own; all write `--tokens` tokens, which are counted in what they wrote. Both are called as functions, so
that neither pays for HTTP. The ratio is the median over the rounds, pair by pair. `--model` may be a shape with random
weights (`evaluation.shapes`).

`bandwidth_bound_tokens_per_s` is what one user could have if reading the weights from memory were all there is to do.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from activity import Activity
from chat.assistant import Ask, Assistant
from chat.base import Sampling
from chat.conversation import Outcome, begin, new_id
from chat.events import Delta, Done
from chat.local import LocalModel
from chat.placement import Placement
from chat.slot import ModelSlot
from chat.sources import Source, Sources
from chat.startup import Startup
from encoder import SentenceEncoder
from errors import AppError
from evaluation.machine import machine
from evaluation.shapes import SHAPES, make, words
from moderation.base import Action, Level, Side
from moderation.classifier import EmbeddedClassifier
from moderation.policy_file import load_policy
from moderation.readings import Readings
from moderation.screen import Screen
from retrieval.index import DocumentIndex
from retrieval.judge import SentenceJudge
from retrieval.rerank import Reranker
from retrieval.unit_vectors import UnitVectors

SAMPLINGS = {
    "greedy": Sampling(temperature=0),
    "default": Sampling(temperature=0.6, top_k=40),
    "nucleus": Sampling(temperature=0.6, top_k=40, top_p=0.95),
}
_WARM = 8
"""Tokens written before anything is timed."""

Writer = Callable[[str, int], Iterator[str]]
"""Question and number of tokens → pieces of the answer."""
Count = Callable[[str], int]
"""How many tokens a text has."""
_WHOLE = 0.8
"""Share of the tokens that an answer must have: taken apart again, a text may have a few less than were written."""


_ALLOWED = {side: dict.fromkeys(Level, Action.ALLOW) for side in Side}


@dataclass(frozen=True, slots=True)
class Round:
    """What a number of users saw, asking at the same moment."""

    tokens_per_s: float
    first_s: tuple[float, ...]
    """Seconds to the first piece of text, per user."""


def assistant_for(
    model: LocalModel, index: DocumentIndex, encoder: SentenceEncoder, activity: Activity | None = None
) -> Assistant:
    """The real assistant around a model and an open index, of which no source is searched.

    What is screened is never refused: answers of random weights may look like anything.
    """
    policy = replace(load_policy(), levels=_ALLOWED, thresholds={side: {} for side in Side})
    startup = Startup([])
    startup.start()
    startup.join()
    return Assistant(
        ModelSlot(model),
        Sources([], 5.0),
        Source(index.retriever("guide"), {"en": "Guide"}),
        Reranker(SentenceJudge(UnitVectors(encoder, index)), index),
        Screen(Readings(EmbeddedClassifier()), policy, 5.0),
        startup,
        activity=activity,
    )


def ours(assistant: Assistant, sampling: Sampling, moderation: bool = False) -> Writer:
    """Answers of the assistant, screened or not."""

    def write(question: str, tokens: int) -> Iterator[str]:
        chosen = replace(sampling, max_new_tokens=tokens)
        ask = Ask(new_id(), question, begin(""), moderation=moderation, sampling=chosen)
        for event in assistant.reply(ask):
            if isinstance(event, Delta):
                yield event.text
            elif isinstance(event, Done) and event.turn.outcome is Outcome.FAILED:
                raise RuntimeError(event.turn.reason)

    return write


def plain(net: Any, tokenizer: Any, sampling: Sampling) -> Writer:
    """Answers of a plain app: what its `gr.ChatInterface` would call, one at a time as its queue does."""
    from transformers import TextIteratorStreamer

    turn = threading.Lock()
    options = (
        {"do_sample": False}
        if sampling.temperature == 0
        else {
            "do_sample": True,
            "temperature": sampling.temperature,
            "top_k": sampling.top_k,
            "top_p": sampling.top_p,
        }
    )

    def write(question: str, tokens: int) -> Iterator[str]:
        with turn:
            chat = [{"role": "user", "content": question}]
            given = tokenizer.apply_chat_template(
                chat, add_generation_prompt=True, return_tensors="pt", return_dict=True
            )
            streamer = TextIteratorStreamer(tokenizer, skip_prompt=True, skip_special_tokens=True)
            arguments = {
                "input_ids": given["input_ids"].to(net.device),
                "attention_mask": given["attention_mask"].to(net.device),
                "streamer": streamer,
                "max_new_tokens": tokens,
                "min_new_tokens": tokens,
                "pad_token_id": 0,
                **options,
            }
            thread = threading.Thread(target=net.generate, kwargs=arguments)
            thread.start()
            yield from streamer
            thread.join()

    return write


def measure(write: Writer, users: int, prompt_tokens: int, tokens: int, seed: int, count: Count) -> Round:
    """All users ask at once; ends when the last one has been answered. `count` counts the tokens of a text.

    Raises `AppError` when an answer is shorter than was asked for: its tokens were not written, so no rate is
    a rate.
    """
    first = [0.0] * users
    written = [""] * users
    failures: list[Exception] = []
    began = time.perf_counter()

    def ask(user: int) -> None:
        try:
            for piece in write(words(prompt_tokens, seed * 1000 + user), tokens):
                if piece and not first[user]:
                    first[user] = time.perf_counter() - began
                written[user] += piece
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=ask, args=(user,)) for user in range(users)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    took = time.perf_counter() - began
    counts = [count(text) for text in written]
    if min(counts) < _WHOLE * tokens:
        raise AppError(
            f"An answer has {min(counts)} of {tokens} tokens, so that its rate would be none; give a model whose "
            "answers do not end by themselves, such as a shape."
        )
    return Round(sum(counts) / took, tuple(first))


def compare(
    one: Writer, other: Writer, users: int, rounds: int, prompt_tokens: int, tokens: int, count: Count
) -> dict[str, float]:
    """Both in turn, `rounds` times; every figure is a median over the rounds, times in ms."""
    pairs = [
        (
            measure(one, users, prompt_tokens, tokens, seed, count),
            measure(other, users, prompt_tokens, tokens, seed, count),
        )
        for seed in range(1, rounds + 1)
    ]
    return {
        "tokens_per_s": statistics.median(a.tokens_per_s for a, _ in pairs),
        "plain_tokens_per_s": statistics.median(b.tokens_per_s for _, b in pairs),
        "ratio": statistics.median(a.tokens_per_s / b.tokens_per_s for a, b in pairs),
        "ttft_p50_ms": statistics.median(1000 * _quantile(a.first_s, 0.5) for a, _ in pairs),
        "ttft_p95_ms": statistics.median(1000 * _quantile(a.first_s, 0.95) for a, _ in pairs),
        "plain_ttft_p95_ms": statistics.median(1000 * _quantile(b.first_s, 0.95) for _, b in pairs),
    }


def _quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def bandwidth(device: Any) -> float:
    """Bytes per second that `device` reads from its memory: the best of five sums over a tensor too large to cache."""
    import torch

    data = torch.ones(2**26, dtype=torch.float32, device=device)
    best = 0.0
    for _ in range(5):
        began = time.perf_counter()
        data.sum().item()
        best = max(best, data.numel() * 4 / (time.perf_counter() - began))
    return best


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m evaluation.speed", description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="neox-80m", help=f"hub id, folder, or a shape: {', '.join(SHAPES)}")
    parser.add_argument("--users", default="1,4,16", help="numbers of users, separated by commas")
    parser.add_argument("--sampling", choices=sorted(SAMPLINGS), default="default")
    parser.add_argument("--rounds", type=int, default=3, help="pairs of measurements per number of users")
    parser.add_argument("--prompt", type=int, default=100, help="tokens of a question")
    parser.add_argument("--tokens", type=int, default=64, help="tokens of an answer")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args(arguments)
    try:
        users = [int(number) for number in options.users.split(",")]
    except ValueError:
        parser.error(f"--users is {options.users}; give numbers separated by commas, like 1,4,16")
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        try:
            folder = str(make(options.model, scratch / options.model)) if options.model in SHAPES else options.model
            model = LocalModel(folder, Placement(options.device, options.dtype), users=max(users))
            began = time.perf_counter()
            model.load()
        except AppError as error:
            print(error, file=sys.stderr)
            return 1
        load_s = time.perf_counter() - began
        try:
            figures = run(model, scratch / "index", options, users)
        except AppError as error:
            print(error, file=sys.stderr)
            return 1
    figures |= {"model": options.model, "sampling": options.sampling, "load_s": load_s}
    print(table(figures["users"]))
    print(f"bound by memory bandwidth: {figures['bandwidth_bound_tokens_per_s']:.1f} tokens/s for one user")
    if options.json:
        print(json.dumps(rounded(figures | {"machine": machine()})))
    return 0


def run(model: LocalModel, index: Path, options: argparse.Namespace, users: Sequence[int]) -> dict[str, Any]:
    """All measurements on a loaded model."""
    net, tokenizer = model.network, model.tokenizer
    sampling = SAMPLINGS[options.sampling]
    encoder = SentenceEncoder()
    empty = DocumentIndex(index, encoder)
    empty.open()
    one, other = ours(assistant_for(model, empty, encoder), sampling), plain(net, tokenizer, sampling)

    def count(text: str) -> int:
        return len(tokenizer.encode(text, add_special_tokens=False))

    for write in (one, other):
        measure(write, 1, options.prompt, _WARM, seed=0, count=count)
    rows = {
        str(number): compare(one, other, number, options.rounds, options.prompt, options.tokens, count)
        for number in users
    }
    weights = sum(tensor.numel() * tensor.element_size() for tensor in net.parameters())
    return {
        "users": rows,
        "bandwidth_bound_tokens_per_s": bandwidth(net.device) / weights,
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def table(rows: dict[str, dict[str, float]]) -> str:
    """The figures of `compare` by number of users, a line each."""
    return "\n".join(
        f"{number:>4} users: {row['tokens_per_s']:8.1f} tokens/s, plain {row['plain_tokens_per_s']:7.1f}, "
        f"ratio {row['ratio']:5.2f}; first text p95 {row['ttft_p95_ms']:7.0f} ms, "
        f"plain {row['plain_ttft_p95_ms']:7.0f} ms"
        for number, row in rows.items()
    )


def rounded(value: Any) -> Any:
    """A value of JSON with its numbers cut to three digits behind the point."""
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    return round(value, 3) if isinstance(value, float) else value


if __name__ == "__main__":
    sys.exit(main())
