"""The card of the cross-encoder, written by `finetune.reranker` with the figures that it measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from finetune.reader import Figures

_CARD = """# Cross-encoder, and the network that decides with it

`reranker.safetensors` ({parameters:,} numbers in half precision) reads a question and a sentence together, over the
token vectors of the embedded encoder (all-MiniLM-L6-v2, which stays as it is), and gives two logits: that the sentence
answers, and that its likeliest word is part of the answer. `reranker.json` is the small network that weighs them beside
the reader's features, and its threshold for “nothing here answers this”. English only, as the encoder. One command:

```
python -m finetune.reranker --dataset squad_dev_en --closed dolly_1k.jsonl.gz --out assets/adapters
```

## Data
| set | what | licence |
|---|---|---|
| SQuAD 1.1 dev | English questions on 2,067 paragraphs of 48 articles | CC BY-SA 4.0 |
| dolly, closed questions | everyday English questions on 1,000 texts | CC BY-SA 3.0 |

Articles in the order of their titles, in four parts turn about: the cross-encoder learned from {learned:,} questions of
parts 0 and 2, the network from part 1. Trained in {minutes:.0f} minutes on two cores.

## Figures, part 3
“first” is the reader's network without the cross-encoder, “both” the mean of its logits and the closer look's, as the
app takes it. `contains`: the question is answered, and the one or two quoted sentences hold a gold answer. `refused`:
with nothing, the passage or the article hidden, where the answer then stands nowhere else. `first`: the likeliest
sentence holds an answer.

| set | look | first | contains | refused | refused, passage hidden | refused, article hidden |
|---|---|--:|--:|--:|--:|--:|
{rows}

## Limits
- Fitted to questions about encyclopaedic paragraphs and short texts; lists, sums and opinions are not what it knows.
- Two articles of the same subject matter may be alike: the parts share no article, but they share SQuAD's manner of
  asking. dolly is the check on another manner.
- Sentences are read up to 96 tokens with their headings, questions up to 40.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured on one set."""

    name: str
    typed: bool
    first: Figures
    both: Figures


def card(rows: Sequence[Row], parameters: int, learned: int, minutes: float) -> str:
    """The card in Markdown."""
    lines = [
        f"| {row.name}{', as typed' if row.typed else ''} | {look} | {figures.first:.3f} | {figures.contains:.3f} | "
        + " | ".join(f"{figures.refused[kind]:.3f}" for kind in ("all", "passage", "article"))
        + " |"
        for row in rows
        for look, figures in (("first", row.first), ("both", row.both))
    ]
    return _CARD.format(parameters=parameters, learned=learned, minutes=minutes, rows="\n".join(lines))
