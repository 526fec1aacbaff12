"""A chat model on this machine: any causal language model of the hub or of a local folder, through transformers.

One answer is written at a time; whoever comes meanwhile waits and is told so. The answer is written by the generator
that the caller reads, without a thread: it stops within one token when it is cancelled, and dies with its reader.
"""

from __future__ import annotations

import inspect
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from chat import catalogue, weights
from chat.base import ChatRequest, Chunk, Finish, Sampling
from chat.placement import Placement
from chat.prompt import Prompt, PromptBuilder, format_of
from chat.text_stream import TextStream
from errors import AppError, InputError, ModelError
from retrieval.rerank import THRESHOLD

logger = logging.getLogger(__name__)

_POLL_S = 0.1
_PREFILL_TOKENS = 512
"""Prompt tokens read at once; between two readings the request may be cancelled."""
_DEFAULT_CONTEXT = 2048
_CONTEXT_KEYS = ("max_position_embeddings", "n_positions", "max_seq_len", "max_sequence_length", "seq_length", "n_ctx")


class LocalModel:
    """A transformers model as a chat engine. `context_limit` caps the tokens it reads at once, to bound memory.

    `device` is `auto`, `cpu`, `cuda`, `cuda:1` or `mps`; `dtype` is `auto`, `bfloat16`, `float16` or `float32`.
    Only the request's own sampling counts; what a model's generation_config.json recommends is not used.
    """

    least = THRESHOLD

    def __init__(self, model: str, device: str = "auto", dtype: str = "auto", context_limit: int = 8192) -> None:
        self.model = model
        self.device = device
        self.dtype = dtype
        self.context_limit = context_limit
        self._net: Any = None
        self._tokenizer: Any = None
        self._prompts: PromptBuilder
        self._ends: frozenset[int] = frozenset()
        self._options: dict[str, Any] = {}
        self._loading = threading.Lock()
        self._turn = threading.Lock()

    @property
    def name(self) -> str:
        """The hub id, or the last part of a local folder's path."""
        return Path(self.model).name if Path(self.model).expanduser().is_dir() else self.model

    @property
    def loaded(self) -> bool:
        return self._net is not None

    @property
    def context(self) -> int:
        """Tokens it reads at once, prompt and answer together. The model must be loaded."""
        return self._prompts.context

    def load(self, progress: Callable[[str], None] | None = None) -> None:
        """Download and load the model once, telling `progress` what is being done. Raises `ModelError`."""
        with self._loading:
            if self._net is None:
                self._load(progress or _say_nothing)

    def _load(self, progress: Callable[[str], None]) -> None:
        from transformers.utils import logging as transformers_logging

        folder = weights.fetch(self.model, progress)
        progress(f"Loading {self.name} into memory")
        bars = transformers_logging.is_progress_bar_enabled()
        transformers_logging.disable_progress_bar()
        try:
            config = weights.open_config(folder, self.name)
            tokenizer = weights.open_tokenizer(folder, self.name)
            net = weights.open_net(folder, self.name, config, Placement(self.device, self.dtype))
        finally:
            if bars:
                transformers_logging.enable_progress_bar()
        known = catalogue.find(self.model)
        context = min(self.context_limit, _context(net.config, tokenizer), known.context if known else 2**31)
        format = known.format if known else format_of(tokenizer, net.config.model_type)
        prompts = PromptBuilder(tokenizer, format, context)
        declared = _declared_ends(net, tokenizer)
        if "logits_to_keep" in inspect.signature(net.forward).parameters:
            self._options = {"logits_to_keep": 1}
        self._tokenizer, self._prompts = tokenizer, prompts
        self._ends = declared | prompts.end_of_turn(declared)
        self._try_out(net)
        self._net = net
        progress(f"{self.name} is ready")

    def _try_out(self, net: Any) -> None:
        """Read two tokens one by one, so that a model that cannot go on from a cache fails here."""
        cache = _cache(net)
        try:
            for _ in range(2):
                self._read(net, [0], cache)
            kept = cache.get_seq_length()
        except Exception as error:
            logger.exception("Trying out %s failed", self.name)
            raise ModelError(f"The model “{self.name}” does not run here ({type(error).__name__}).") from error
        if kept != 2:
            raise ModelError(f"The model “{self.name}” keeps no cache of what it has read; choose another model.")

    def stream(self, request: ChatRequest) -> Iterator[Chunk]:
        """Write the answer. Waits while another one is being written; an empty chunk means that it still waits.

        Raises `InputError` when the newest turn cannot be put into a prompt, `ModelError` when writing fails.
        """
        _check(request.sampling)
        self.load()
        told = False
        while not self._turn.acquire(timeout=_POLL_S if told else 0):
            if request.cancel.is_set():
                yield Chunk(finish=Finish.CANCELLED)
                return
            yield Chunk(notice="" if told else "Another answer is being written; yours comes next.")
            told = True
        failure: AppError | None = None
        tokens = 0
        try:
            prompt = self._prompts.build(
                request.messages,
                request.passages,
                max_new_tokens=request.sampling.max_new_tokens,
                started=request.started,
            )
            tokens = len(prompt.ids)
            for notice in prompt.notices:
                yield Chunk(notice=notice)
            yield from self._write(prompt, request.sampling, request.cancel)
        except AppError as error:
            failure = error
        except Exception as error:
            logger.exception("%s failed while writing", self.name)
            failure = self._failure(error, tokens)
        finally:
            self._turn.release()
        if failure is not None:  # raised out here, where the error no longer holds the cache's memory
            self._empty_gpu_cache()
            raise failure

    def _write(self, prompt: Prompt, sampling: Sampling, cancel: threading.Event) -> Iterator[Chunk]:
        text = TextStream(self._tokenizer, prompt.stop, prompt.lead)
        pick = _Sampler(sampling, prompt.ids, self._net.device)
        cache = _cache(self._net)
        logits: Any = None
        for start in range(0, len(prompt.ids), _PREFILL_TOKENS):
            if cancel.is_set():
                yield Chunk(finish=Finish.CANCELLED)
                return
            logits = self._read(self._net, prompt.ids[start : start + _PREFILL_TOKENS], cache)
            yield Chunk()
        finish, shown = Finish.LENGTH, False
        for left in range(prompt.room - 1, -1, -1):
            token = pick(logits)
            piece = "" if token in self._ends else text.push(token)
            if piece:
                shown = True
                yield Chunk(text=piece)
            if token in self._ends or text.stopped:
                finish = Finish.STOP
                break
            if cancel.is_set():
                finish = Finish.CANCELLED
                break
            if left:
                logits = self._read(self._net, [token], cache)
        rest = text.finish()
        silent = finish is Finish.STOP and not shown and not rest
        yield Chunk(text=rest, finish=finish, notice="The model ended its turn without an answer." if silent else "")

    def _read(self, net: Any, ids: Sequence[int], cache: Any) -> Any:
        """Logits after `ids`, shape (1, vocabulary), float32; `cache` grows by them."""
        import torch

        with torch.inference_mode():
            tokens = torch.tensor([list(ids)], device=net.device)
            output = net(input_ids=tokens, past_key_values=cache, use_cache=True, **self._options)
            logits = output.logits[:, -1].to(copy=True, dtype=torch.float32, device=net.device)
            if torch.isnan(logits).any():
                raise ArithmeticError("the logits are not numbers")
        return logits

    def _failure(self, error: Exception, prompt_tokens: int) -> ModelError:
        if weights.is_out_of_memory(error):
            return ModelError(
                f"The model “{self.name}” ran out of memory after a prompt of {prompt_tokens:,} tokens; "
                "start a new conversation, or choose a smaller model."
            )
        if isinstance(error, ArithmeticError):
            return ModelError(f"The model “{self.name}” computed numbers that are none; load it as float32.")
        return ModelError(f"The model “{self.name}” failed while writing ({type(error).__name__}); try again.")

    def _empty_gpu_cache(self) -> None:
        import torch

        if torch.cuda.is_available():
            torch.cuda.empty_cache()


