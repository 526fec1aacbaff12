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
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch.utils.data import Sampler
from transformers import PreTrainedModel, Trainer
from transformers.trainer_callback import ExportableState
from trl.trainer.dpo_trainer import DPOTrainer
from trl.trainer.sft_trainer import SFTTrainer

from finetune.packing import IGNORED, Fields
from finetune.rows import answered, in_batches
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
    held: Sequence[Fields]
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


class Steady(ABC):
    """Mixed into a trainer of TRL's."""

    args: Any
    state: Any
    control: Any
    accelerator: Any
    callback_handler: Any
    model: Any
    model_wrapped: Any
    train_dataset: Any
    is_fsdp_enabled: bool
    is_deepspeed_enabled: bool
    _load_best_model: Callable[[], None]
    keeping: Keeping
    aside_s: float
    """Seconds that went into scoring and saving."""

    def start(self, keeping: Keeping) -> None:
        self.keeping, self.aside_s = keeping, 0.0

    def _send_telemetry(self) -> None:  # noqa: B027  # doing nothing is what it is for
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
        Trainer._save_checkpoint(self, model, trial)  # TRL's writes a card of its own first
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            written = folder.unfinished / f"checkpoint-{step}"
            folder.keep(written, step, self.keeping.keep, self.state.best_global_step)
        self.accelerator.wait_for_everyone()
        self.aside_s += time.perf_counter() - began

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """Whole weights are read as any model's: some have other names in a file than in the network (GPT-NeoX).

        transformers' own way leaves out those that do not have the same.
        """
        if isinstance(self.model, PreTrainedModel) and not (self.is_fsdp_enabled or self.is_deepspeed_enabled):
            net = type(self.model).from_pretrained(resume_from_checkpoint, dtype=self.model.dtype)
            self.model.load_state_dict(net.state_dict())
        else:
            super()._load_from_checkpoint(resume_from_checkpoint, model)  # type: ignore[misc]

    def _load_callback_state(self) -> None:
        super()._load_callback_state()  # type: ignore[misc]
        for callback in self.callback_handler.callbacks:
            if isinstance(callback, ExportableState):
                # A checkpoint from before there was this callback says nothing of it, which the next one stumbles over.
                self.state.stateful_callbacks.setdefault(type(callback).__name__, callback.state())

    def take(self, step: int) -> None:
        """The weights of a checkpoint, after training."""
        folder = str(self.keeping.folder.checkpoint(step))
        if self.is_fsdp_enabled or self.is_deepspeed_enabled:
            self.state.best_model_checkpoint = folder
            self._load_best_model()
        else:
            self._load_from_checkpoint(folder)

    def _determine_best_metric(self, metrics: dict[str, float], trial: Any) -> bool:
        better = bool(super()._determine_best_metric(metrics, trial))  # type: ignore[misc]
        if better and self.keeping.best:
            self.control.should_save = True
        return better

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """The scores of the held-out texts, logged."""
        began = time.perf_counter()
        metrics = {f"eval_{name}": value for name, value in self.scores().items()}
        Trainer.log(self, metrics)  # TRL's adds what it gathered while training
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        self.aside_s += time.perf_counter() - began
        return metrics

    @abstractmethod
    def scores(self) -> dict[str, float]:
        """Of the held-out texts, by their names."""

    def likelihoods(self, rows: Sequence[Fields]) -> torch.Tensor:
        """Of each row the log-probability of what it teaches, and its taught tokens; shape (rows, 2), on the CPU."""
        processes = self.args.world_size
        batches = in_batches([len(row["input_ids"]) for row in rows], self.keeping.tokens)
        # Sharded weights are gathered by all processes together: each makes as many passes.
        rounds = math.ceil(len(batches) / processes)
        found = torch.zeros(len(rows), 2, device=self.args.device)
        net = self.model_wrapped if self.is_fsdp_enabled or self.is_deepspeed_enabled else self.model
        training = net.training
        net.eval()
        _keep_four_bits(net)
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

    def _padded(self, rows: Sequence[Fields]) -> dict[str, torch.Tensor]:
        longest = max(len(row["input_ids"]) for row in rows)

        def filled(lists: Iterable[list[int]], value: int) -> torch.Tensor:
            return torch.tensor([one + [value] * (longest - len(one)) for one in lists], device=self.args.device)

        ids = filled((row["input_ids"] for row in rows), 0)
        labels = filled((row["labels"] for row in rows), IGNORED)
        there = torch.arange(longest, device=ids.device) < torch.tensor(
            [[len(row["input_ids"])] for row in rows], device=ids.device
        )
        return {"input_ids": ids, "labels": labels, "attention_mask": there.long()}


def _keep_four_bits(net: Any) -> None:
    """Leave layers of 4-bit weights in training, where they compute the same.

    Outside it, on a CPU, bitsandbytes lays the weights out anew, and no gradient passes through them any more.
    """
    for module in net.modules():
        if type(module).__name__ == "Linear4bit":
            module.training = True


class ChatTrainer(Steady, SFTTrainer):
    """Supervised: the loss of the taught tokens."""

    def __init__(self, keeping: Keeping, **options: Any) -> None:
        self.start(keeping)
        super().__init__(**options)

    def scores(self) -> dict[str, float]:
        """Mean loss of a taught token in nats, and its exponential."""
        found = self.likelihoods(self.keeping.held).double()
        loss = float(-found[:, 0].sum() / found[:, 1].sum().clamp(min=1))
        return {"loss": loss, "perplexity": math.exp(min(loss, _LARGEST))}


class PreferenceTrainer(Steady, DPOTrainer):
    """DPO on pairs that are tokens already: columns prompt_ids, chosen_ids, rejected_ids."""

    eval_dataset: Any
    beta: float

    def __init__(self, keeping: Keeping, **options: Any) -> None:
        self.start(keeping)
        super().__init__(**options)
        if "ref" in getattr(self.model, "peft_config", ()):
            # The copy of the adapter that the reference was worked out with has done its duty.
            self.model.delete_adapter("ref")
            self.model.set_adapter("default")

    def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
        return dataset

    def _precompute_ref_logps(self, dataset: Any, *_: Any) -> Any:
        """The data set with the log-probabilities of both answers before training, which the model as it is has.

        TRL's way leaves them in a file that other processes look for in vain.
        """
        for kind in ("chosen", "rejected"):
            found = self.likelihoods([answered(row["prompt_ids"], row[f"{kind}_ids"]) for row in dataset])
            dataset = dataset.add_column(f"ref_{kind}_logps", found[:, 0].tolist())
        return dataset

    def scores(self) -> dict[str, float]:
        """Of the held-out pairs: mean log-probabilities of both answers, DPO's loss; after the first step, pairs won.

        A pair is won when the preferred answer gained more than the rejected one since before preference training; the
        share of them is told. The loss is -log σ(β·(gain of the preferred - gain of the rejected)), whatever loss is
        trained with.
        """
        chosen, rejected = self.likelihoods(self.keeping.held)[:, 0].chunk(2)
        before = [torch.tensor(self.eval_dataset[f"ref_{kind}_logps"][:]) for kind in ("chosen", "rejected")]
        margin = (chosen - before[0]) - (rejected - before[1])
        scores = {
            "loss": float(-F.logsigmoid(self.beta * margin).mean()),
            "chosen": float(chosen.mean()),
            "rejected": float(rejected.mean()),
        }
        return scores | ({"won": float((margin > 0).float().mean())} if self.state.global_step else {})
