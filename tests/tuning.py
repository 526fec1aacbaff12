"""Small training runs in processes of their own: killed, resumed, side by side.

`python -m tests.tuning FOLDER` makes them all and prints how each process ended.

A process imports PyTorch once and forks for each run, which takes a hundredth of a start. It computes nothing itself:
PyTorch cannot go back in a fork.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from finetune.config import Data, Method, Model, Output, Preference, Recipe, Training
from tests.tiny_model import make_tiny_model

STEPS = 10
BROKEN = {
    "lora": ("step 4", "amid 6", "after 6"),
    "full": ("amid 9",),
    "preference": ("step 5",),
}
"""Where each run is killed, one time after the other: in a step, while a checkpoint is written, just after."""
_COLOURS = ("red", "blue", "green", "black", "white")


def shelf(folder: Path) -> Path:
    """A model of random weights, questions with answers, and pairs of answers."""
    make_tiny_model(folder / "tiny", chat_template=True, steps=0)
    drawn = random.Random(0)
    chats, pairs = [], []
    for number in range(36):
        asked, said = f"Which colour is number {number}?", f"Number {number} is {drawn.choice(_COLOURS)}."
        chats.append({"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]})
        listed = f"Number {number} is on the list."
        pairs.append({"prompt": asked, "chosen": listed, "rejected": f"Ask me about {number} another day."})
    for name, rows in (("chats", chats), ("pairs", pairs)):
        (folder / f"{name}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return folder


def recipe(folder: Path, kind: str, name: str, accumulate: int = 2) -> Recipe:
    """A run of `STEPS` steps; `kind` is a method's, or `preference`."""
    pairs = kind == "preference"
    return Recipe(
        model=Model(base=str(folder / "tiny"), dtype="float32"),
        method=Method(kind="full" if kind == "full" else "lora", rank=4, dropout=0.1),
        data=Data(train=str(folder / f"{'pairs' if pairs else 'chats'}.jsonl"), length=192, packing=kind == "lora"),
        training=Training(
            steps=STEPS, batch=2, accumulate=accumulate, rate=3e-3, evaluate_every=4, save_every=3, patience=0, seed=3
        ),
        preference=Preference(),
        output=Output(name=name, report=()),
    )


def train(folder: Path, kind: str, name: str, resume: bool = False, accumulate: int = 2) -> Any:
    from finetune import chat, preference

    taught = preference.train if kind == "preference" else chat.train
    return taught(recipe(folder, kind, name, accumulate), folder / "runs", resume=resume)


def forked(action: Callable[[], object]) -> int:
    """The process number of a fork that does this and ends."""
    sys.stdout.flush()
    if child := os.fork():
        return child
    ended = 1
    try:
        import torch

        torch.set_num_threads(1)
        action()
        ended = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(ended)


def ended(child: int) -> int:
    """How a fork ended: 0 well, -9 killed."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _killed_at(point: str) -> None:
    """Have this process killed there."""
    from finetune import run_folder, watching

    where, step = point.split()
    if where == "step":
        passed = watching.Passes.on_step_end

        def on_step_end(self: Any, args: Any, state: Any, control: Any, **more: Any) -> None:
            passed(self, args, state, control, **more)
            if state.global_step == int(step):
                _kill()

        watching.Passes.on_step_end = on_step_end  # type: ignore[method-assign]
        return
    kept, written = run_folder.RunFolder.keep, run_folder._to_disk

    def keep(self: run_folder.RunFolder, folder: Path, number: int, at_most: int, best: int | None) -> None:
        if number == int(step) and where == "amid":
            files = sorted(folder.iterdir())
            half = files[len(files) // 2]
            half.write_bytes(half.read_bytes()[: half.stat().st_size // 2])
            run_folder._to_disk = lambda path: _kill() if path == half else written(path)
        kept(self, folder, number, at_most, best)
        if number == int(step):
            _kill()

    run_folder.RunFolder.keep = keep  # type: ignore[method-assign, assignment]


def _broken(folder: Path, kind: str) -> list[int]:
    """How the processes of a run ended that is killed at each of its points, then left to its end."""
    ends = []
    for number, point in enumerate((*BROKEN[kind], "")):

        def run(number: int = number, point: str = point) -> None:
            if point:
                _killed_at(point)
            train(folder, kind, f"{kind}-broken", resume=number > 0)

        ends.append(ended(forked(run)))
    return ends


def _split(folder: Path, kind: str) -> list[int]:
    """How two processes ended that share a run, as `accelerate launch --cpu --num_processes 2` would start them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def run(rank: int) -> None:
        told = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2, "MASTER_PORT": port}
        os.environ |= {name: str(value) for name, value in told.items()}
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "ACCELERATE_USE_CPU": "true"}
        train(folder, kind, f"{kind}-split", accumulate=1)

    return [ended(child) for child in [forked(partial(run, rank)) for rank in (0, 1)]]


def _on_a_full_disk(folder: Path) -> str:
    """What is said when nothing more can be written after a run's first checkpoint.

    RLIMIT_FSIZE makes writing fail as a full disk does, and is a process's own.
    """
    said = folder / "said"

    def run() -> None:
        import resource

        from errors import AppError
        from finetune import run_folder

        kept, limit = run_folder.RunFolder.keep, resource.getrlimit(resource.RLIMIT_FSIZE)[1]

        def keep(self: run_folder.RunFolder, *given: Any, **named: Any) -> None:
            kept(self, *given, **named)
            resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, limit))

        run_folder.RunFolder.keep = keep  # type: ignore[method-assign]
        try:
            train(folder, "lora", "full-disk")
        except AppError as error:
            said.write_text(str(error), encoding="utf-8")

    assert ended(forked(run)) == 0
    return said.read_text(encoding="utf-8") if said.exists() else ""


def main(folder: Path) -> None:
    import datasets  # noqa: F401
    import matplotlib.pyplot  # noqa: F401
    import trl.trainer.dpo_trainer
    import trl.trainer.sft_trainer  # noqa: F401

    import finetune.trainers  # noqa: F401

    shelf(folder)
    found: dict[str, Any] = {"unbroken": {k: ended(forked(partial(train, folder, k, f"{k}-unbroken"))) for k in BROKEN}}
    found["broken"] = {kind: _broken(folder, kind) for kind in BROKEN}
    found["split"] = {kind: _split(folder, kind) for kind in ("full", "preference")}
    found["full disk"] = _on_a_full_disk(folder)
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
