"""Fit the reader's sentence selector and its threshold.

    python -m finetune.reader --dataset DIR … [--closed FILE …] --background FILE … --out DIR

Every option but the last may be given again. The data sets are in BEIR layout with `answers`; `--closed` are questions
with their text, see `finetune.closed_questions`; the background files are JSON lines of ordinary English text, in which
common terms are counted. Writes `reader.json` and `reader.terms.tsv` to the folder. Two networks are fitted:
`vectors`, for the languages that the encoder knows, and `words`, without the cosines, for all others. Both are fitted
to one half of the articles; the figures printed are of both halves.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import nn

from chat.reader import MOST_WORDS
from encoder import SentenceEncoder, Vectors
from errors import AppError
from evaluation.answers import Corpus
from evaluation.dataset import Dataset, load_dataset
from evaluation.retrieval import indexed
from finetune.closed_questions import load_closed
from finetune.reader_data import KINDS, Example, count_terms, examples, read_background
from retrieval.answering import FEATURES, VECTORS
from retrieval.judge import SentenceJudge
from retrieval.rarity import Rarity
from retrieval.rerank import Reranker
from retrieval.selector import Averaged, Network, as_json, probabilities
from retrieval.text import language
from retrieval.unit_vectors import UnitVectors

_SEED = 0
_HIDDEN, _DROPOUT = 32, 0.1
_EPOCHS, _BATCH, _RATE, _DECAY = 8, 64, 3e-3, 1e-3
_WEIGHTS = {"all": 1.0, "passage": 0.7, "article": 0.4}
"""How much an example counts by what was hidden."""
_RARE_LANGUAGE = 3
"""Examples in languages that the encoder does not know count this many times for `words`."""
_SMALL, _MOST_TIMES = 3000, 3
"""Examples of a data set with fewer questions than the first count up to the second times."""
_LEAST_SCALE = 0.05
_Weighing = TypeVar("_Weighing", Network, Averaged)
_REFUSED = {"vectors": 0.925, "words": 0.9}
"""Share of the questions without their article that a network's threshold refuses, in the first half."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Of the two likeliest sentences, within the reader's length."""

    first: float
    """Share of questions whose likeliest sentence holds an answer."""
    contains: float
    """Share that is answered and whose quotation holds an answer."""
    refused: dict[str, float]
    """By what was hidden: share that is refused."""


class QuestionEncoder(SentenceEncoder):
    """Encodes the questions of a data set beforehand, many at a time: each is searched for more than once."""

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[str, Vectors] = {}

    def remember(self, questions: Sequence[str]) -> None:
        self._known = dict(zip(questions, super().encode(questions)[:, None], strict=True))

    def encode(self, texts: Sequence[str], batch_tokens: int = 8192) -> Vectors:
        known = self._known.get(texts[0]) if len(texts) == 1 else None
        return super().encode(texts, batch_tokens) if known is None else known


def gather(dataset: Dataset, encoder: QuestionEncoder, rarity: Rarity) -> list[Example]:
    """All examples of a data set, found the app's way."""
    encoder.remember([question.text for question in dataset.questions if encoder.knows(language(question.text))])
    with indexed(dataset, encoder) as (index, _):
        judge = SentenceJudge(UnitVectors(encoder, index))
        return list(examples(Corpus(dataset, index, Reranker(judge, index, by_answers=False)), judge, rarity))


