"""Training loops of our own go on where they were killed: python -m pytest tests/test_course.py"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from errors import InputError
from finetune.course import Checkpoints, Course, digest

_EPOCHS, _STEPS = 4, 5


class Killed(Exception):
    """What stops a loop in these tests."""


def _learn(
    checkpoints: Checkpoints | None, *, until: int | None = None, data: str = "", epochs: int = _EPOCHS
) -> list[float]:
    """The weights of a small network with dropout, optimizer and schedule, after it was stopped or is done."""
    torch.manual_seed(3)
    chance = np.random.default_rng(3)
    net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 1))
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.05, total_steps=_EPOCHS * _STEPS)
    course = Course("small net", (net, optimizer, schedule), chance, checkpoints, data)
    for epoch in course.epochs(epochs, _STEPS):
        for step in range(_STEPS):
            if epoch * _STEPS + step == until:
                raise Killed
            rows = torch.from_numpy(chance.normal(size=(6, 4)).astype(np.float32))
            loss = (net(rows) - rows.sum(1, keepdim=True)).square().mean()
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            course.told(float(loss.detach()), float(schedule.get_last_lr()[0]))
            schedule.step()
    return [float(value) for part in net.parameters() for value in part.detach().flatten()]


@pytest.mark.parametrize("kills", [(3,), (7, 14), (5, 10, 19)])
def test_killed_and_gone_on_with_it_ends_as_unbroken(kills: Sequence[int], tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, resume=True)
    for at in kills:
        with pytest.raises(Killed):
            _learn(checkpoints, until=at)
    assert _learn(checkpoints) == _learn(None)


def test_one_that_is_done_is_not_done_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = _learn(Checkpoints(tmp_path))
    told = capsys.readouterr().out
    assert told.count("small net, epoch ") == _EPOCHS and "epoch 4 of 4: loss " in told
    assert _learn(Checkpoints(tmp_path, resume=True)) == whole
    assert "epoch" not in capsys.readouterr().out
    with Image.open(tmp_path / "small-net.png") as picture:
        assert picture.size[0] > 500


def test_other_data_and_another_number_of_epochs_are_refused(tmp_path: Path) -> None:
    _learn(Checkpoints(tmp_path), data=digest(["one"], np.ones(2)))
    for changed in (digest(["one"], np.zeros(2)), digest(["two"], np.ones(2))):
        with pytest.raises(InputError, match="the number of epochs changed since the run"):
            _learn(Checkpoints(tmp_path, resume=True), data=changed)
    with pytest.raises(InputError, match="leave --resume out"):
        _learn(Checkpoints(tmp_path, resume=True), data=digest(["one"], np.ones(2)), epochs=5)


def test_nothing_to_go_on_from_and_a_folder_that_cannot_be_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"There is no checkpoint in .*; leave --resume out, or name another --run"):
        Checkpoints(tmp_path, resume=True).admit()
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(InputError, match=r"cannot be written \(Not a directory\); choose another place with --run"):
        Checkpoints(tmp_path / "file" / "run").admit()


def test_a_run_from_the_start_forgets_the_one_before(tmp_path: Path) -> None:
    _learn(Checkpoints(tmp_path))
    Checkpoints(tmp_path).admit()
    assert not list(tmp_path.glob("*.pt"))
    Checkpoints(tmp_path).admit()