class _Sampler:
    """Picks the next token; the same seed and logits give the same tokens as transformers' `generate`."""

    def __init__(self, sampling: Sampling, prompt_ids: Sequence[int], device: Any) -> None:
        import torch
        from transformers import (
            LogitsProcessorList,
            RepetitionPenaltyLogitsProcessor,
            TemperatureLogitsWarper,
            TopKLogitsWarper,
            TopPLogitsWarper,
        )

        self._greedy = sampling.temperature == 0
        self._read = torch.tensor([list(prompt_ids)], device=device)
        self._processors = LogitsProcessorList()
        if sampling.repetition_penalty != 1:
            self._processors.append(RepetitionPenaltyLogitsProcessor(sampling.repetition_penalty))
        if not self._greedy:
            if sampling.temperature != 1:
                self._processors.append(TemperatureLogitsWarper(sampling.temperature))
            if sampling.top_k:
                self._processors.append(TopKLogitsWarper(sampling.top_k))
            if sampling.top_p < 1:
                self._processors.append(TopPLogitsWarper(sampling.top_p))
        self._random = torch.Generator(device)
        if sampling.seed is None:
            self._random.seed()
        else:
            self._random.manual_seed(sampling.seed)

    def __call__(self, logits: Any) -> int:
        """The token after everything read so far, from logits of shape (1, vocabulary)."""
        import torch

        with torch.inference_mode():
            scores = self._processors(self._read, logits)
            if self._greedy:
                token = scores.argmax(dim=-1, keepdim=True)
            else:
                token = torch.multinomial(scores.softmax(dim=-1), 1, generator=self._random)
            self._read = torch.cat([self._read, token], dim=1)
        return int(token)