def fit(given: Sequence[Example], columns: tuple[int, ...], repeats: Sequence[int]) -> Network:
    """A network that gives the sentences that answer, or “none of them” (logit 0), the probability."""
    torch.manual_seed(_SEED)
    order = np.random.default_rng(_SEED)
    usable = [(e, n) for e, n in zip(given, repeats, strict=True) if e.kind != "all" or e.labels.any()]
    rows = np.concatenate([example.features[:, columns] for example, _ in usable])
    mean, scale = rows.mean(axis=0), np.maximum(rows.std(axis=0), _LEAST_SCALE)
    inputs = [torch.from_numpy((example.features[:, columns] - mean) / scale) for example, _ in usable]
    labels = [torch.from_numpy(example.labels) for example, _ in usable]
    weights = torch.tensor([_WEIGHTS[example.kind] for example, _ in usable])
    picks = np.repeat(np.arange(len(usable)), [count for _, count in usable])
    net = nn.Sequential(
        nn.Linear(len(columns), _HIDDEN), nn.GELU(approximate="tanh"), nn.Dropout(_DROPOUT), nn.Linear(_HIDDEN, 1)
    )
    optimizer = torch.optim.AdamW(net.parameters(), lr=_RATE, weight_decay=_DECAY)
    batches = max(1, len(picks) // _BATCH)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.003, _EPOCHS * batches)
    for _ in range(_EPOCHS):
        for batch in np.array_split(order.permutation(picks), batches):
            sizes = torch.tensor([len(labels[i]) for i in batch])
            logits = net(torch.cat([inputs[i] for i in batch])).squeeze(-1)
            nll = losses(logits, torch.cat([labels[i] for i in batch]), sizes)
            optimizer.zero_grad()
            torch.autograd.backward((weights[batch] * nll).mean())
            optimizer.step()
            schedule.step()
    fitted = {name: tensor.numpy() for name, tensor in net.state_dict().items()}
    return Network(
        columns=columns,
        mean=mean,
        scale=scale,
        hidden=fitted["0.weight"].T.copy(),
        hidden_bias=fitted["0.bias"],
        output=fitted["3.weight"][0],
        output_bias=float(fitted["3.bias"][0]),
        threshold=0.0,
    )


def losses(logits: torch.Tensor, labels: torch.Tensor, sizes: torch.Tensor) -> torch.Tensor:
    """Negative log-likelihood per question; `sizes[i]` sentences in a row are question i's, and “none” has logit 0."""
    question = torch.repeat_interleave(torch.arange(len(sizes)), sizes)
    highest = logits.detach().max().clamp(min=0)
    shares = torch.exp(logits - highest)
    none = torch.exp(-highest)
    every = torch.zeros(len(sizes)).index_add(0, question, shares) + none
    right = torch.zeros(len(sizes)).index_add(0, question, shares * labels)
    answerable = torch.zeros(len(sizes)).index_add(0, question, labels.float()) > 0
    return torch.log(every + 1e-20) - torch.log(torch.where(answerable, right, none) + 1e-20)


def calibrated(network: _Weighing, given: Sequence[Example], refused: float) -> _Weighing:
    """The network with the threshold that refuses this share of the questions whose article was hidden."""
    alone = [_probability(network, example) for example in given if example.kind == "article"]
    return dataclasses.replace(network, threshold=round(float(np.quantile(alone, refused)), 4))


def _probability(network: Network | Averaged, example: Example) -> float:
    return float(probabilities(network.logits(example.features)).sum())


def measure(network: Network | Averaged, given: Sequence[Example]) -> Figures:
    """Figures over examples; the quotation is taken to be the two likeliest sentences that fit."""
    first, contains = [], []
    refused: dict[str, list[bool]] = {kind: [] for kind in KINDS}
    for example in given:
        logits = network.logits(example.features)
        refusal = float(probabilities(logits).sum()) < network.threshold
        refused[example.kind].append(refusal)
        if example.kind != "all":
            continue
        order = np.argsort(-logits)
        room = float(MOST_WORDS)
        quoted: list[int] = []
        for i in order:
            if len(quoted) < 2 and (not quoted or example.words[i] + 1 <= room):
                quoted.append(int(i))
                room -= float(example.words[i]) + 1
        first.append(bool(example.holds[order[0]]))
        contains.append(not refusal and bool(example.holds[quoted].any()))
    return Figures(
        float(np.mean(first)),
        float(np.mean(contains)),
        {kind: float(np.mean(found or [False])) for kind, found in refused.items()},
    )


def _report(name: str, network: Network, given: Sequence[Example]) -> None:
    for half, label in enumerate(("fitted", "held out")):
        for lower in (False, True):
            part = [example for example in given if example.half == half and example.lower is lower]
            if any(example.kind == "all" for example in part):
                figures = measure(network, part)
                refused = ", ".join(f"{kind} {share:.3f}" for kind, share in figures.refused.items())
                case = ", as typed" if lower else ""
                print(
                    f"  {name} ({label}{case}): contains {figures.contains:.3f}, first {figures.first:.3f}, "
                    f"refused {refused}"
                )


def _times(example: Example, size: int) -> int:
    """How often an example counts: more in a small data set, or in a language the encoder does not know."""
    small = min(_MOST_TIMES, max(1, round(_SMALL * len(KINDS) / size)))
    return small if example.known else _RARE_LANGUAGE


def _fitted(name: str, columns: tuple[int, ...], given: dict[str, list[Example]]) -> Network:
    every = [example for examples_ in given.values() for example in examples_ if example.half == 0]
    times = [
        _times(example, len(examples_)) for examples_ in given.values() for example in examples_ if example.half == 0
    ]
    # Without cosines it is for languages that the encoder does not know: their threshold counts.
    alike = [example for example in every if not example.known] if name == "words" else []
    network = calibrated(fit(every, columns, times), alike or every, _REFUSED[name])
    print(f"{name}: threshold {network.threshold}", flush=True)
    for dataset, found in given.items():
        _report(dataset, network, found)
    return network


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m finetune.reader", description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", type=Path, action="append", required=True, help="folder in BEIR layout")
    parser.add_argument("--closed", type=Path, action="append", default=[], help="JSON lines of questions with a text")
    parser.add_argument("--background", type=Path, action="append", default=[], help="JSON lines of ordinary English")
    parser.add_argument("--out", type=Path, required=True, help="folder for reader.json and reader.terms.tsv")
    options = parser.parse_args(arguments)
    try:
        datasets = [load_dataset(folder) for folder in options.dataset] + [load_closed(path) for path in options.closed]
        background = [text for path in options.background for text in read_background(path)]
    except (AppError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    shares = count_terms(background, datasets)
    rarity = Rarity(shares)
    encoder = QuestionEncoder()
    given = {dataset.name: gather(dataset, encoder, rarity) for dataset in datasets}
    known = {name: [e for e in found if e.known] for name, found in given.items() if any(e.known for e in found)}
    networks = {}
    if known:
        network = _fitted("vectors", tuple(range(len(FEATURES))), known)
        networks["vectors"] = dataclasses.replace(network, encoder=encoder.hash)
    networks["words"] = _fitted("words", tuple(range(len(VECTORS), len(FEATURES))), given)
    options.out.mkdir(parents=True, exist_ok=True)
    written = {name: as_json(network) for name, network in networks.items()}
    (options.out / "reader.json").write_text(json.dumps(written, separators=(",", ":")) + "\n", encoding="utf-8")
    lines = (f"{term}\t{share:.6f}\n" for term, share in sorted(shares.items()))
    (options.out / "reader.terms.tsv").write_text("".join(lines), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
