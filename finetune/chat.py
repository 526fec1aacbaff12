"""Teaches a chat model from conversations: `python -m finetune.chat --config FILE [--set table.key=value]…`.

    python -m finetune.chat --config finetune/configs/redpajama-3b-lora-24gb.toml --set data.train=ratings.jsonl

Supervised fine-tuning with TRL and PEFT: a LoRA adapter, one beside 4-bit weights (QLoRA), or every weight. The tokens
are those that the app would send (`finetune.masking`), and only the assistant's count in the loss. What a run leaves:
`finetune.run_folder`. On several devices: `accelerate launch --config_file finetune/accelerate/ddp.yaml -m
finetune.chat …`, with the same flags.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chat.hub import Progress, silent
from errors import InputError
from finetune import data, masking
from finetune.base_model import network, open_base, open_encoder
from finetune.command import command
from finetune.config import Recipe
from finetune.examples import Example
from finetune.masking import Encoder
from finetune.packing import Fields, Packed, Tokens, pack
from finetune.rows import Encoded, dataset, encoded, left_out, parted, taught
from finetune.run_folder import RUNS
from finetune.training import Job, Run, admitted, arguments, teach

_COLUMNS = ("input_ids", "labels", "seq_lengths")


def train(
    recipe: Recipe,
    runs: Path = RUNS,
    *,
    resume: bool = False,
    skip_bad: bool = False,
    bar: bool = False,
    progress: Progress = silent,
) -> Run:
    """Teach the recipe's model; the run is kept in `runs`, unless the recipe says where.

    Raises `AppError`: the recipe, the model or the data cannot be used, or something ran out on the way.
    """
    folder = admitted(recipe, runs, resume)
    base = open_base(recipe, progress)
    parts = parted(data.examples, recipe, skip_bad)
    one = masking.encoder(base.tokenizer, base.format)
    learnt, held = (encode(texts, one, recipe, skip_bad) for texts in (parts.shown, parts.held))
    rows = [row.fields for row in _rows(learnt, recipe)]
    measured = [row.fields for row in _alone(held.rows)]
    if not rows:
        raise InputError(
            f"No conversation of “{recipe.data.train}” fits data.length, {recipe.data.length} tokens; raise it.",
            zh=f"“{recipe.data.train}”中没有一段对话能放进 data.length（{recipe.data.length} 个词元）；请调大。",
        )
    job = Job(
        kind="chat",
        recipe=recipe,
        folder=folder,
        base=base,
        files=parts.files,
        counts={
            "conversations": learnt.texts,
            "held": held.texts,
            "rows": len(rows),
            "tokens": sum(len(one["input_ids"]) for one in rows),
            "taught_tokens": taught(rows),
            **left_out(parts.skipped, learnt, held),
        },
        rows=len(rows),
        held=len(measured),
        bar=bar,
    )
    return teach(job, lambda resumed: _trainer(job, rows, measured, progress, resumed), resume)


def count(recipe: Recipe, skip_bad: bool, progress: Progress) -> int:
    """The rows that the recipe's data give; of the model only the tokenizer is fetched. Raises `AppError`."""
    one = open_encoder(recipe.model.base, recipe.model.format, progress)
    return len(_rows(encode(parted(data.examples, recipe, skip_bad).shown, one, recipe, skip_bad), recipe))


def _rows(learnt: Encoded[Tokens], recipe: Recipe) -> list[Packed]:
    return pack(learnt.rows, recipe.data.length) if recipe.data.packing else _alone(learnt.rows)


def _alone(texts: Sequence[Tokens]) -> list[Packed]:
    """Each text as a row of its own."""
    return [Packed((text,)) for text in texts]


def encode(examples: Sequence[Example], one: Encoder, recipe: Recipe, skip_bad: bool = False) -> Encoded[Tokens]:
    """The rows of conversations that teach something within the length. Raises `InputError` as `rows.encoded`."""

    def write(example: Example) -> list[Tokens]:
        return [tokens for tokens in one.rows(example.turns, recipe.data.length) if any(tokens.taught)]

    return encoded(examples, write, skip_bad)


def _trainer(job: Job, rows: Sequence[Fields], held: Sequence[Fields], progress: Progress, resumed: bool) -> Any:
    from copy import deepcopy

    from trl.trainer.sft_config import SFTConfig

    from finetune.trainers import ChatTrainer, Keeping

    recipe = job.recipe
    packed = recipe.data.packing
    config = SFTConfig(
        **arguments(job, resumed),
        padding_free=packed,
        dataset_kwargs={"skip_prepare_dataset": True},
    )
    columns = _COLUMNS if packed else _COLUMNS[:2]
    keeping = Keeping(
        folder=job.folder,
        keep=recipe.training.keep,
        best=recipe.training.patience > 0,
        tokens=recipe.training.batch * recipe.data.length,
        held=held,
    )
    return ChatTrainer(
        keeping,
        model=network(recipe, job.base, progress),
        args=config,
        train_dataset=dataset(rows, columns),
        eval_dataset=dataset(held, columns) if held else None,
        processing_class=deepcopy(job.base.tokenizer),  # the trainer gives it a padding token
    )


def main(arguments: Sequence[str] | None = None) -> int:
    return command("finetune.chat", __doc__, train, count, arguments, pairs=False)


if __name__ == "__main__":
    sys.exit(main())
