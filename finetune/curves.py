"""The curves of a run as a picture: the loss of each step and of the held-out texts, and the learning rate below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Entry = Mapping[str, Any]
"""What a trainer logged at one `step`: `loss` and `learning_rate`, or scores of held-out texts (`eval_…`)."""
_SMOOTH = 0.9
"""Share of what came before in the running mean of the loss."""
_FEW = 30
"""Steps up to which the loss is drawn as it is."""


def draw(history: Sequence[Entry], file: Path, *, per_token: bool = True) -> None:
    """Write the picture, whole or not at all; `per_token` says what the loss is a mean of."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    taught = [entry for entry in history if "loss" in entry]
    held = [entry for entry in history if "eval_loss" in entry]
    steps, losses = [entry["step"] for entry in taught], [entry["loss"] for entry in taught]
    figure, (upper, lower) = plt.subplots(2, 1, figsize=(7, 5), sharex=True, layout="constrained", height_ratios=(3, 1))
    many = len(steps) > _FEW
    upper.plot(steps, losses, color="#3b6ea5", linewidth=1, alpha=0.35 if many else 1, label="training, each step")
    if many:
        upper.plot(steps, running_mean(losses), color="#3b6ea5", linewidth=1.6, label="training, running mean")
    if held:
        upper.plot(
            [entry["step"] for entry in held],
            [entry["eval_loss"] for entry in held],
            "o-",
            color="#c4622d",
            markersize=4,
            label="held out",
        )
    upper.set(ylabel="loss (nats a token)" if per_token and not _of_pairs(held) else "loss", title=_title(held))
    upper.set_ylim(bottom=0)
    upper.grid(color="#dddddd", linewidth=0.6)
    upper.legend(frameon=False)
    lower.plot(steps, [entry.get("learning_rate", 0.0) for entry in taught], color="#5b8c3e", linewidth=1.4)
    lower.set(xlabel="step", ylabel="learning rate")
    lower.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
    lower.set_ylim(bottom=0)
    lower.grid(color="#dddddd", linewidth=0.6)
    fresh = file.with_name(f"new-{file.name}")
    figure.savefig(fresh, dpi=110)
    plt.close(figure)
    fresh.replace(file)


def running_mean(losses: Sequence[float]) -> list[float]:
    """The exponential running mean, its start corrected for having nothing before it."""
    means, mean, weight = [], 0.0, 0.0
    for loss in losses:
        mean = _SMOOTH * mean + (1 - _SMOOTH) * loss
        weight = _SMOOTH * weight + (1 - _SMOOTH)
        means.append(mean / weight)
    return means


def _of_pairs(held: Sequence[Entry]) -> bool:
    return any("eval_chosen" in entry for entry in held)


def _title(held: Sequence[Entry]) -> str:
    if not held:
        return "Training loss"
    return f"Held-out loss {held[0]['eval_loss']:.3f} → {held[-1]['eval_loss']:.3f}"
