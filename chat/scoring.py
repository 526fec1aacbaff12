"""How likely a model on this machine goes on with given labels: a `moderation.base.Scorer` over transformers.

    LocalScorer.alone("meta-llama/Llama-Guard-3-1B", Placement())     # loaded for this, nobody chats with it
    LocalScorer.beside(model)                                         # the network that people chat with

A label's tokens are scored by log-softmax in one forward pass over all prompts: a row is a prompt and what all but the
last token of a label is, rows that another one begins with are left out, padding stands at the end, where a causal
network does not see it. So it works with every architecture, keeps no cache and changes nothing that a chat uses; a
chat goes on meanwhile, a little slower. Long jobs are split into passes of `_MOST_TOKENS`, so that the memory is
bounded and a GPU is not held for long.
"""

from __future__ import annotations

import inspect
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from chat import weights
from chat.local import LONGEST_CONTEXT, LocalModel, context_of
from chat.placement import Placement
from errors import AppError, ModerationError
from moderation.base import LabelPrompt, Report

logger = logging.getLogger(__name__)

_MOST_TOKENS = 4096
"""Of one forward pass, padding included; one prompt that is longer has a pass of its own."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A network, its tokenizer, and the tokens it reads at once."""

    net: Any
    tokenizer: Any
    context: int


@dataclass(frozen=True, slots=True)
class _Row:
    """What is read: a prompt, then a part of a label."""

    prompt: tuple[int, ...]
    tail: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.prompt) + len(self.tail)


class LocalScorer:
    """Safe to call from several threads; they take turns. Waits at most `limit_s` seconds for its turn."""

    def __init__(self, name: str, open_model: Callable[[Report], Opened], limit_s: float = 10.0) -> None:
        self.name = name
        self._open = open_model
        self._limit_s = limit_s
        self._opened: Opened | None = None
        self._loading = threading.Lock()
        self._turn = threading.Lock()

    @classmethod
    def alone(cls, model: str, placement: Placement, limit_s: float = 10.0) -> LocalScorer:
        """A model loaded for scoring alone: a hub id or a local folder."""
        return cls(LocalModel(model).name, lambda report: _opened(model, placement, report), limit_s)

    @classmethod
    def beside(cls, model: LocalModel, limit_s: float = 10.0) -> LocalScorer:
        """The network of a chat model, which is loaded where it is not yet."""

        def open_model(report: Report) -> Opened:
            model.load(report)
            return Opened(model.network, model.tokenizer, model.context)

        return cls(model.name, open_model, limit_s)

    def load(self, report: Report) -> None:
        """Download and load the model once. Raises `ModelError`."""
        with self._loading:
            if self._opened is None:
                self._opened = self._open(report)

    def score(self, prompts: Sequence[LabelPrompt], labels: Sequence[str]) -> list[list[float]]:
        """See `Scorer`. Loads the model on first use."""
        try:
            self.load(lambda _: None)
            opened = self._opened
            assert opened is not None
            asked = [_ids(opened, prompt, labels, self.name) for prompt in prompts]
            return self._scored(opened, asked)
        except ModerationError:
            raise
        except AppError as error:
            raise ModerationError(str(error), zh=error.told("zh")) from error
        except Exception as error:  # whatever a network or a template may raise
            logger.exception("The moderator %s failed", self.name)
            raise _failed(self.name, error) from error

    def _scored(
        self, opened: Opened, asked: Sequence[tuple[tuple[int, ...], list[tuple[int, ...]]]]
    ) -> list[list[float]]:
        """By prompt: the labels' log-likelihoods. `asked` holds the tokens of each prompt and of its labels."""
        rows = [[_Row(prompt, tail) for tail in _tails(labels)] for prompt, labels in asked]
        found: dict[_Row, Any] = {}
        for batch in _batches([row for some in rows for row in some]):
            if not self._turn.acquire(timeout=self._limit_s):
                raise ModerationError(
                    f"The moderator “{self.name}” was busy for {self._limit_s:g} s; raise --moderation-limit-s, or "
                    "give it a faster machine.",
                    zh=f"审核模型“{self.name}”已忙了 {self._limit_s:g} 秒；请调高 --moderation-limit-s，"
                    "或换更快的机器。",
                )
            try:
                found |= _read(opened.net, batch)
            finally:
                self._turn.release()
        return [
            [_likelihood(found, some, label) for label in labels] for some, (_, labels) in zip(rows, asked, strict=True)
        ]


def _opened(model: str, placement: Placement, report: Report) -> Opened:
    """Raises `ModelError`."""
    from transformers.utils import logging as transformers_logging

    name = LocalModel(model).name
    report(weights.forecast(model, placement, 1, LONGEST_CONTEXT, report))
    folder = weights.fetch(model, report)
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        config = weights.open_config(folder, name)
        tokenizer = weights.open_tokenizer(folder, name)
        net = weights.open_net(folder, name, config, placement, report)
    finally:
        if bars:
            transformers_logging.enable_progress_bar()
    return Opened(net, tokenizer, min(LONGEST_CONTEXT, context_of(net.config, tokenizer)))


