"""Do the recipes behind the shipped adapters still give what they gave: `python -m finetune.slices`.

    python -m finetune.slices --moderation DIR --retrieval DIR [--record] [--json]

Each recipe is run on a small slice of its data, always the same one, with few passes; what comes out is measured on a
held-out slice beside the adapter in assets/adapters and beside what the slice gave when it was recorded
(slices.json). A recipe, a library or a data set that changed shows as a figure further off than `_TOLERANCE`; the
command then ends with status 1. `--record` writes the figures down. Takes some minutes on two cores, where training
the adapters themselves takes most of an hour.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from safetensors.torch import save_file

from encoder import SentenceEncoder
from errors import AppError
from evaluation.dataset import HELD_OUT, Dataset, load_dataset, parts
from evaluation.moderation import average_precision
from finetune import moderation, reranker
from finetune.moderation_data import Row, all_rows, number
from finetune.moderation_windows import cut
from finetune.reader import QuestionEncoder
from finetune.reader_data import Example
from moderation.classifier import Weights
from retrieval.cross_encoder import FILE, CrossEncoder

_RECORDED = Path(__file__).parent / "slices.json"
_ADAPTERS = Path(__file__).parent.parent / "assets" / "adapters"
_TOLERANCE = 0.02
_EVERY_TEXT = 40
"""One of so many training texts is in the slice of the moderation recipe."""
_OTHERWISE = 2**16
"""The recipe keeps texts for calibration by the remainder of the same number: the slice has its share of them."""
_EVERY_HELD = 4
"""And one of so many held-out texts of our own."""
_QUESTIONS = 600
"""Questions of the reranker's slice, over all parts."""
_EPOCHS = 1


@dataclass(frozen=True, slots=True)
class Slice:
    """One figure of a recipe on its slice."""

    recipe: str
    figure: str
    slice: float
    shipped: float
    """The same figure of the adapter that the app comes with."""


def moderated(folder: Path, ordinary: Path) -> Slice:
    """Average precision of the moderation recipe's slice on held-out texts of our own. Raises `InputError`."""
    rows = [row for row in all_rows(folder, ordinary) if _in_slice(row)]
    data = cut(rows)
    encoder = SentenceEncoder().hash
    learned = moderation.calibrate(moderation.fit(data, _EPOCHS, encoder), rows, data)
    shipped = Weights.read(_ADAPTERS / "moderation.safetensors")
    measured = np.array([row.held and row.flagged is not None for row in rows])
    flagged = np.array([bool(row.flagged) for row in rows])[measured]
    found = [
        average_precision(flagged, moderation.held_scores(weights, rows, data)[measured])
        for weights in (learned, shipped)
    ]
    return Slice("finetune.moderation", "average precision", found[0] or 0.0, found[1] or 0.0)


def _in_slice(row: Row) -> bool:
    if row.held:
        return row.source.startswith("own") and number(row.text) % _EVERY_HELD == 0
    return number(row.group) // _OTHERWISE % _EVERY_TEXT == 0


def reranked(folder: Path) -> Slice:
    """How often the cross-encoder of the reranker's slice ranks an answering sentence first. Raises `InputError`.

    On held-out articles, among the sentences that are looked at closely.
    """
    dataset = _sliced(load_dataset(folder))
    encoder = QuestionEncoder()
    given = [example for example in reranker.gather(dataset, encoder, _ADAPTERS) if example.known]
    net = reranker.train(reranker.shown(given), encoder, _EPOCHS)
    measured = [
        example
        for example in given
        if example.part == HELD_OUT and example.kind == "all" and not example.lower and example.holds.any()
    ]
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / FILE
        save_file(
            {name: tensor.half().contiguous() for name, tensor in net.state_dict().items()},
            path,
            {"encoder": encoder.hash},
        )
        found = [_first(CrossEncoder(encoder, where), measured) for where in (path, _ADAPTERS / FILE)]
    return Slice("finetune.reranker", "answering sentence first", *found)


def _sliced(dataset: Dataset) -> Dataset:
    """So many questions, taken evenly from every part, with all texts."""
    part = parts(dataset)
    ordered = sorted(dataset.questions, key=lambda question: number(question.id))
    kept = [
        question
        for wanted in sorted(set(part.values()))
        for question in [q for q in ordered if min(part[i] for i in dataset.relevant[q.id]) == wanted][
            : _QUESTIONS // 4
        ]
    ]
    return replace(dataset, questions=tuple(kept))


def _first(cross: CrossEncoder, given: Sequence[Example]) -> float:
    right = [
        bool(example.holds[int(np.argmax(cross.read(example.question, example.texts)[:, 0]))]) for example in given
    ]
    return float(np.mean(right))


def compared(found: Sequence[Slice], recorded: Sequence[Slice]) -> list[str]:
    """What differs from the record by more than `_TOLERANCE`, a sentence each."""
    before = {one.recipe: one for one in recorded}
    return [
        f"{one.recipe}: {one.figure} of the slice is {one.slice:.3f}; "
        + (
            f"it was {before[one.recipe].slice:.3f} when the adapters were made."
            if one.recipe in before
            else "no record."
        )
        for one in found
        if one.recipe not in before or abs(one.slice - before[one.recipe].slice) > _TOLERANCE
    ]


def read() -> list[Slice]:
    """The recorded figures."""
    return [Slice(**row) for row in json.loads(_RECORDED.read_text(encoding="utf-8"))]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m finetune.slices", description=__doc__.splitlines()[0])
    parser.add_argument("--moderation", type=Path, required=True, help="folder of the public moderation sets")
    parser.add_argument("--retrieval", type=Path, required=True, help="folder of reading-comprehension sets")
    parser.add_argument("--record", action="store_true", help="write the figures down as those to compare with")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args(arguments)
    try:
        found = [
            moderated(options.moderation, options.retrieval),
            reranked(options.retrieval / "squad_dev_en"),
        ]
    except AppError as error:
        print(error, file=sys.stderr)
        return 1
    rows = [asdict(one) for one in found]
    if options.record:
        _RECORDED.write_text(f"{json.dumps(rows, indent=1)}\n", encoding="utf-8")
    differs = compared(found, read())
    for one in found:
        print(f"{one.recipe}: {one.figure} {one.slice:.3f} from the slice, {one.shipped:.3f} of the shipped adapter")
    for sentence in differs:
        print(sentence, file=sys.stderr)
    if options.json:
        print(json.dumps({"slices": rows, "differs": differs}))
    return 1 if differs else 0


if __name__ == "__main__":
    sys.exit(main())
