"""How fast a model is trained, beside TRL called directly: `python -m evaluation.training [--json]`.

In turn on the same weights, rows and settings: `finetune.chat`, and TRL's SFTTrainer on its own with what its
documentation shows, which logs every ten steps. Scoring and saving are left out of both. The ratio is the median over
the rounds, pair by pair, of tokens/s; padding does not count.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chat.hub import silent
from errors import AppError
from evaluation.machine import machine
from evaluation.shapes import SHAPES, make, words
from finetune import chat, data
from finetune.base_model import open_base
from finetune.config import Data, Kind, Method, Model, Output, Recipe, Training
from finetune.masking import encoder
from finetune.packing import Fields, pack
from finetune.rows import dataset, parted

_QUESTION, _ANSWER = 24, 72
"""Words of each."""
_TEXTS = 400
_KINDS: tuple[Kind, ...] = ("lora", "full")


def texts(folder: Path) -> Path:
    """Conversations of words in no order."""
    rows = []
    for number in range(_TEXTS):
        asked = {"role": "user", "content": words(_QUESTION, 2 * number)}
        said = {"role": "assistant", "content": words(_ANSWER, 2 * number + 1)}
        rows.append(json.dumps({"messages": [asked, said]}))
    file = folder / "texts.jsonl"
    file.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return file


def recipe(base: Path, file: Path, kind: Kind, steps: int, length: int, name: str) -> Recipe:
    """Nothing held out and nothing saved before the end. In bfloat16 on a GPU, in float32 on a CPU."""
    import torch

    gpu = torch.cuda.is_available()
    return Recipe(
        model=Model(
            base=str(base),
            dtype="bfloat16" if gpu and kind == "lora" else "float32",
            compute="bfloat16" if gpu else "float32",
        ),
        method=Method(kind=kind),
        data=Data(train=str(file), held_share=0.0, length=length),
        training=Training(steps=steps, batch=1, accumulate=2, evaluate_every=steps, save_every=steps),
        output=Output(name=name, report=()),
    )


def ours(told: Recipe, runs: Path) -> float:
    """Tokens/s of `finetune.chat`."""
    return chat.train(told, runs).tokens_per_s


def plain(told: Recipe, folder: Path) -> float:
    """Tokens/s of TRL on its own, with the same rows and settings."""
    from peft import LoraConfig
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    training, method = told.training, told.method
    lora = LoraConfig(
        r=method.rank,
        lora_alpha=method.alpha,
        lora_dropout=method.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer: Any = SFTTrainer(
            told.model.base,
            args=SFTConfig(
                output_dir=str(folder / "plain"),
                model_init_kwargs={"dtype": told.model.dtype},
                max_steps=training.steps,
                per_device_train_batch_size=training.batch,
                gradient_accumulation_steps=training.accumulate,
                learning_rate=training.rate,
                activation_checkpointing=training.checkpointing,
                bf16=told.model.compute == "bfloat16",
                use_cpu=told.model.compute == "float32",
                padding_free=True,
                max_length=None,
                dataset_kwargs={"skip_prepare_dataset": True},
                save_strategy="no",
                report_to="none",
                disable_tqdm=True,
            ),
            train_dataset=dataset(_rows(told), ("input_ids", "labels", "seq_lengths")),
            peft_config=lora if method.kind == "lora" else None,
        )
        began = time.perf_counter()
        trainer.train()
        return float(trainer._total_train_tokens) / (time.perf_counter() - began)


def _rows(told: Recipe) -> list[Fields]:
    base = open_base(told, silent)
    one = encoder(base.tokenizer, base.format)
    shown = parted(data.examples, told, skip_bad=False).shown
    return [row.fields for row in pack(chat.encode(shown, one, told).rows, told.data.length)]


def compare(base: Path, kind: Kind, steps: int, length: int, rounds: int) -> dict[str, float]:
    """Both in turn, first one and then the other; the first pair only warms the machine."""
    pairs = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        file = texts(folder)
        for number in range(rounds + 1):
            told = recipe(base, file, kind, steps, length, f"{kind}-{number}")
            found = {}
            for who in (("ours", "plain"), ("plain", "ours"))[number % 2]:
                found[who] = ours(told, folder) if who == "ours" else plain(told, folder)
            pairs.append(found)
            print(f"{kind} {number}: {found['ours']:,.0f} and plain {found['plain']:,.0f} tokens/s", file=sys.stderr)
    pairs = pairs[1:]
    return {
        "tokens_per_s": statistics.median(pair["ours"] for pair in pairs),
        "plain_tokens_per_s": statistics.median(pair["plain"] for pair in pairs),
        "ratio": statistics.median(pair["ours"] / pair["plain"] for pair in pairs),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m evaluation.training", description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="neox-80m", help=f"a model's folder, or a shape: {', '.join(SHAPES)}")
    parser.add_argument("--kinds", default="lora,full", help="lora or full, or both with a comma between")
    parser.add_argument("--steps", type=int, default=10, help="of each run")
    parser.add_argument("--length", type=int, default=512, help="tokens of a row")
    parser.add_argument("--rounds", type=int, default=3, help="pairs that count")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    asked = options.kinds.split(",")
    kinds = [kind for kind in _KINDS if kind in asked]
    if len(kinds) < len(asked):
        parser.error(f"--kinds {options.kinds}: give {' or '.join(_KINDS)}, or both with a comma between.")
    try:
        with tempfile.TemporaryDirectory() as place:
            known = options.model in SHAPES
            base = make(options.model, Path(place) / options.model) if known else Path(options.model)
            found: dict[str, Any] = {
                kind: compare(base, kind, options.steps, options.length, options.rounds) for kind in kinds
            }
    except AppError as error:
        print(error, file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps({"model": options.model, "machine": machine(), "kinds": found}))
    else:
        for kind, row in found.items():
            print(f"{kind}: {row['tokens_per_s']:,.0f} tokens/s, TRL alone {row['plain_tokens_per_s']:,.0f}, ", end="")
            print(f"ratio {row['ratio']:.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
