"""How likely a model on this machine holds the reference answers: its perplexity, per token and per byte.

What counts are the tokens that training would teach: the answer and its end, after the prompt as the app writes it,
sources included (`finetune.masking`). Per token: exp(Σ loss / tokens), which depends on the tokenizer. Per byte of the
answers' UTF-8: exp(Σ loss / bytes), which models with different tokenizers share.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from chat.base import Role
from chat.local import LocalModel
from chat.prompt import grounded_turn
from errors import InputError
from evaluation.engines import sources_for
from evaluation.items import Item
from finetune.examples import Turn
from finetune.masking import encode
from finetune.packing import Tokens

_MOST_TOKENS = 2048
"""Of one forward pass, padding included."""


@dataclass(frozen=True, slots=True)
class Loss:
    """Of one reference answer: the sum of its tokens' negative log-likelihoods in nats, its tokens, its bytes."""

    nats: float
    tokens: int
    bytes: int


def losses(model: LocalModel, items: Sequence[Item]) -> list[Loss | None]:
    """By item; None where prompt and answer do not fit the model's context, or no prompt can be written.

    The model must be loaded.
    """
    rows = [_row(model, item) for item in items]
    kept = sorted((i for i, row in enumerate(rows) if row is not None), key=lambda i: len(_ids(rows[i])))
    found: list[Loss | None] = [None] * len(items)
    for batch in _batches(kept, rows):
        sums = _nats(model.network, [_tokens(rows[i]) for i in batch])
        for i, nats in zip(batch, sums, strict=True):
            taught = sum(_tokens(rows[i]).taught)
            found[i] = Loss(nats, taught, len(items[i].reference.encode()))
    return found


def _row(model: LocalModel, item: Item) -> Tokens | None:
    """The conversation with its reference, of which only the last answer is taught."""
    turns = [Turn(message.role, message.content, taught=False) for message in item.messages[:-1]]
    asked = Turn(Role.USER, grounded_turn(item.question, sources_for(model, item)))
    turns += [asked, Turn(Role.ASSISTANT, item.reference)]
    try:
        row = encode(turns, model.tokenizer, model.format, model.context)
    except InputError:  # as for the app, which does not ask it
        return None
    return row if row.ids and not row.cut else None


def _tokens(row: Tokens | None) -> Tokens:
    assert row is not None
    return row


def _ids(row: Tokens | None) -> tuple[int, ...]:
    return _tokens(row).ids


def _batches(order: Sequence[int], rows: Sequence[Tokens | None]) -> Iterator[list[int]]:
    """Rows of nearly the same length together."""
    batch: list[int] = []
    for i in order:
        if batch and len(_ids(rows[i])) * (len(batch) + 1) > _MOST_TOKENS:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def _nats(net: Any, rows: Sequence[Tokens]) -> list[float]:
    """The losses of one forward pass. Padding stands at the end, where a causal network does not see it."""
    import torch

    width = max(len(row.ids) for row in rows)
    ids = torch.zeros((len(rows), width), dtype=torch.long)
    taught = torch.zeros((len(rows), width), dtype=torch.bool)
    for n, row in enumerate(rows):
        ids[n, : len(row.ids)] = torch.tensor(row.ids)
        taught[n, : len(row.ids)] = torch.tensor(row.taught)
    taught[:, 0] = False  # nothing comes before it that could foretell it
    with torch.inference_mode():
        logits = net(input_ids=ids.to(net.device), use_cache=False).logits[:, :-1]
        wanted, counts = ids[:, 1:].to(logits.device), taught[:, 1:].to(logits.device)
        likely = torch.log_softmax(logits[counts].float(), dim=-1).gather(-1, wanted[counts].unsqueeze(-1)).squeeze(-1)
    each = torch.zeros(counts.shape, dtype=torch.float64)
    each[counts.cpu()] = -likely.double().cpu()
    return [float(value) for value in each.sum(dim=1)]
