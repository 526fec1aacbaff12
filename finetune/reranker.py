"""Train the cross-encoder, and the network that decides with it: `python -m finetune.reranker`.

    python -m finetune.reranker --dataset DIR … [--closed FILE …] --out DIR [--epochs 4] [--run DIR] [--resume]

The sets are those of `finetune.reader`, in a language that the encoder knows; its `reader.json` and `reader.terms.tsv`
must be in the `--out` folder. Articles are in four parts: the cross-encoder (`retrieval.interaction`) is trained on
parts 0 and 2, on which the reader's networks were fitted too; the network that weighs its logits beside the features is
fitted to part 1, and everything is measured on part 3. Written: `reranker.safetensors`, `reranker.json`, `reranker.md`,
and to `--run` the curves and the checkpoints that `--resume` goes on from.

Of each question one sentence that answers is shown among the likeliest ones that do not. The loss is that of a softmax
over them and “none of them”, once with the whole passage and once without it; and, of short answers, that each word of
the sentence is part of the answer or not.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import save_file

from encoder import SentenceEncoder, TokenStates
from errors import AppError
from evaluation.answers import Corpus
from evaluation.dataset import HELD_OUT, Dataset, load_dataset
from evaluation.retrieval import indexed
from finetune.closed_questions import load_closed
from finetune.course import RUNS, STOPPED, Checkpoints, Course, digest
from finetune.reader import QuestionEncoder, calibrated, fit, losses, measure
from finetune.reader_data import KINDS, Example, examples
from finetune.reranker_card import Row, card
from retrieval.answering import FEATURES
from retrieval.cross_encoder import FILE, CrossEncoder, Matrix, padded
from retrieval.interaction import QUESTION_TOKENS, SENTENCE_TOKENS, Interaction
from retrieval.judge import SentenceJudge, closest, with_close
from retrieval.rarity import read_rarity
from retrieval.rerank import Reranker
from retrieval.selector import COLUMNS, Averaged, Network, as_json, read_networks
from retrieval.unit_vectors import UnitVectors

_SEED = 0
_TRAINED, _FITTED, _MEASURED = (0, 2), 1, HELD_OUT
_KINDS = (KINDS[:2], KINDS, KINDS[:2], KINDS)
"""What is hidden in each part."""
_BATCH, _WRONG, _POOL = 16, 5, 10
"""Questions of a batch; sentences that do not answer, of the likeliest so many."""
_BATCHES_SORTED = 8
"""Batches whose questions are sorted by length together, so that little is padded."""
_RATE, _DECAY, _WARM = 1e-3, 0.01, 0.1
_WITHOUT, _WORDS = 0.7, 5.0
"""Weights of the two further losses."""
_SHORT = 16
"""Tokens of an answer that is marked in its sentence; a longer one is most of it."""
_REFUSED = 0.955
"""Share of the questions without their article that the threshold refuses, in the fitted part."""
_SMALL = 3
"""Examples of a small set count so many times."""


@dataclass(frozen=True, slots=True)
class _Shown:
    """A question to learn from."""

    example: Example
    without: bool
    """Whether nothing answers it once its passage is hidden."""


class _Reading:
    """Token vectors of texts, each encoded once."""

    def __init__(self, encoder: SentenceEncoder, given: Sequence[_Shown]) -> None:
        self.encoder = encoder
        questions = list(dict.fromkeys(shown.example.question for shown in given))
        sentences = list(dict.fromkeys(text for shown in given for text in shown.example.texts))
        self._known: dict[str, TokenStates] = {}
        for texts, most in ((questions, QUESTION_TOKENS), (sentences, SENTENCE_TOKENS)):
            self._known |= dict(zip(texts, encoder.token_states(texts, most), strict=True))

    def of(self, texts: Sequence[str]) -> list[TokenStates]:
        return [self._known[text] for text in texts]


def gather(dataset: Dataset, encoder: QuestionEncoder, adapters: Path) -> list[Example]:
    """The examples of a data set, found the app's way."""
    encoder.remember([question.text for question in dataset.questions])
    with indexed(dataset, encoder) as (index, _):
        judge = SentenceJudge(UnitVectors(encoder, index), adapters)
        corpus = Corpus(dataset, index, Reranker(judge, index, by_answers=False))
        return list(examples(corpus, judge, read_rarity(adapters / "reader.terms.tsv"), _KINDS))


def shown(given: Sequence[Example]) -> list[_Shown]:
    """The questions of the parts to train on whose answer was found."""
    without = {example.question for example in given if example.kind == "passage"}
    return [
        _Shown(example, example.question in without)
        for example in given
        if example.part in _TRAINED and example.kind == "all" and not example.lower and example.labels.any()
    ]


