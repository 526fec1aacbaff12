"""Teaches a chat model which of two answers is preferred: `python -m finetune.preference --config FILE [--set …]`.

    python -m finetune.preference --config dpo.toml --set data.train=pairs.jsonl --set model.adapter=var/runs/mine

DPO with TRL. The reference is the model before preference training: the base, or the base with `model.adapter`, which
is then trained further. Its likelihoods are worked out once, before the first step, so that no second model is kept in
memory. Plain DPO lowers both answers' likelihoods as long as the rejected one falls faster; `preference.sft` adds the
loss of the preferred answer, which holds it up (https://arxiv.org/abs/2404.19733).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chat.hub import Progress, silent
from errors import InputError
from finetune import data, masking
from finetune.base_model import is_sharded, network, open_base, open_encoder
from finetune.command import command
from finetune.config import Recipe
from finetune.examples import Pair
from finetune.masking import Encoder, PairTokens
from finetune.rows import Encoded, answered, dataset, encoded, left_out, parted
from finetune.run_folder import RUNS
from finetune.training import Job, Run, admitted, arguments, teach

_COLUMNS = ("prompt_ids", "chosen_ids", "rejected_ids")
_SMOOTHING = {"exo_pair": 1e-3, "robust": 0.1}
"""Label smoothing of losses that are nothing without it: of EXO's (https://arxiv.org/abs/2402.00856), and the share of
pairs that robust DPO takes to be the wrong way round (https://arxiv.org/abs/2403.00409), without which it is DPO."""


def train(
    recipe: Recipe,
    runs: Path = RUNS,
    *,
    resume: bool = False,
    skip_bad: bool = False,
    bar: bool = False,
    progress: Progress = silent,
) -> Run:
    """Train on the recipe's pairs; the run is kept in `runs`, unless the recipe says where.

    Raises `AppError`: the recipe, the model or the data cannot be used, or something ran out on the way.
    """
    _check_whole()
    folder = admitted(recipe, runs, resume)
    base = open_base(recipe, progress)
    parts = parted(data.pairs, recipe, skip_bad)
    one = masking.encoder(base.tokenizer, base.format)
    learnt, held = (encode(pairs, one, recipe, skip_bad) for pairs in (parts.shown, parts.held))
    rows, measured = learnt.rows, held.rows
    if not rows:
        raise InputError(
            f"No pair of “{recipe.data.train}” fits data.length, {recipe.data.length} tokens; raise it.",
            zh=f"“{recipe.data.train}”中没有一对回答能放进 data.length（{recipe.data.length} 个词元）；请调大。",
        )
    job = Job(
        kind="preference",
        recipe=recipe,
        folder=folder,
        base=base,
        files=parts.files,
        counts={
            "pairs": len(rows),
            "held": len(measured),
            "tokens": sum(2 * len(one.prompt) + len(one.chosen) + len(one.rejected) for one in rows),
            **left_out(parts.skipped, learnt, held),
        },
        rows=len(rows),
        held=len(measured),
        bar=bar,
    )
    return teach(job, lambda resumed: _trainer(job, rows, measured, progress, resumed), resume)


def count(recipe: Recipe, skip_bad: bool, progress: Progress) -> int:
    """The pairs that the recipe's data give; of the model only the tokenizer is fetched. Raises `AppError`."""
    one = open_encoder(recipe.model.base, recipe.model.format, progress)
    return len(encode(parted(data.pairs, recipe, skip_bad).shown, one, recipe, skip_bad).rows)


def encode(pairs: Sequence[Pair], one: Encoder, recipe: Recipe, skip_bad: bool) -> Encoded[PairTokens]:
    """The pairs that fit the length. Raises `InputError` as `rows.encoded`."""

    def write(pair: Pair) -> list[PairTokens]:
        tokens = one.pair(pair, recipe.data.length)
        return [tokens] if tokens.chosen and tokens.rejected else []

    return encoded(pairs, write, skip_bad)


def _check_whole() -> None:
    """Raise `InputError` where devices share the weights: the reference is the model as it is before it is cut up."""
    if is_sharded():
        raise InputError(
            "Preference training needs the whole model on each device; use finetune/accelerate/ddp.yaml, with "
            "method.kind lora or qlora where memory is short.",
            zh="偏好训练需要每个设备都有完整的模型；请用 finetune/accelerate/ddp.yaml，内存不足时用 method.kind lora "
            "或 qlora。",
        )


def _columns(pairs: Sequence[PairTokens]) -> Any:
    rows = [dict(zip(_COLUMNS, map(list, (one.prompt, one.chosen, one.rejected)), strict=True)) for one in pairs]
    return dataset(rows, _COLUMNS)


def _trainer(
    job: Job, rows: Sequence[PairTokens], held: Sequence[PairTokens], progress: Progress, resumed: bool
) -> Any:
    from copy import deepcopy

    from trl.trainer.dpo_config import DPOConfig

    from finetune.trainers import Keeping, PreferenceTrainer

    recipe = job.recipe
    preference = recipe.preference
    terms = {preference.loss: 1.0} | ({"sft": preference.sft} if preference.sft else {})
    config = DPOConfig(
        **arguments(job, resumed),
        beta=preference.beta,
        loss_type=list(terms),
        loss_weights=list(terms.values()),
        label_smoothing=_SMOOTHING.get(preference.loss, 0.0),
        precompute_ref_log_probs=True,
    )
    keeping = Keeping(
        folder=job.folder,
        keep=recipe.training.keep,
        best=recipe.training.patience > 0,
        tokens=2 * recipe.training.batch * recipe.data.length,
        held=[
            *(answered(pair.prompt, pair.chosen) for pair in held),
            *(answered(pair.prompt, pair.rejected) for pair in held),
        ],
    )
    return PreferenceTrainer(
        keeping,
        model=network(recipe, job.base, progress),
        args=config,
        train_dataset=_columns(rows),
        eval_dataset=_columns(held) if held else None,
        processing_class=deepcopy(job.base.tokenizer),  # the trainer gives it a padding token
    )


def main(arguments: Sequence[str] | None = None) -> int:
    return command("finetune.preference", __doc__, train, count, arguments, pairs=True)


if __name__ == "__main__":
    sys.exit(main())
