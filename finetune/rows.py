"""The rows of a run: as a data set, in batches for scoring, and which texts are held out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from chat.base import Role
from errors import InputError, ModelError
from finetune.config import Recipe
from finetune.data import Item, Loaded, ReadFile
from finetune.faults import Fault, refusal
from finetune.packing import IGNORED, Fields

Row = TypeVar("Row")
LEFT_OUT = "_and_left_out"
"""How the names of counts end that say what a run does without."""


@dataclass(frozen=True, slots=True)
class Parts(Generic[Item]):
    """The texts of a run."""

    shown: Sequence[Item]
    """What is taught."""
    held: Sequence[Item]
    """What only measures."""
    files: tuple[tuple[str, ReadFile], ...]
    """That both are from, each with its part: `train` or `held`."""
    skipped: int
    """Records that were left out since they cannot be used."""


@dataclass(frozen=True, slots=True)
class Encoded(Generic[Row]):
    """Texts as rows of tokens."""

    rows: tuple[Row, ...]
    texts: int
    """Of which there are rows."""
    faulty: int = 0
    """Texts that cannot be written in the model's format."""
    too_long: int = 0
    """Texts of which nothing that is taught fits the length."""


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


def encoded(items: Sequence[Item], write: Callable[[Item], Sequence[Row]], skip_bad: bool) -> Encoded[Row]:
    """The rows that `write` makes of each text; none for one that does not fit.

    Raises `InputError` that names every text that cannot be written, unless `skip_bad` leaves them out.
    """
    rows: list[Row] = []
    faults: list[Fault] = []
    texts = too_long = 0
    for item in items:
        try:
            written = write(item)
        except (InputError, ModelError) as error:
            file, _, line = item.source.rpartition(":")
            faults.append(Fault(file, int(line), "", str(error).rstrip("."), error.told("zh").rstrip("。")))
            continue
        rows += written
        texts += bool(written)
        too_long += not written
    if faults and not skip_bad:
        named = tuple(dict.fromkeys(faults))  # a mixture may hold a text several times
        raise refusal(named, len(named))
    return Encoded(tuple(rows), texts, len(faults), too_long)


def left_out(skipped: int, *parts: Encoded[Any]) -> dict[str, int]:
    """How many texts a run does without and why, as its card words it; nothing where it is none."""
    counts = {
        f"faulty{LEFT_OUT}": skipped + sum(part.faulty for part in parts),
        f"too_long{LEFT_OUT}": sum(part.too_long for part in parts),
    }
    return {name: count for name, count in counts.items() if count}


def parted(read: Callable[[str, bool, int], Loaded[Item]], recipe: Recipe, skip_bad: bool) -> Parts[Item]:
    """The recipe's texts. `read`: `finetune.data.examples` or `pairs`; raises what that raises."""
    loaded = read(recipe.data.train, skip_bad, recipe.training.seed)
    files = tuple(("train", file) for file in loaded.files)
    if recipe.data.held:
        other = read(recipe.data.held, skip_bad, recipe.training.seed)
        files += tuple(("held", file) for file in other.files)
        return Parts(loaded.items, other.items, files, loaded.skipped + other.skipped)
    shown, held = held_out(loaded.items, recipe.data.held_share, recipe.training.seed)
    return Parts(shown, held, files, loaded.skipped)


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
