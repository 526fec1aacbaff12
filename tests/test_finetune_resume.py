"""Runs that are killed and resumed, that meet a full disk, or that two processes share.

python -m pytest tests/test_finetune_resume.py
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.tuning import BROKEN, STEPS

_ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The folder of all runs, and how their processes ended."""
    folder = tmp_path_factory.mktemp("tuning")
    done = subprocess.run(
        [sys.executable, "-m", "tests.tuning", str(folder)],
        cwd=_ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder / "runs", json.loads(done.stdout.splitlines()[-1]) | {"stderr": done.stderr}


def _weights(run: Path) -> dict[str, Any]:
    return dict(load_file(next(run.glob("*model.safetensors"))))


def _curve(run: Path) -> list[tuple[int, float]]:
    state = json.loads((run / "checkpoints" / f"step-{STEPS}" / "trainer_state.json").read_text(encoding="utf-8"))
    found = [(entry["step"], entry.get("loss", entry.get("eval_loss"))) for entry in state["log_history"]]
    return [(step, loss) for step, loss in found if loss is not None]


@pytest.mark.parametrize("kind", BROKEN)
def test_a_run_that_was_killed_ends_with_the_weights_of_an_unbroken_one(
    kind: str, made: tuple[Path, dict[str, Any]]
) -> None:
    runs, said = made
    assert said["unbroken"][kind] == 0, said["stderr"][-3000:]
    assert said["broken"][kind] == [*[-9] * len(BROKEN[kind]), 0], said["stderr"][-3000:]
    whole, broken = (_weights(runs / f"{kind}-{how}") for how in ("unbroken", "broken"))
    assert whole.keys() == broken.keys()
    assert all((whole[name] == broken[name]).all() for name in whole)
    assert _curve(runs / f"{kind}-unbroken") == _curve(runs / f"{kind}-broken")
    told = [json.loads((runs / f"{kind}-{how}" / "run.json").read_text()) for how in ("unbroken", "broken")]
    assert told[0]["scores"] == told[1]["scores"]


def test_nothing_is_left_of_a_checkpoint_that_was_cut_short(made: tuple[Path, dict[str, Any]]) -> None:
    for kind in BROKEN:
        kept = {path.name for path in (made[0] / f"{kind}-broken" / "checkpoints").iterdir()}
        assert kept == {"step-9", "step-10"}


def test_a_full_disk_is_told_and_leaves_no_half_checkpoint(made: tuple[Path, dict[str, Any]]) -> None:
    runs, said = made
    assert "The disk is full" in said["full disk"] and "checkpoint of step 3 is whole" in said["full disk"]
    assert [path.name for path in (runs / "full-disk" / "checkpoints").iterdir()] == ["step-3"]


@pytest.mark.parametrize("kind", ["full", "preference"])
def test_two_processes_give_the_curve_of_one(kind: str, made: tuple[Path, dict[str, Any]]) -> None:
    runs, said = made
    assert said["split"][kind] == [0, 0], said["stderr"][-3000:]
    one, two = _curve(runs / f"{kind}-unbroken"), _curve(runs / f"{kind}-split")
    assert [step for step, _ in one] == [step for step, _ in two]
    # Sums of floats in another order; dropout is off, since each process would draw its own.
    np.testing.assert_allclose([loss for _, loss in two], [loss for _, loss in one], rtol=2e-4)
    assert one[1][1] > one[-2][1], "nothing was learnt, so any two curves would be alike"
