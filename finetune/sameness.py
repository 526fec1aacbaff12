"""Do two networks give the same logits? How near, and against which bound that is judged.

    sameness = compare(logits(one, texts), logits(other, texts), "float32")
    insist(sameness, "support-bot")       # raises where they do not

In float32 the largest difference of a logit is judged: at most 1e-4. Fewer bits round each weight that an adapter
changed, and there the difference as a whole is judged: its norm against that of the logits. The bounds are set where
rounding alone does not come and a fault does: on the model of the tests bf16 gives 0.003, 8 bits 0.007 and 4 bits
0.05, and a layer or an adapter that was left out more than 0.25.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from errors import ModelError

LENGTH = 64
"""Tokens of a text at most."""
_ABSOLUTE = {"float32": 1e-4}
_RELATIVE = {"bfloat16": 0.05, "float16": 0.05, "8bit": 0.1, "4bit": 0.2}
_TEXTS = (
    "Who discovered penicillin, and in which year was it?",
    "你好！请用一句话介绍一下你自己。",
    "def add(a: int, b: int) -> int:\n    return a + b\n",
    "1, 2, 3, 5, 8, 13, 21; 3.14 * 2 = 6.28",
)


@dataclass(frozen=True, slots=True)
class Sameness:
    """How two networks' logits compare, over every token of the same texts."""

    numbers: str
    """`float32`, `bfloat16`, `float16`, `8bit` or `4bit`: what the second network is kept in."""
    difference: float
    """The largest of a single logit."""
    relative: float
    """The norm of all differences by that of the first network's logits."""
    agree: float
    """Share of the tokens after which both hold the same next token for the likeliest, 0..1."""
    bound: float
    absolute: bool
    """Whether `bound` is for `difference`; otherwise for `relative`."""

    @property
    def holds(self) -> bool:
        return (self.difference if self.absolute else self.relative) <= self.bound


def texts(tokenizer: Any) -> list[list[int]]:
    """Token ids to compare by: some texts, and tokens from all over the vocabulary."""
    encoded = [tokenizer.encode(text, add_special_tokens=False)[:LENGTH] for text in _TEXTS]
    step = max(1, len(tokenizer) // LENGTH)
    return [ids for ids in encoded if ids] + [list(range(0, len(tokenizer), step))[:LENGTH]]


def logits(net: Any, texts: Sequence[Sequence[int]]) -> Any:
    """What the network gives after every token, float32 on the CPU, shape (tokens, vocabulary)."""
    import torch

    with torch.inference_mode():
        rows = [net(input_ids=torch.tensor([list(ids)], device=net.device)).logits[0].float().cpu() for ids in texts]
    return torch.cat(rows)


def compare(expected: Any, got: Any, numbers: str) -> Sameness:
    """How `got` compares with `expected`, both of `logits`."""
    change = got - expected
    absolute = numbers in _ABSOLUTE
    return Sameness(
        numbers=numbers,
        difference=float(change.abs().max()),
        relative=float(change.norm() / expected.norm()),
        agree=float((got.argmax(-1) == expected.argmax(-1)).float().mean()),
        bound=_ABSOLUTE[numbers] if absolute else _RELATIVE[numbers],
        absolute=absolute,
    )


def sentence(same: Sameness) -> str:
    """How near, and the bound."""
    judged = f"of a logit {same.difference:.1e}" if same.absolute else f"by norm {same.relative:.1e}"
    more = "" if same.absolute else f", largest of a logit {same.difference:.1e}"
    return (
        f"Difference from base and adapter unmerged, {same.numbers}: {judged} (bound {same.bound:g}){more}; the same "
        f"likeliest token after {same.agree:.1%} of the tokens."
    )


def insist(same: Sameness, name: str) -> None:
    """Raise `ModelError` where the bound does not hold, or a logit is no number."""
    if not same.holds:
        raise ModelError(
            f"The model made of “{name}” gives other logits than it should ({sentence(same)}); nothing was kept: "
            "try --dtype float32, or fewer quantised bits are not for this model.",
            zh=f"由“{name}”生成的模型给出的 logits 与应有的不符（{sentence(same)}）；没有保留任何文件："
            "请试试 --dtype float32，或此模型不宜量化。",
        )