def _ids(
    opened: Opened, prompt: LabelPrompt, labels: Sequence[str], name: str
) -> tuple[tuple[int, ...], list[tuple[int, ...]]]:
    """Tokens of a prompt and of its labels. What people wrote holds no special tokens."""
    tokenizer = opened.tokenizer
    if prompt.messages:
        ids = tokenizer.apply_chat_template(
            [{"role": role, "content": _content(text, prompt.parts)} for role, text in prompt.messages],
            add_generation_prompt=True,
            sanitize_control_tokens=True,
            return_dict=False,
            **prompt.variables,
        )
    else:
        ids = tokenizer.encode(prompt.text, split_special_tokens=True)
    lead = tokenizer.encode(prompt.lead, add_special_tokens=False) if prompt.lead else []
    begun = prompt.lead if not lead or ids[-len(lead) :] != lead else ""
    tokens = [tuple(tokenizer.encode(begun + label, add_special_tokens=False)) for label in labels]
    longest = len(ids) + max(map(len, tokens))
    if longest > opened.context:
        raise ModerationError(
            f"The text takes {longest:,} tokens and the moderator “{name}” reads {opened.context:,}; lower its window "
            "in the catalogue of moderators.",
            zh=f"文本有 {longest:,} 个词元，审核模型“{name}”只能读 {opened.context:,} 个；"
            "请在审核模型目录中调小 window。",
        )
    return tuple(ids), tokens


def _content(text: str, parts: bool) -> object:
    return [{"type": "text", "text": text}] if parts else text


def _tails(labels: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """The labels without their last tokens; those that another one begins with are left out."""
    tails = sorted({label[:-1] for label in labels})
    # Sorted, one that begins another stands right before those that it begins.
    return [
        tail for tail, after in zip(tails, [*tails[1:], ()], strict=True) if after[: len(tail)] != tail or not after
    ]


def _batches(rows: Sequence[_Row]) -> list[list[_Row]]:
    """Rows of about the same length together, each batch with at most `_MOST_TOKENS`, or one row."""
    batches: list[list[_Row]] = []
    for row in sorted(set(rows), key=len):
        if batches and (len(batches[-1]) + 1) * len(row) <= _MOST_TOKENS:
            batches[-1].append(row)
        else:
            batches.append([row])
    return batches


def _read(net: Any, rows: Sequence[_Row]) -> dict[_Row, Any]:
    """By row: log-probabilities after its prompt and after each token of its tail, (1 + tail, vocabulary), float32."""
    import torch

    width = max(map(len, rows))
    ids = torch.tensor([[*row.prompt, *row.tail] + [0] * (width - len(row)) for row in rows], device=net.device)
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows], device=net.device)
    wanted = sorted({place for row in rows for place in range(len(row.prompt) - 1, len(row))})
    options: dict[str, Any] = {}
    if "logits_to_keep" in inspect.signature(net.forward).parameters:
        options["logits_to_keep"] = torch.tensor(wanted, device=net.device)
    found = {}
    with torch.inference_mode():
        logits = net(input_ids=ids, attention_mask=mask, use_cache=False, **options).logits
        logits = logits if options else logits[:, wanted]
        for n, row in enumerate(rows):
            chosen = [wanted.index(place) for place in range(len(row.prompt) - 1, len(row))]
            found[row] = logits[n, chosen].float().log_softmax(-1).cpu()
    return found


def _likelihood(found: dict[_Row, Any], rows: Sequence[_Row], label: tuple[int, ...]) -> float:
    """The sum over the label's tokens, from any row that it follows but for its last."""
    import torch

    row = next(row for row in rows if row.tail[: len(label) - 1] == label[:-1])
    table = found[row]
    total = float(table[torch.arange(len(label)), torch.tensor(label)].sum())
    if total != total:
        raise ModerationError(
            "The moderator computed numbers that are none; load it with --dtype float32.",
            zh="审核模型算出了无效的数值；请用 --dtype float32 加载它。",
        )
    return total


def _failed(name: str, error: Exception) -> ModerationError:
    if weights.is_out_of_memory(error):
        return ModerationError(
            f"There is no memory left for the moderator “{name}”; choose a smaller one.",
            zh=f"内存不足，无法运行审核模型“{name}”；请选用更小的模型。",
        )
    kind = type(error).__name__
    return ModerationError(
        f"The moderator “{name}” failed ({kind}); the log says why.", zh=f"审核模型“{name}”出错（{kind}）；原因见日志。"
    )
