"""What supervised and preference training share: from rows and a network to a finished run in its folder.

    job = Job(recipe, folder, base, …)
    run = teach(job, make)       # `make` puts one of finetune.trainers together

A run that was killed goes on at its last whole checkpoint, and ends with the weights that it would have had.
"""

from __future__ import annotations

import json
import math
import shutil
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from chat.weights import is_out_of_memory
from errors import AppError, InputError, ModelError
from finetune.base_model import Base
from finetune.config import Recipe
from finetune.data import ReadFile
from finetune.run_card import card, versions
from finetune.run_folder import CARD, CURVES, RunFolder, as_json, is_full

_SCHEDULES = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}
_ROOM = 50_000_000
"""Bytes beside the weights: tokenizer, curves, logs."""
_STATE_BYTES = 8
"""Of the optimizer for each trained number, at most."""
_LEFT = ("training_args.bin", CARD)
"""What libraries write beside weights and nobody reads."""


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run."""

    folder: Path
    scores: Mapping[str, float]
    """Of the held-out texts, before and after: `loss_before`, `loss_after`, …; empty where nothing was held out."""
    steps: int
    parameters: int
    trained: int
    """Of the parameters."""
    minutes: float
    """Of training, scoring and saving; before a kill too."""
    tokens_per_s: float
    counts: Mapping[str, int]
    """Texts, rows and tokens, and what was left out."""


@dataclass(frozen=True, slots=True)
class Job:
    """A run about to be made."""

    kind: str
    """`chat` or `preference`."""
    recipe: Recipe
    folder: RunFolder
    base: Base
    files: tuple[tuple[str, ReadFile], ...]
    """What was read, each with its part: `train` or `held`."""
    counts: Mapping[str, int]
    """Texts, rows and tokens, for the card."""
    rows: int
    held: int
    bar: bool = False

    @property
    def steps(self) -> int:
        """Optimizer steps of the whole run."""
        training = self.recipe.training
        return training.steps or max(1, math.ceil(training.epochs * self.rows / self.step_rows))

    @property
    def step_rows(self) -> int:
        """Rows of one optimizer step, all processes together."""
        from accelerate import PartialState

        return self.recipe.training.batch * self.recipe.training.accumulate * int(PartialState().num_processes)


def folder_of(recipe: Recipe, runs: Path) -> RunFolder:
    """Where the recipe's run is kept. Raises `InputError` where it has no name."""
    name = recipe.output.name or (recipe.file.stem if recipe.file else "")
    if not name or Path(name).name != name or name.startswith("."):
        raise InputError(
            f"output.name is “{name}”; give the run a name without slashes that does not begin with a dot.",
            zh=f"output.name 为“{name}”；请给训练取一个不含斜杠、不以点开头的名称。",
        )
    return RunFolder(Path(recipe.output.folder).expanduser() if recipe.output.folder else runs / name)


def admitted(recipe: Recipe, runs: Path, resume: bool) -> RunFolder:
    """The run's folder, once it is sure that the run may begin or go on there. Raises `InputError`."""
    from accelerate import PartialState

    state, folder = PartialState(), folder_of(recipe, runs)
    if state.is_main_process:
        folder.admit(recipe, int(state.num_processes), resume)
    state.wait_for_everyone()
    return folder


def arguments(job: Job, resumed: bool) -> dict[str, Any]:
    """What both of TRL's configurations take."""
    import torch
    from accelerate import PartialState

    training, compute = job.recipe.training, job.recipe.model.multiplied_in
    return {
        "output_dir": str(job.folder.checkpoints),
        "run_name": job.folder.name,
        "max_steps": job.steps,
        "per_device_train_batch_size": training.batch,
        "gradient_accumulation_steps": training.accumulate,
        "learning_rate": training.rate,
        "lr_scheduler_type": _SCHEDULES[training.schedule],
        "warmup_steps": math.ceil(training.warmup * job.steps),
        "weight_decay": training.decay,
        "max_grad_norm": training.clip,
        "optim": training.optimizer,
        "activation_checkpointing": training.checkpointing,
        "seed": training.seed,
        "use_cpu": PartialState().device.type == "cpu",
        "bf16": compute == "bfloat16",
        "fp16": compute == "float16",
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "eval_strategy": "steps" if job.held else "no",
        "eval_steps": training.evaluate_every,
        "eval_on_start": bool(job.held) and not resumed,
        "save_steps": training.save_every,
        "metric_for_best_model": "loss" if training.patience else None,
        "greater_is_better": False if training.patience else None,
        "restore_callback_states_from_checkpoint": True,
        "report_to": "none",
        "disable_tqdm": True,
        "max_length": None,
        "dataloader_pin_memory": torch.cuda.is_available(),
    }


def teach(job: Job, make: Callable[[bool], Any], resume: bool) -> Run:
    """Train, and leave the finished run in its folder. `make(resumed)` gives the trainer.

    Raises `AppError` for what goes wrong: other data than a run that goes on began with, a full disk, too little
    memory, a loss that is no number, Ctrl-C.
    """
    folder = job.folder
    if resume:
        folder.same_data(as_files(job.files))
    steps = folder.steps() if resume else []
    try:
        with warnings.catch_warnings():
            # TRL calls parts of transformers by names that are about to change.
            warnings.simplefilter("ignore", FutureWarning)
            return _taught(job, make(bool(steps)), steps[-1] if steps else 0)
    except KeyboardInterrupt as error:
        raise folder.interrupted() from error
    except AppError:
        raise
    except Exception as error:
        if is_full(error):
            shutil.rmtree(folder.unfinished, ignore_errors=True)
            raise folder.full() from error
        if is_out_of_memory(error):
            raise ModelError(
                "There is not enough memory for a training step; lower training.batch or data.length, or set "
                "training.checkpointing=true.",
                zh="内存不足以完成一个训练步；请调低 training.batch 或 data.length，或设 training.checkpointing=true。",
            ) from error
        raise


