"""A large chat model on one accelerator, against what its memory and arithmetic allow: `python -m evaluation.gpu`.

GPT-NeoX-20B's exact shape with random weights in bf16 (`--shape` takes another), written to by `chat.batching` itself:
time to the first token after short and long prompts, tokens per second for 1, 16 and 64 users, the first token of a
tenth turn with and without what the turns before left in memory, and the peak memory. Beside each stands the bound
(`evaluation.bounds`): what must be read at the measured bandwidth, what must be multiplied at the measured rate of
matrix products. Every figure is the median of five, after one that is not counted.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from chat.base import Sampling
from chat.batching import BatchedDecoder
from chat.decoding import Job
from evaluation import bounds
from evaluation.machine import machine
from evaluation.shapes import SHAPES, configuration
from evaluation.speed import bandwidth, rounded

_GREEDY = Sampling(temperature=0)
_MATRIX = 8192
_TIMES = 5
_PROMPT = 128
"""Tokens of a user's prompt where many write at once."""


def network(shape: str, device: str) -> Any:
    """A network of a shape with random weights in bf16, made where it is to run."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    with torch.device(device):
        return AutoModelForCausalLM.from_config(configuration(shape), dtype=torch.bfloat16).eval()


def operations_per_s(device: str, size: int) -> float:
    """Multiplications and additions per second in bf16 products of square matrices, the best of five."""
    import torch

    one = torch.randn((size, size), dtype=torch.bfloat16, device=device)
    best = 0.0
    for _ in range(5):
        began = time.perf_counter()
        float((one @ one)[0, 0])
        best = max(best, 2 * size**3 / (time.perf_counter() - began))
    return best


def ids(count: int, seed: int, vocabulary: int) -> tuple[int, ...]:
    """Random tokens of a prompt."""
    import torch

    chance = torch.Generator().manual_seed(seed)
    return tuple(torch.randint(1, vocabulary, (count,), generator=chance).tolist())


def median(measured: Callable[[int], float]) -> float:
    """Of `_TIMES` measurements, each given its own number, after one to warm up."""
    measured(0)
    return statistics.median(measured(i) for i in range(1, _TIMES + 1))


def first_token_s(decoder: BatchedDecoder, prompt: Sequence[int]) -> float:
    """Seconds from asking to the first token."""
    began = time.perf_counter()
    for token in decoder.write(Job(prompt, _GREEDY, 1, frozenset())):
        if isinstance(token, int):
            break
    return time.perf_counter() - began


def tokens_per_s(
    decoder: BatchedDecoder, users: int, prompt_tokens: int, tokens: int, vocabulary: int, seed: int = 0
) -> float:
    """Rate of all users together between the last one's first token and the first one's last."""
    times: list[list[float]] = [[] for _ in range(users)]

    def ask(user: int) -> None:
        job = Job(ids(prompt_tokens, seed + user, vocabulary), _GREEDY, tokens, frozenset())
        times[user] = [time.perf_counter() for token in decoder.write(job) if isinstance(token, int)]

    threads = [threading.Thread(target=ask, args=(user,)) for user in range(users)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    begin, end = max(seen[0] for seen in times), min(seen[-1] for seen in times)
    return sum(begin < at <= end for seen in times for at in seen) / (end - begin) if end > begin else 0.0


def tenth_turn(decoder: BatchedDecoder, vocabulary: int, per_turn: int) -> dict[str, float]:
    """Seconds to the first token of a tenth turn: after nine turns, and in a decoder that has read nothing."""
    chat: tuple[int, ...] = ()
    for turn in range(9):
        chat += ids(per_turn, turn, vocabulary)
        chat += tuple(t for t in decoder.write(Job(chat, _GREEDY, 16, frozenset())) if isinstance(t, int))
    chat += ids(per_turn, 9, vocabulary)
    kept = first_token_s(decoder, chat)
    decoder.forget()
    return {"with_s": kept, "without_s": (alone := first_token_s(decoder, chat)), "ratio": alone / kept}


def measure(net: Any, users: Sequence[int], prompts: Sequence[int], tokens: int, matrix: int) -> dict[str, Any]:
    """All figures of one network."""
    import torch

    device, text = str(net.device), net.config.get_text_config()
    vocabulary, work = text.vocab_size, bounds.Work.of(net)
    limits = bounds.Limits(bandwidth(net.device), operations_per_s(device, matrix))
    longest = max(prompts) + 64
    decoder = BatchedDecoder(net, most_rows=max(users), most_tokens=max(longest, max(users) * 512) + 4096)

    def first(count: int) -> float:
        return median(lambda i: first_token_s(decoder, ids(count, 1000 * i + count, vocabulary)))

    def together(number: int) -> float:
        return median(lambda i: tokens_per_s(decoder, number, _PROMPT, tokens, vocabulary, 1000 * i))

    figures: dict[str, Any] = {
        "device": _name(device),
        "weights_gb": sum(tensor.numel() * tensor.element_size() for tensor in net.parameters()) / 1e9,
        "bytes_per_s": limits.bytes_per_s,
        "operations_per_s": limits.operations_per_s,
    }
    figures["first_token"] = {
        str(count): {
            "s": first(count),
            "bound_s": bounds.first_token_s(work, limits, count),
        }
        for count in prompts
    }
    figures["users"] = {
        str(number): {
            "tokens_per_s": together(number),
            "bound_tokens_per_s": bounds.tokens_per_s(
                work, limits, number, _PROMPT + tokens // 2, decoder.bytes_per_token
            ),
        }
        for number in users
    }
    figures["tenth_turn"] = tenth_turn(decoder, vocabulary, per_turn=min(100, longest // 12))
    if net.device.type == "cuda":
        figures["peak_memory_gb"] = torch.cuda.max_memory_allocated(net.device) / 1e9
    return figures


def _name(device: str) -> str:
    import torch

    return torch.cuda.get_device_name(device) if device.startswith("cuda") else device


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m evaluation.gpu", description=__doc__.splitlines()[0])
    parser.add_argument("--shape", choices=sorted(SHAPES), default="neox-20b")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--users", default="1,16,64", help="numbers of users, separated by commas")
    parser.add_argument("--prompts", default="512,1536", help="tokens of the prompts, separated by commas")
    parser.add_argument("--tokens", type=int, default=64, help="tokens of an answer")
    parser.add_argument("--matrix", type=int, default=_MATRIX, help="size of the matrices that are multiplied")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args(arguments)
    try:
        users, prompts = ([int(n) for n in text.split(",")] for text in (options.users, options.prompts))
    except ValueError:
        parser.error("--users and --prompts take numbers separated by commas, like 1,16,64")
    import torch

    if options.device.startswith("cuda") and not torch.cuda.is_available():
        print("There is no CUDA device here; run this on a machine with a GPU, or give --device cpu.", file=sys.stderr)
        return 1
    began = time.perf_counter()
    net = network(options.shape, options.device)
    figures = {"shape": options.shape, "make_s": time.perf_counter() - began}
    figures |= measure(net, users, prompts, options.tokens, options.matrix)
    for count, row in figures["first_token"].items():
        print(f"first token after {count:>5} tokens: {1000 * row['s']:8.1f} ms, bound {1000 * row['bound_s']:8.1f} ms")
    for count, row in figures["users"].items():
        share = row["tokens_per_s"] / row["bound_tokens_per_s"]
        print(f"{count:>4} users: {row['tokens_per_s']:8.1f} tokens/s, {share:.0%} of what the memory allows")
    print(f"tenth turn: first token {figures['tenth_turn']['ratio']:.1f} times sooner with what was read before")
    if options.json:
        print(json.dumps(rounded(figures | {"machine": machine()})))
    return 0


if __name__ == "__main__":
    sys.exit(main())
