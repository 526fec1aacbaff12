"""What short training runs really take beside what was planned: `python -m evaluation.training_memory [--json]`.

Each run has a process of its own, trains a network with random weights (`evaluation.shapes`) for two steps with TRL on
the CPU, and reports its largest resident memory (VmHWM, Linux), less what it held before the network was loaded. The
plan's figure is the same: all it counts but the libraries. Seconds are those of the second step.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from errors import AppError
from evaluation.machine import machine
from evaluation.shapes import make
from finetune.config import Card, Data, Method, Model, Recipe, Training
from finetune.need import CPU_RUNTIME
from finetune.place import here
from finetune.plan import changed, plan

_ROOT = Path(__file__).parent.parent
_STEPS = 2
_BASE = Recipe(
    model=Model(base=""),
    method=Method(kind="full"),
    data=Data(length=512),
    training=Training(batch=1, accumulate=1, checkpointing=False, steps=_STEPS, rate=1e-4),
    card=Card(),
)


@dataclass(frozen=True, slots=True)
class Case:
    """A run: a shape, and what differs from a whole float32 network in rows of 512 tokens without checkpointing."""

    shape: str
    change: dict[str, dict[str, Any]]
    pairs: bool = False

    @property
    def name(self) -> str:
        return ", ".join(
            f"{key} {str(value).lower()}" for values in self.change.values() for key, value in values.items()
        )

    def recipe(self, base: str) -> Recipe:
        recipe = changed(_BASE, self.change)
        return replace(recipe, model=replace(recipe.model, base=base))


_LORA = {"kind": "lora"}
_WHOLE = {"kind": "full"}
_HALF = {"dtype": "bfloat16"}
CASES = (
    Case("neox-80m", {"method": _WHOLE, "training": {"batch": 2}}),
    Case(
        "neox-80m", {"method": _WHOLE, "data": {"length": 1024}, "training": {"checkpointing": True, "accumulate": 2}}
    ),
    Case("neox-80m", {"method": _WHOLE, "model": {"compute": "bfloat16"}, "training": {"optimizer": "adafactor"}}),
    Case("neox-80m", {"method": _LORA, "training": {"batch": 2}}),
    Case("llama-360m", {"method": _LORA, "model": _HALF, "data": {"length": 256}, "training": {"checkpointing": True}}),
    Case(
        "neox-80m",
        {
            "method": _WHOLE,
            "model": {"compute": "bfloat16"},
            "data": {"length": 256},
            "training": {"checkpointing": True},
        },
    ),
    Case("neox-80m", {"method": _WHOLE, "data": {"length": 256}}, pairs=True),
    Case("llama-360m", {"method": _LORA, "data": {"length": 256}}),
)


def measure(numbers: Sequence[int]) -> dict[str, Any]:
    """Plan and run the cases of these numbers. Raises `RuntimeError` with what a run said where it failed."""
    runs = []
    with tempfile.TemporaryDirectory() as scratch:
        for number in numbers:
            case = CASES[number]
            folder = Path(scratch) / case.shape
            if not folder.is_dir():
                make(case.shape, folder)
            recipe = case.recipe(str(folder))
            planned = plan(recipe, pairs=case.pairs, place=here(recipe), folder=Path(scratch))
            done = subprocess.run(
                [sys.executable, "-m", "evaluation.training_memory", "--folder", str(folder), "--case", str(number)],
                cwd=_ROOT,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                raise RuntimeError(f"{case.shape}, {case.name}: {done.stderr[-2000:]}")
            seen = json.loads(done.stdout.splitlines()[-1])
            held = planned.memory.total - CPU_RUNTIME
            runs.append(
                {
                    "shape": case.shape,
                    "what": case.name + (", preference" if case.pairs else ""),
                    "planned_mb": round(held / 1e6),
                    "measured_mb": round(seen["peak"] / 1e6),
                    "ratio": round(held / seen["peak"], 3),
                    "libraries_mb": round(seen["before"] / 1e6),
                    "planned_s": round(planned.seconds_per_step, 1),
                    "measured_s": round(seen["seconds"], 1),
                }
            )
            print(json.dumps(runs[-1]), file=sys.stderr, flush=True)
    return {"runs": runs, "machine": machine()}


def _train(case: Case, folder: Path) -> dict[str, float]:
    """Run a case in this process."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    from trl.trainer.dpo_config import DPOConfig
    from trl.trainer.dpo_trainer import DPOTrainer
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    recipe = case.recipe(str(folder))
    training, method, length = recipe.training, recipe.method, recipe.data.length
    compute = recipe.model.compute or recipe.model.dtype
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.pad_token = tokenizer.eos_token
    count = training.batch * training.accumulate * _STEPS
    chance = torch.Generator().manual_seed(0)
    rows = torch.randint(10, len(tokenizer), (2 * count, length), generator=chance).tolist()
    torch.ones(256, 256).requires_grad_().matmul(torch.ones(256, 256)).sum().backward()  # type: ignore[no-untyped-call]
    began: list[float] = []

    class Clock(TrainerCallback):  # type: ignore[misc]  # its base has no types
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            began.append(time.perf_counter())

    class Prepared(DPOTrainer):
        def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
            return dataset

    with tempfile.TemporaryDirectory() as output:
        shared: dict[str, Any] = {
            "output_dir": output,
            "max_steps": _STEPS,
            "per_device_train_batch_size": training.batch,
            "gradient_accumulation_steps": training.accumulate,
            "learning_rate": training.rate,
            "optim": training.optimizer,
            "gradient_checkpointing": training.checkpointing,
            "bf16": compute == "bfloat16",
            "use_cpu": True,
            "save_strategy": "no",
            "report_to": "none",
            "disable_tqdm": True,
            "max_length": None,
            "dataloader_pin_memory": False,
        }
        adapter = (
            None
            if method.kind == "full"
            else LoraConfig(
                r=method.rank,
                lora_alpha=method.alpha,
                lora_dropout=method.dropout,
                target_modules="all-linear",
                task_type="CAUSAL_LM",
            )
        )
        before = _status("VmRSS")
        net = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, recipe.model.dtype))
        options = {"model": net, "peft_config": adapter, "processing_class": tokenizer, "callbacks": [Clock()]}
        if case.pairs:
            texts = [(row[: length // 2], row[length // 2 :]) for row in rows]
            data = Dataset.from_list(
                [
                    {"prompt_ids": asked, "chosen_ids": answer, "rejected_ids": other[1]}
                    for (asked, answer), other in zip(texts[:count], texts[count:], strict=True)
                ]
            )
            trainer = Prepared(
                args=DPOConfig(**shared),
                train_dataset=data,
                ref_model=AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, recipe.model.dtype)),
                **options,
            )
        else:
            half = length // 2
            data = Dataset.from_list(
                [{"input_ids": row, "labels": row, "seq_lengths": [half, length - half]} for row in rows[:count]]
            )
            args = SFTConfig(**shared, padding_free=True, dataset_kwargs={"skip_prepare_dataset": True})
            trainer = SFTTrainer(args=args, train_dataset=data, **options)
        trainer.train()
        ended = time.perf_counter()
    return {"before": before, "peak": _status("VmHWM") - before, "seconds": ended - began[-1]}


def _status(name: str) -> int:
    """Bytes of a figure that Linux keeps of this process."""
    found = re.search(rf"^{name}:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8"), re.MULTILINE)
    if not found:
        raise RuntimeError(f"this system does not tell {name} in /proc/self/status")
    return 1024 * int(found[1])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m evaluation.training_memory", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    parser.add_argument("--cases", help="numbers of the cases to run, from 0; all unless given: 0,3")
    parser.add_argument("--folder", type=Path, help="with --case: a model made by evaluation.shapes")
    parser.add_argument("--case", type=int, help="run one case in this process and report what it took")
    options = parser.parse_args(arguments)
    if options.case is not None:
        print(json.dumps(_train(CASES[options.case], options.folder)))
        return 0
    try:
        figures = measure([int(number) for number in options.cases.split(",")] if options.cases else range(len(CASES)))
    except AppError as error:
        print(error, file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