def train(
    given: Sequence[_Shown], encoder: SentenceEncoder, epochs: int, checkpoints: Checkpoints | None = None
) -> Interaction:
    """The cross-encoder after `epochs` passes over the questions. Raises `InputError`: see `Course.epochs`."""
    torch.manual_seed(_SEED)
    chance = np.random.default_rng(_SEED)
    reading = _Reading(encoder, given)
    net = Interaction(encoder.dimension)
    optimizer = torch.optim.AdamW(net.parameters(), lr=_RATE, weight_decay=_DECAY)
    steps = epochs * max(1, len(given) // _BATCH)  # odd batches, beyond these, learn at the lowest rate
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=steps, pct_start=_WARM)
    course = Course("cross-encoder", (net, optimizer, schedule), chance, checkpoints, _digest(given))
    for _ in course.epochs(epochs, sum(-(-len(some) // _BATCH) for some in _pieces(np.arange(len(given))))):
        for batch in _batches(given, chance):
            loss = _loss(net, reading, batch)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            course.told(float(loss.detach()), float(schedule.get_last_lr()[0]))
            if schedule.last_epoch < steps:
                schedule.step()
    return net.eval()


def _digest(given: Sequence[_Shown]) -> str:
    texts = [text for shown in given for text in (shown.example.question, *shown.example.texts)]
    return digest(texts, np.concatenate([shown.example.labels for shown in given]))


_Picked = tuple[_Shown, list[int]]
"""A question, and the sentences to compare: the first one answers."""


def _batches(given: Sequence[_Shown], chance: np.random.Generator) -> Iterator[list[_Picked]]:
    for some in _pieces(chance.permutation(len(given))):
        picked = [(given[i], _pick(given[i].example, chance)) for i in some]
        picked.sort(key=lambda one: max(len(one[0].example.texts[j]) for j in one[1]))
        batches = [picked[at : at + _BATCH] for at in range(0, len(picked), _BATCH)]
        for i in chance.permutation(len(batches)):
            yield batches[i]


def _pieces(order: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """The questions of an epoch, as many together as are sorted by length."""
    order = order[: max(_BATCH, len(order) // _BATCH * _BATCH)]
    return np.array_split(order, max(1, len(order) // (_BATCH * _BATCHES_SORTED)))


def _pick(example: Example, chance: np.random.Generator) -> list[int]:
    """A sentence that answers, then some of the likeliest that hold no answer."""
    likely = np.argsort(
        -example.features[:, FEATURES.index("cosine")] - example.features[:, FEATURES.index("coverage")]
    )
    wrong = [int(i) for i in likely if not example.holds[i]][:_POOL]
    picked = chance.permutation(len(wrong))[:_WRONG]
    return [int(chance.choice(np.flatnonzero(example.labels))), *(wrong[i] for i in picked)]


def _loss(net: Interaction, reading: _Reading, batch: Sequence[_Picked]) -> torch.Tensor:
    pairs = [(n, one.example, j) for n, (one, indices) in enumerate(batch) for j in indices]
    questions = padded(reading.encoder, reading.of([example.question for _, example, _ in pairs]))
    said = reading.of([example.texts[j] for _, example, j in pairs])
    logits, tokens = net(questions, padded(reading.encoder, said))
    sizes = torch.tensor([len(indices) for _, indices in batch])
    right = torch.tensor(np.cumsum([0, *(len(indices) for _, indices in batch)])[:-1])
    away = torch.tensor([example.owner[j] != example.owner[batch[n][1][0]] for n, example, j in pairs])
    without = torch.tensor([one.without for one, _ in batch])
    none = torch.zeros(len(pairs), dtype=torch.bool)
    loss = losses(logits, none.index_fill(0, right, True), sizes).mean()
    away_logits = torch.where(away, logits, torch.full_like(logits, -1e4))
    loss = loss + _WITHOUT * (losses(away_logits, none, sizes) * without).mean()
    marked = [_answer(reading.encoder, one.example, indices[0]) for one, indices in batch]
    told = [n for n, marks in enumerate(marked) if marks is not None]
    if told:
        labels = torch.zeros(len(told), tokens.shape[1])
        for row, n in enumerate(told):
            marks = marked[n]
            if marks is not None:
                labels[row, : len(marks)] = torch.tensor(marks)[: tokens.shape[1]]
        there = torch.tensor([[i < len(said[int(right[n])].ids) for i in range(tokens.shape[1])] for n in told])
        each = F.binary_cross_entropy_with_logits(tokens[right[told]], labels, reduction="none")
        loss = loss + _WORDS * (each * there).sum() / there.sum()
    return loss


def _answer(encoder: SentenceEncoder, example: Example, sentence: int) -> list[float] | None:
    """For each token of a sentence as it is encoded whether it is part of a short answer; None if there is none."""
    text, begins = example.texts[sentence], len(example.texts[sentence]) - len(example.said[sentence])
    offsets = encoder.offsets(text, SENTENCE_TOKENS)
    marks = [0.0] * len(offsets)
    for answer in example.answers:
        at = text.lower().find(answer.lower(), begins)
        inside = [
            i for i, (start, end) in enumerate(offsets) if at >= 0 and start < at + len(answer) and end > max(at, start)
        ]
        if len(inside) <= _SHORT:
            for i in inside:
                marks[i] = 1.0
    return marks if any(marks) else None


def looked_at(given: Sequence[Example], first: Network, cross: CrossEncoder) -> list[Example]:
    """The examples cut down to the sentences that are looked at closely, with the features of that look."""
    known: dict[tuple[str, str], np.ndarray[tuple[int], np.dtype[np.float32]]] = {}
    found = []
    for example in given:
        logits = first.logits(example.features)
        likeliest = closest(logits)
        texts = [example.texts[i] for i in likeliest]
        new = [text for text in dict.fromkeys(texts) if (example.question, text) not in known]
        for text, seen in zip(new, cross.read(example.question, new), strict=True):
            known[example.question, text] = seen
        read = np.stack([known[example.question, text] for text in texts])
        rows = with_close(example.features[likeliest], logits[likeliest], read)
        found.append(_cut(example, likeliest, rows))
    return found


def _cut(example: Example, kept: NDArray[np.intp], features: Matrix) -> Example:
    """Some sentences of an example, with these features."""
    return dataclasses.replace(
        example,
        texts=tuple(example.texts[i] for i in kept),
        said=tuple(example.said[i] for i in kept),
        features=features,
        **{name: getattr(example, name)[kept] for name in ("owner", "labels", "holds", "words")},
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m finetune.reranker", description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", type=Path, action="append", required=True, help="folder in BEIR layout")
    parser.add_argument("--closed", type=Path, action="append", default=[], help="JSON lines of questions with a text")
    parser.add_argument("--out", type=Path, required=True, help="folder with reader.json; the weights go there")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--run", type=Path, default=RUNS / "reranker", help="where curves and checkpoints go")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoints there")
    options = parser.parse_args(arguments)
    try:
        return _made(options)
    except (AppError, OSError) as error:
        print(f"finetune.reranker: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"finetune.reranker: {STOPPED}", file=sys.stderr)
        return 130


def _made(options: argparse.Namespace) -> int:
    began = time.monotonic()
    encoder = QuestionEncoder()
    checkpoints = Checkpoints(options.run, options.resume)
    checkpoints.admit()
    datasets = [load_dataset(folder) for folder in options.dataset] + [load_closed(path) for path in options.closed]
    first = read_networks(options.out / "reader.json")["vectors"]
    given = {dataset.name: gather(dataset, encoder, options.out) for dataset in datasets}
    given = {name: [example for example in found if example.known] for name, found in given.items()}
    learned = [one for found in given.values() for one in shown(found)]
    print(f"{len(learned):,} questions to learn from, gathered in {time.monotonic() - began:.0f} s", flush=True)
    net = train(learned, encoder, options.epochs, checkpoints)
    weights = {name: tensor.half().contiguous() for name, tensor in net.state_dict().items()}
    save_file(weights, options.out / FILE, {"encoder": encoder.hash})

    cross = CrossEncoder(encoder, options.out / FILE, remembered=10**6)
    fitted, measured = (
        {
            name: looked_at([example for example in found if example.part == part], first, cross)
            for name, found in given.items()
        }
        for part in (_FITTED, _MEASURED)
    )
    most = max(map(len, fitted.values()))
    every = [(example, 1 if len(found) == most else _SMALL) for found in fitted.values() for example in found]
    network = fit([example for example, _ in every], tuple(range(len(COLUMNS))), [times for _, times in every])
    both = calibrated(Averaged(first, network, 0.0), [example for example, _ in every], _REFUSED)
    network = dataclasses.replace(network, threshold=both.threshold, encoder=encoder.hash)
    text = json.dumps({"close": as_json(network)}, separators=(",", ":"))
    (options.out / "reranker.json").write_text(f"{text}\n", encoding="utf-8")
    rows = [
        Row(name, lower, measure(first, some), measure(both, some))
        for name, found in measured.items()
        for lower in (False, True)
        for some in [[example for example in found if example.lower is lower]]
        if any(example.kind == "all" for example in some)
    ]
    about = card(rows, sum(map(torch.numel, weights.values())), len(learned), (time.monotonic() - began) / 60)
    (options.out / "reranker.md").write_text(about, encoding="utf-8")
    print(about)
    return 0


if __name__ == "__main__":
    sys.exit(main())