_RULES: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("max_new_tokens", lambda value: value >= 1, "at least 1"),
    ("temperature", lambda value: 0 <= value < float("inf"), "0 (greedy) or more"),
    ("top_k", lambda value: value >= 0, "0 (off) or more"),
    ("top_p", lambda value: 0 < value <= 1, "above 0 and at most 1"),
    ("repetition_penalty", lambda value: 0 < value < float("inf"), "above 0 (1 is off)"),
    ("seed", lambda value: value is None or 0 <= value < 2**63, "left out, or from 0 to 2^63 - 1"),
)


def _check(sampling: Sampling) -> None:
    for name, right, wanted in _RULES:
        if not right(value := getattr(sampling, name)):
            raise InputError(f"The setting {name} is {value}; it must be {wanted}.")


def _cache(net: Any) -> Any:
    from transformers import DynamicCache

    return DynamicCache(config=net.config)


def _context(config: Any, tokenizer: Any) -> int:
    """Tokens the model was made to read, as its configuration or else its tokenizer says."""
    text = config.get_text_config()
    declared = [value for key in _CONTEXT_KEYS if isinstance(value := getattr(text, key, None), int) and value > 0]
    limit = tokenizer.model_max_length
    return declared[0] if declared else int(limit) if limit < 1e9 else _DEFAULT_CONTEXT


def _declared_ends(net: Any, tokenizer: Any) -> frozenset[int]:
    """Ids that end an answer, gathered from generation config, configuration and tokenizer."""
    ends: set[int] = set()
    for said in (
        net.generation_config.eos_token_id,
        net.config.get_text_config().eos_token_id,
        tokenizer.eos_token_id,
    ):
        ends.update([said] if isinstance(said, int) else said or [])
    return frozenset(ends)


def _say_nothing(_: str) -> None:
    """Progress that nobody asked for."""
