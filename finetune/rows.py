"""The rows of a run: as a data set, in batches for scoring, and which texts are held out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chat.base import Role
from finetune.config import Recipe
from finetune.data import Item, Loaded, ReadFile
from finetune.packing import IGNORED, Fields


def taught(rows: Sequence[Fields]) -> int:
    """Tokens that the rows teach."""
    return sum(label != IGNORED for one in rows for label in one["labels"])


def answered(prompt: Sequence[int], answer: Sequence[int]) -> Fields:
    """An answer behind its prompt, which alone is scored."""
    ids = [*prompt, *answer]
    return Fields(input_ids=ids, labels=[*[IGNORED] * len(prompt), *answer], seq_lengths=[len(ids)])


def dataset(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> Any:
    """The rows as a `datasets.Dataset`, in memory."""
    from datasets import Dataset

    return Dataset.from_dict({name: [one[name] for one in rows] for name in columns})


def parted(
    read: Callable[[str, bool, int], Loaded[Item]], recipe: Recipe, skip_bad: bool
) -> tuple[Sequence[Item], Sequence[Item], tuple[tuple[str, ReadFile], ...]]:
    """What is taught, what only measures, and the files that both are from, with the part that each is of.

    `read`: `finetune.data.examples` or `pairs`; raises what that raises.
    """
    loaded = read(recipe.data.train, skip_bad, recipe.training.seed)
    files = tuple(("train", file) for file in loaded.files)
    if recipe.data.held:
        other = read(recipe.data.held, skip_bad, recipe.training.seed)
        return loaded.items, other.items, files + tuple(("held", file) for file in other.files)
    shown, held = held_out(loaded.items, recipe.data.held_share, recipe.training.seed)
    return shown, held, files


def _asked(item: Item) -> str:
    """What the user says first."""
    return next(turn.text for turn in item.turns if turn.role is Role.USER)


def held_out(items: Sequence[Item], share: float, seed: int) -> tuple[list[Item], list[Item]]:
    """What is taught, and about `share` of it that only measures.

    By the hash of what was asked first: the same question is never on both sides, and whether it is held out hardly
    depends on what else there is. At least one question is held out where there are two.
    """
    keys = {item: hashlib.sha256(f"{seed} {_asked(item)}".encode()).hexdigest() for item in items}
    ranked = sorted(set(keys.values()))
    count = min(max(1, round(share * len(ranked))), len(ranked) - 1) if share > 0 else 0
    held = set(ranked[:count])
    return [i for i in items if keys[i] not in held], [i for i in items if keys[i] in held]


def in_batches(lengths: Sequence[int], tokens: int) -> list[list[int]]:
    """Numbers of texts in batches of at most `tokens` tokens once padded, the longest first."""
    batches: list[list[int]] = []
    for number in sorted(range(len(lengths)), key=lambda one: -lengths[one]):
        if batches and (len(batches[-1]) + 1) * lengths[batches[-1][0]] <= tokens:
            batches[-1].append(number)
        else:
            batches.append([number])
    return batches
