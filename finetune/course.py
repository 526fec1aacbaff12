"""A training loop of our own: its bar, its curves, and a checkpoint after each epoch, from which a killed run goes on.

    course = Course("cross-encoder", (net, optimizer, schedule), chance, checkpoints, digest(texts, targets))
    for _ in course.epochs(4, batches):
        for batch in batches_of(chance):
            …
            course.told(float(loss), rate)

For the networks that TRL does not train: the moderator's and the cross-encoder. A checkpoint holds what `parts` hold
and the state of both generators of random numbers, so that a run that goes on ends with the weights of an unbroken one.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from errors import InputError
from finetune.curves import Entry, draw
from finetune.writing import writing

RUNS = Path("var") / "training"
"""Where recipes keep what they go on from, unless --run says otherwise."""
STOPPED = "stopped; the same command with --resume goes on after the last whole epoch."


class Stateful(Protocol):
    """A network, an optimizer or a schedule."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state_dict: dict[str, Any], /) -> object: ...


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """Where the checkpoints and curves of a recipe are kept, and whether it goes on from what is there."""

    folder: Path
    resume: bool = False

    def admit(self) -> None:
        """Raise `InputError` where there is nothing to go on from, or the folder cannot be written."""
        if self.resume and not any(self.folder.glob("*.pt")):
            raise InputError(
                f"There is no checkpoint in {self.folder} to go on from; leave --resume out, or name another --run.",
                zh=f"{self.folder} 中没有可继续的检查点；请去掉 --resume，或用 --run 指定别处。",
            )
        with writing(self.folder, "--run"):
            self.folder.mkdir(parents=True, exist_ok=True)
            if not self.resume:
                for old in self.folder.glob("*.pt"):
                    old.unlink()


class Course:
    """What one network learns, epoch by epoch."""

    def __init__(
        self,
        name: str,
        parts: Sequence[Stateful],
        chance: np.random.Generator,
        checkpoints: Checkpoints | None = None,
        digest: str = "",
    ) -> None:
        """`digest` is of all that the course learns from; one that goes on must be given the same."""
        self._name, self._parts, self._chance = name, parts, chance
        self._checkpoints, self._digest = checkpoints, digest
        self._history: list[Entry] = []

    def epochs(self, count: int, steps: int) -> Iterator[int]:
        """The epochs that are still to come, of `count` of so many steps. Raises `InputError`.

        What is raised is a checkpoint of other data, or a disk that is full.
        """
        done = self._restored(count)
        began = time.monotonic()
        with tqdm(total=count * steps, initial=done * steps, desc=self._name, unit="step", disable=None) as self._bar:
            for epoch in range(done, count):
                first = len(self._history)
                yield epoch
                seen = [entry["loss"] for entry in self._history[first:]]
                told = f"{self._name}, epoch {epoch + 1} of {count}: loss {np.mean(seen):.4f}"
                self._bar.write(f"{told}, {time.monotonic() - began:.0f} s")
                self._keep(epoch + 1, count)

    def told(self, loss: float, rate: float) -> None:
        """One step was made."""
        self._history.append({"step": len(self._history) + 1, "loss": loss, "learning_rate": rate})
        self._bar.update()
        self._bar.set_postfix(loss=f"{loss:.3f}", refresh=False)

    def _file(self, checkpoints: Checkpoints, suffix: str) -> Path:
        return checkpoints.folder / f"{self._name.replace(' ', '-')}{suffix}"

    def _keep(self, done: int, count: int) -> None:
        if self._checkpoints is None:
            return
        state = {
            "epochs": (done, count),
            "digest": self._digest,
            "parts": [part.state_dict() for part in self._parts],
            "torch": torch.get_rng_state(),
            "numpy": self._chance.bit_generator.state,
            "history": self._history,
        }
        place = self._file(self._checkpoints, ".pt")
        fresh = place.with_name(f"new-{place.name}")
        with writing(self._checkpoints.folder, "--run"):
            torch.save(state, fresh)
            fresh.replace(place)
            draw(self._history, self._file(self._checkpoints, ".png"), per_token=False)

    def _restored(self, count: int) -> int:
        """How many epochs are done already; the parts are as they were then."""
        if self._checkpoints is None or not self._checkpoints.resume:
            return 0
        place = self._file(self._checkpoints, ".pt")
        if not place.exists():
            return 0
        state = torch.load(place, weights_only=True)
        if (state["epochs"][1], state["digest"]) != (count, self._digest):
            raise InputError(
                f"The data or the number of epochs changed since the run in {self._checkpoints.folder} began; bring "
                "them back to go on, or leave --resume out.",
                zh=f"{self._checkpoints.folder} 中的训练开始后，数据或轮数有改动；请恢复后再继续，或去掉 --resume。",
            )
        for part, held in zip(self._parts, state["parts"], strict=True):
            part.load_state_dict(held)
        torch.set_rng_state(state["torch"])
        self._chance.bit_generator.state = state["numpy"]
        self._history = state["history"]
        return int(state["epochs"][0])


def digest(texts: Sequence[str], *arrays: NDArray[Any]) -> str:
    """SHA-256 of what is learnt from."""
    found = hashlib.sha256("\0".join(texts).encode("utf-8", "surrogatepass"))
    for array in arrays:
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()
