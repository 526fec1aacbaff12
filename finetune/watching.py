"""What looks on while a model is trained: the progress bar, the curves, trackers, and what stops a run early."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

from tqdm import tqdm
from transformers import TrainerCallback
from transformers.trainer_callback import ExportableState

from errors import InputError, ModelError
from finetune.curves import draw

_PICTURE_S = 120
"""Seconds from one picture to the next."""


class Passes(TrainerCallback):  # type: ignore[misc]  # transformers has no types for it
    """Counts epochs by rows, and scores the last step. The trainer takes a whole run for one epoch."""

    def __init__(self, steps_of_a_pass: float, scored: bool) -> None:
        self._steps, self._scored = steps_of_a_pass, scored

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        state.epoch = state.global_step / self._steps
        if self._scored and state.global_step >= state.max_steps:
            control.should_evaluate = True


class Bar(TrainerCallback):  # type: ignore[misc]
    """A line that tells step, losses and time left; drawn by the first process alone."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._told: dict[str, str] = {}

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.is_world_process_zero:
            self._bar = tqdm(total=state.max_steps, initial=state.global_step, unit="step", dynamic_ncols=True)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self._bar is not None:
            self._bar.update(state.global_step - self._bar.n)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        for key, name in (("loss", "loss"), ("eval_loss", "held-out")):
            if logs and key in logs:
                self._told[name] = f"{logs[key]:.3f}"
        if self._bar is not None:
            self._bar.set_postfix(self._told)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


class Curves(TrainerCallback):  # type: ignore[misc]
    """Draws the curves anew now and then, for whoever watches a long run."""

    def __init__(self, file: Path) -> None:
        self._file, self._drawn = file, time.monotonic()

    def on_log(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.is_world_process_zero and time.monotonic() - self._drawn > _PICTURE_S:
            draw(state.log_history, self._file)
            self._drawn = time.monotonic()


class Finite(TrainerCallback):  # type: ignore[misc]
    """Stops a run whose loss is no number any more."""

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        loss = (logs or {}).get("loss", 0.0)
        if not math.isfinite(loss):
            raise ModelError(
                f"The loss is {loss} at step {state.global_step}, so nothing is learnt any more; lower training.rate, "
                "or set model.dtype to float32.",
                zh=f"第 {state.global_step} 步的损失为 {loss}，训练已失效；请调低 training.rate，或把 model.dtype 设为 "
                "float32。",
            )


class Patience(TrainerCallback, ExportableState):  # type: ignore[misc]
    """Stops after so many scorings of held-out texts without a better loss. Its count is kept in checkpoints."""

    def __init__(self, patience: int) -> None:
        self.patience, self.waited = patience, 0

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: dict[str, float], **_: Any) -> None:
        better = state.best_metric is None or metrics["eval_loss"] < state.best_metric
        self.waited = 0 if better else self.waited + 1
        if self.waited >= self.patience:
            control.should_training_stop = True

    def state(self) -> dict[str, Any]:
        return {"args": {"patience": self.patience}, "attributes": {"waited": self.waited}}


class Clock(TrainerCallback, ExportableState):  # type: ignore[misc]
    """How long a run has taken. Its checkpoints keep that, so that a run that goes on counts what went before."""

    def __init__(self) -> None:
        self.before, self._began = 0.0, time.perf_counter()

    @property
    def seconds(self) -> float:
        return self.before + time.perf_counter() - self._began

    def state(self) -> dict[str, Any]:
        return {"args": {}, "attributes": {"before": self.seconds}}


def trackers(names: tuple[str, ...], folder: Path, step: int) -> list[Any]:
    """TensorBoard and W&B as callbacks; a run that goes on at `step` writes over what came after it.

    Raises `InputError` for one that is not installed.
    """
    return [_TRACKERS[name](folder, step) for name in names]


def _tensorboard(folder: Path, step: int) -> Any:
    from transformers.integrations import TensorBoardCallback

    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise _missing("tensorboard") from error
    return TensorBoardCallback(SummaryWriter(folder / "tensorboard", purge_step=step + 1 if step else None))


def _wandb(folder: Path, step: int) -> Any:
    from transformers.integrations import WandbCallback, is_wandb_available

    if not is_wandb_available():
        raise _missing("wandb")
    return WandbCallback()


_TRACKERS = {"tensorboard": _tensorboard, "wandb": _wandb}


def _missing(name: str) -> InputError:
    return InputError(
        f"output.report names {name}, which is not installed; install it with `pip install {name}`, or leave it out.",
        zh=f"output.report 中的 {name} 尚未安装；请用 `pip install {name}` 安装，或去掉它。",
    )