def _taught(job: Job, trainer: Any, begun: int) -> Run:
    from transformers import PrinterCallback

    from finetune.watching import Bar, Clock, Curves, Finite, Passes, Patience, trackers

    recipe, folder = job.recipe, job.folder
    parameters, trained = _counted(trainer.model)
    main = bool(trainer.args.should_save)
    if main and not begun:
        _check_space(job, trainer.model, trained)
    bar = Bar()
    watching = [Passes(job.rows / job.step_rows, bool(job.held)), Finite(), Curves(folder.path / CURVES), Clock()]
    watching += [bar] if job.bar else []
    watching += [Patience(recipe.training.patience)] if recipe.training.patience else []
    watching += trackers(recipe.output.report, folder.path, begun) if main else []
    trainer.remove_callback(PrinterCallback)
    for callback in watching:
        trainer.add_callback(callback)
    if main:
        folder.write(_about(job, parameters, trained) | {"finished": False})
    if begun:
        _stop_where_it_stopped(trainer, folder.checkpoint(begun))
    began = time.perf_counter()
    try:
        trainer.train(resume_from_checkpoint=str(folder.checkpoint(begun)) if begun else None)
    finally:
        bar.close()
    seconds = time.perf_counter() - began
    # A run that goes on has the clock of its checkpoint, not the one above.
    clock = next(one for one in trainer.callback_handler.callbacks if isinstance(one, Clock))
    state = trainer.state
    last = state.global_step
    if recipe.training.patience and state.best_global_step not in (None, last):
        last = state.best_global_step
        trainer.take(last)
    run = Run(
        folder=folder.path,
        scores=_scores(state.log_history, last),
        steps=last,
        parameters=parameters,
        trained=trained,
        minutes=clock.seconds / 60,
        tokens_per_s=trainer._total_train_tokens / max(seconds - trainer.aside_s, 1e-9),
        counts=job.counts,
    )
    _save(job, trainer, run)
    return run


def _stop_where_it_stopped(trainer: Any, checkpoint: Path) -> None:
    """A run that ran out of patience at its last checkpoint takes no further step."""
    said = json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    patience = said["stateful_callbacks"].get("Patience")
    if patience and patience["attributes"]["waited"] >= patience["args"]["patience"]:
        trainer.args.max_steps = said["global_step"]


def _counted(net: Any) -> tuple[int, int]:
    """All parameters and the trained ones; 4-bit weights count as what they stand for."""
    from peft import PeftModel

    if isinstance(net, PeftModel):
        trained, every = net.get_nb_trainable_parameters()
        return int(every), int(trained)
    sizes = [tensor.numel() for tensor in net.parameters()]
    return sum(sizes), sum(tensor.numel() for tensor in net.parameters() if tensor.requires_grad)


def _check_space(job: Job, net: Any, trained: int) -> None:
    each = max(tensor.element_size() for tensor in net.parameters() if tensor.requires_grad)
    checkpoints = (job.recipe.training.keep + 1) * trained * (each + _STATE_BYTES)
    job.folder.check_space(checkpoints + trained * each + _ROOM)


def _scores(history: Sequence[Mapping[str, Any]], last: int) -> dict[str, float]:
    """Scores before the first step and after step `last`."""
    scored = {entry["step"]: entry for entry in history if "eval_loss" in entry}
    found = {}
    for when, step in (("before", 0), ("after", last)):
        for key, value in scored.get(step, {}).items():
            if key.startswith("eval_"):
                found[f"{key.removeprefix('eval_')}_{when}"] = float(value)
    return found


def _about(job: Job, parameters: int, trained: int) -> dict[str, Any]:
    """What run.json says from the start."""
    from accelerate import PartialState

    return {
        "kind": job.kind,
        "name": job.folder.name,
        "base": job.recipe.model.base,
        "adapter": job.recipe.model.adapter,
        "method": job.recipe.method.kind,
        "format": job.base.format,
        "recipe": as_json(job.recipe),
        "data": as_files(job.files),
        "counts": dict(job.counts),
        "processes": int(PartialState().num_processes),
        "parameters": parameters,
        "trained_parameters": trained,
        "versions": versions(),
    }


def as_files(files: Sequence[tuple[str, ReadFile]]) -> list[dict[str, Any]]:
    return [{"part": part, **asdict(file)} for part, file in files]


def _save(job: Job, trainer: Any, run: Run) -> None:
    """Put the weights into the run's folder, then what tells of them; `finished` is said last."""
    from finetune.curves import draw

    folder = job.folder
    trainer.save_model(str(folder.unfinished))
    trainer.accelerator.wait_for_everyone()
    if not trainer.args.should_save:
        return
    job.base.tokenizer.save_pretrained(folder.unfinished)
    for name in _LEFT:
        (folder.unfinished / name).unlink(missing_ok=True)
    for file in sorted(folder.unfinished.iterdir()):
        if file.is_file():
            file.replace(folder.path / file.name)
    shutil.rmtree(folder.unfinished)
    draw(trainer.state.log_history, folder.path / CURVES)
    result = {
        "scores": dict(run.scores),
        "steps": run.steps,
        "minutes": round(run.minutes, 2),
        "tokens_per_s": round(run.tokens_per_s, 1),
    }
    folder.write(result | {"finished": True})
    (folder.path / CARD).write_text(card(folder.said()), encoding="utf-8")
