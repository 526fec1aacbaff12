"""TRL's trainers as this project runs them. Importing this takes seconds; only a run does.

What `Steady` changes in them:
- the order of the rows depends on the recipe alone, and every step takes the same number of rows, so a run is the same
  in one process or several, and unbroken or resumed;
- a checkpoint is renamed into place once it is whole (`finetune.run_folder`);
- the held-out texts are scored token by token, not batch by batch, the same in any number of processes;
- nothing is sent to anybody.
"""

from __future__ import annotations

import itertools
import math
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch.utils.data import Sampler
from transformers import Trainer
from trl import DPOTrainer, SFTTrainer

from finetune.rows import Row, in_batches
from finetune.run_folder import RunFolder

_LARGEST = 700.0
"""Loss whose exponential is still a number."""


@dataclass(frozen=True, slots=True)
class Keeping:
    """What a trainer is told beside TRL's arguments."""

    folder: RunFolder
    keep: int
    """Checkpoints that stay."""
    best: bool
    """Whether the one with the lowest held-out loss stays too."""
    tokens: int
    """Of a batch of held-out texts."""
    held: Sequence[Row]
    """Held-out texts; of pairs first all that are preferred, then all that are rejected."""


class Order(Sampler[int]):
    """`count` row numbers of `rows`: one pass after another, each in an order of its own."""

    def __init__(self, rows: int, count: int, seed: int) -> None:
        self._rows, self._count, self._seed = rows, count, seed

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[int]:
        return itertools.islice(itertools.chain.from_iterable(map(self._pass, itertools.count())), self._count)

    def _pass(self, number: int) -> list[int]:
        drawn = torch.Generator().manual_seed(self._seed * 1_000_003 + number)
        order: list[int] = torch.randperm(self._rows, generator=drawn).tolist()
        return order


class Steady:
    """Mixed into a trainer of TRL's."""

    args: Any
    state: Any
    control: Any
    accelerator: Any
    callback_handler: Any
    model: Any
    model_wrapped: Any
    train_dataset: Any
    keeping: Keeping
    aside_s: float
    """Seconds that went into scoring and saving."""

    def start(self, keeping: Keeping) -> None:
        self.keeping, self.aside_s = keeping, 0.0

    def _send_telemetry(self) -> None:
        """TRL tells its makers what is trained on what; here nobody is told."""

    def _get_train_sampler(self, train_dataset: Any = None) -> Order:
        rows = len(self.train_dataset if train_dataset is None else train_dataset)
        each = self.args.per_device_train_batch_size * self.args.gradient_accumulation_steps * self.args.world_size
        return Order(rows, self.args.max_steps * each, self.args.seed)

    def _get_output_dir(self, trial: Any) -> str:
        return str(self.keeping.folder.unfinished)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        began = time.perf_counter()
        step, folder = self.state.global_step, self.keeping.folder
        if self.args.should_save:
            shutil.rmtree(folder.unfinished, ignore_errors=True)
        self.accelerator.wait_for_everyone()
        Trainer._save_checkpoint(self, model, trial)  # type: ignore[arg-type]  # TRL's writes a card of its own first
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            written = folder.unfinished / f"checkpoint-{step}"
            folder.keep(written, step, self.keeping.keep, self.state.best_global_step)
        self.accelerator.wait_for_everyone()
        self.aside_s += time.perf_counter() - began

    def _determine_best_metric(self, metrics: dict[str, float], trial: Any) -> bool:
        better = bool(super()._determine_best_metric(metrics, trial))  # type: ignore[misc]
        if better and self.keeping.best:
            self.control.should_save = True
        return better

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """The scores of the held-out texts, logged."""
        began = time.perf_counter()
        metrics = {f"eval_{name}": value for name, value in self.scores().items()}
        Trainer.log(self, metrics)  # type: ignore[arg-type]  # TRL's adds what it gathered while training
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        self.aside_s += time.perf_counter() - began
        return metrics

    def scores(self) -> dict[str, float]:
        raise NotImplementedError

    def likelihoods(self) -> torch.Tensor:
        """Of each held-out row the log-probability of what it teaches, and its taught tokens; (rows, 2), on the CPU."""
        rows, processes = self.keeping.held, self.args.world_size
        batches = in_batches([len(row["input_ids"]) for row in rows], self.keeping.tokens)
        # Sharded weights are gathered by all processes together: each makes as many passes.
        rounds = math.ceil(len(batches) / processes)
        found = torch.zeros(len(rows), 2, device=self.args.device)
        net = self.model_wrapped if self.is_fsdp_enabled or self.is_deepspeed_enabled else self.model  # type: ignore[attr-defined]
        training = net.training
        net.eval()
        for round_ in range(rounds):
            number = round_ * processes + self.args.process_index
            batch = batches[number] if number < len(batches) else batches[-1]
            with torch.no_grad(), self.compute_loss_context_manager():  # type: ignore[attr-defined]
                said = net(**self._padded([rows[i] for i in batch]), fused_lm_head=True)
            if number < len(batches):
                found[batch, 0] = said.log_probs.float().sum(1)
                found[batch, 1] = said.label_mask.sum(1).float()
        net.train(training)
        everyone: torch.Tensor = self.accelerator.reduce(found, "sum")
        return everyone.cpu()

    def _padded(self, rows: Sequence[Row]) -> dict[str, torch.Tensor]:
        longest = max(len(row["input_ids"]) for row in rows)

        def filled(key: str, value: int) -> torch.Tensor:
            return torch.tensor([row[key] + [value] * (longest - len(row[key])) for row in rows], device=self.args.device)

        ids, labels = filled("input_ids", 0), filled("labels", -100)
        there = torch.arange(longest, device=ids.device) < torch.tensor(
            [[len(row["input_ids"])] for row in rows], device=ids.device
        )
        return {"input_ids": ids, "labels": labels, "attention_mask": there.long()}


class ChatTrainer(Steady, SFTTrainer):  # type: ignore[misc]  # TRL has no types
    """Supervised: the loss of the taught tokens."""

    def __init__(self, keeping: Keeping, **options: Any) -> None:
        self.start(keeping)
        super().__init__(**options)

    def scores(self) -> dict[str, float]:
        """Mean loss of a taught token in nats, and its exponential."""
        found = self.likelihoods().double()
        loss = float(-found[:, 0].sum() / found[:, 1].sum().clamp(min=1))
        return {"loss": loss, "perplexity": math.exp(min(loss, _LARGEST))}


class PreferenceTrainer(Steady, DPOTrainer):  # type: ignore[misc]
    """DPO on pairs that are tokens already: columns prompt_ids, chosen_ids, rejected_ids."""

    eval_dataset: Any
    beta: float

    def __init__(self, keeping: Keeping, **options: Any) -> None:
        self.start(keeping)
        super().__init__(**options)

    def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
        return dataset

    def scores(self) -> dict[str, float]:
        """Of the held-out pairs: mean log-probabilities of both answers, share of pairs won, DPO's loss.

        A pair is won when the preferred answer gained more than the rejected one since before preference training.
        The loss is -log σ(β·(gain of the preferred - gain of the rejected)), whatever loss is trained with.
        """
        chosen, rejected = self.likelihoods()[:, 0].chunk(2)
        before = [torch.tensor(self.eval_dataset[f"ref_{kind}_logps"][:]) for kind in ("chosen", "rejected")]
        margin = (chosen - before[0]) - (rejected - before[1])
        return {
            "loss": float(-F.logsigmoid(self.beta * margin).mean()),
            "chosen": float(chosen.mean()),
            "rejected": float(rejected.mean()),
            "won": float((margin > 0).float().mean()),
        }
