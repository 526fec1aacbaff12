"""Training killed at random moments, and shared by two launched processes, as a person starts it: make soak"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.tuning import shelf

pytestmark = pytest.mark.soak

_ROOT = Path(__file__).parent.parent
_STEPS, _KILLS = 60, 3
_RECIPE = """
[model]
base = "{base}"
dtype = "float32"
[method]
kind = "{kind}"
dropout = 0.1
[data]
train = "{chats}"
length = 192
[training]
steps = {steps}
batch = 2
accumulate = {accumulate}
rate = 3e-3
evaluate_every = 10
save_every = 4
[output]
folder = "{run}"
report = []
"""


def _recipe(folder: Path, kind: str, name: str, accumulate: int = 2) -> tuple[Path, Path]:
    """The recipe's file, and the folder of its run."""
    file, run = folder / f"{name}.toml", folder / name
    base, chats = folder / "tiny", folder / "chats.jsonl"
    text = _RECIPE.format(base=base, kind=kind, chats=chats, steps=_STEPS, accumulate=accumulate, run=run)
    file.write_text(text, encoding="utf-8")
    return file, run


def _started(file: Path, *more: str, launch: bool = False) -> subprocess.Popen[bytes]:
    launcher = ["-m", "accelerate.commands.launch", "--config_file", "finetune/accelerate/cpu.yaml"] if launch else []
    command = [sys.executable, *launcher, "-m", "finetune.chat", "--config", str(file), *more]
    return subprocess.Popen(command, cwd=_ROOT, env=os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"})


def _steps(run: Path) -> set[str]:
    """The checkpoints that are there under their names."""
    folder = run / "checkpoints"
    return {path.name for path in folder.iterdir() if path.name != "unfinished"} if folder.is_dir() else set()


@pytest.mark.parametrize("kind", ["lora", "full"])
def test_killed_at_random_three_times_it_ends_as_if_it_had_not_been(kind: str, tmp_path: Path) -> None:
    folder = shelf(tmp_path)
    whole_file, whole = _recipe(folder, kind, "whole")
    assert _started(whole_file).wait() == 0
    file, run = _recipe(folder, kind, "broken")
    drawn, kills = random.Random(time.time_ns()), 0
    while kills < _KILLS:
        resume = ["--resume"] if (run / "run.json").is_file() else []
        before, process = _steps(run), _started(file, *resume)
        while process.poll() is None and _steps(run) == before:
            time.sleep(0.01)
        time.sleep(drawn.uniform(0, 2))
        process.kill()
        kills += process.wait() == -9
        assert _steps(run), "it was killed before its first checkpoint"
    assert _started(file, "--resume").wait() == 0
    one, other = (load_file(next(path.glob("*model.safetensors"))) for path in (whole, run))
    assert one.keys() == other.keys() and all((one[name] == other[name]).all() for name in one)


def test_two_launched_processes_give_the_curve_of_one(tmp_path: Path) -> None:
    folder = shelf(tmp_path)
    one_file, one = _recipe(folder, "full", "one")
    two_file, two = _recipe(folder, "full", "two", accumulate=1)
    assert _started(one_file).wait() == 0
    assert _started(two_file, launch=True).wait() == 0
    curves = []
    for run, processes in ((one, 1), (two, 2)):
        assert json.loads((run / "run.json").read_text(encoding="utf-8"))["processes"] == processes
        state = run / "checkpoints" / f"step-{_STEPS}" / "trainer_state.json"
        entries = json.loads(state.read_text(encoding="utf-8"))["log_history"]
        curves.append([entry["loss"] for entry in entries if "loss" in entry])
    assert len(curves[0]) == _STEPS
    np.testing.assert_allclose(curves[1], curves[0], rtol=1e-3)
