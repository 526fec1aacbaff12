"""A chat model on this machine: any causal language model of the hub or of a local folder, through transformers.

Many answers are written together (`chat.batching`) where the network allows it, else one at a time (`chat.plain`).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from chat import catalogue, on_disk, weights
from chat.base import NO_SOURCES, SILENT, ChatRequest, Chunk, Finish
from chat.bilingual import Bilingual
from chat.decoding import Decoder, Job, TimeUp, Waiting
from chat.formats import format_of
from chat.placement import Placement
from chat.prompt import Prompt, PromptBuilder
from chat.sampling_limits import check
from chat.text_stream import TextStream
from chat.zerogpu import Lender
from errors import ModelError
from retrieval.rerank import THRESHOLD

logger = logging.getLogger(__name__)

LONGEST_CONTEXT = 8192
"""Tokens that are read at once at most, to bound the memory."""
_MEMORY_SHARE = 0.6
"""Of the free memory, for keys and values."""
_DEFAULT_CONTEXT = 2048
_CONTEXT_KEYS = ("max_position_embeddings", "n_positions", "max_seq_len", "max_sequence_length", "seq_length", "n_ctx")


class LocalModel:
    """A transformers model as a chat engine. `context_limit` caps the tokens it reads at once, to bound memory.

    `users` answers are written at the same time; with a `lender`, each on a GPU that is lent for it. `format` is the
    prompt's (a key of `chat.formats.FORMATS`); where it is empty, the model tells it once it is loaded. Without
    `sources` it is given none. Only the request's own sampling counts; what a model's generation_config.json recommends
    is not used.
    """

    def __init__(
        self,
        model: str,
        placement: Placement | None = None,
        context_limit: int = LONGEST_CONTEXT,
        users: int = 16,
        lender: Lender | None = None,
        format: str = "",
        sources: bool = True,
    ) -> None:
        self.model = model
        self.placement = placement or Placement()
        self.context_limit = context_limit
        self.users = users
        self.lender = lender
        self.format = format
        self.least = THRESHOLD if sources else NO_SOURCES
        self._net: Any = None
        self._tokenizer: Any = None
        self._prompts: PromptBuilder
        self._ends: frozenset[int] = frozenset()
        self._decoder: Decoder | None = None
        self._loading = threading.Lock()

    @property
    def name(self) -> str:
        """The hub id, or the last part of a local folder's path."""
        return Path(self.model).name if on_disk.folder(self.model) else self.model

    @property
    def loaded(self) -> bool:
        return self._decoder is not None

    @property
    def context(self) -> int:
        """Tokens it reads at once, prompt and answer together. The model must be loaded."""
        return self._prompts.context

    @property
    def network(self) -> Any:
        """The network itself, for measurements. The model must be loaded."""
        return self._net

    @property
    def tokenizer(self) -> Any:
        return self._tokenizer

    def load(self, progress: Callable[[str], None] | None = None) -> None:
        """Download and load the model once, telling `progress` what is being done. Raises `ModelError`."""
        with self._loading:
            if self._decoder is None:
                self._load(progress or _say_nothing)

    def rest(self) -> None:
        """Give back the memory of what was read; does nothing while somebody is being answered."""
        from chat.batching import BatchedDecoder

        if isinstance(self._decoder, BatchedDecoder):
            self._decoder.forget()

    def close(self) -> None:
        """Nobody asks it any more: once nothing else holds it, its memory is free at once."""
        from chat.batching import BatchedDecoder

        if isinstance(self._decoder, BatchedDecoder):
            self._decoder.end()

    @property
    def known(self) -> catalogue.CatalogueModel | None:
        """What the catalogue says of it; None where it says nothing."""
        return catalogue.find(self.model)

    def _load(self, progress: Callable[[str], None]) -> None:
        net, tokenizer = self._open(progress)
        known = self.known
        context = min(self.context_limit, context_of(net.config, tokenizer), known.context if known else 2**31)
        self.format = self.format or (known.format if known else format_of(tokenizer, net.config.model_type))
        prompts = PromptBuilder(tokenizer, self.format, context)
        declared = _declared_ends(net, tokenizer)
        self._tokenizer, self._prompts = tokenizer, prompts
        self._ends = declared | prompts.end_of_turn(declared)
        self._net = net
        self._decoder = self._decoder_for(net)
        progress(Bilingual(f"{self.name} is ready", zh=f"{self.name} 已就绪"))

    def _open(self, progress: Callable[[str], None]) -> tuple[Any, Any]:
        """The network and its tokenizer, read from disk. Raises `ModelError`."""
        from transformers.utils import logging as transformers_logging

        progress(weights.forecast(self.model, self.placement, self.users, self.context_limit, progress))
        folder = weights.fetch(self.model, progress)
        progress(Bilingual(f"Loading {self.name} into memory", zh=f"正在把 {self.name} 载入内存"))
        bars = transformers_logging.is_progress_bar_enabled()
        transformers_logging.disable_progress_bar()
        try:
            config = weights.open_config(folder, self.name)
            tokenizer = weights.open_tokenizer(folder, self.name)
            net = weights.open_net(folder, self.name, config, self.placement, progress)
        finally:
            if bars:
                transformers_logging.enable_progress_bar()
        return net, tokenizer

    def _decoder_for(self, net: Any) -> Decoder:
        """Raises `ModelError` when the network cannot go on from what it has read."""
        from chat import batching, plain, trial

        try:
            trial.goes_on(net)
        except Exception as error:
            logger.exception("Trying out %s failed", self.name)
            kind = type(error).__name__
            raise ModelError(
                f"The model “{self.name}” does not run here ({kind}); the log says why, choose another model.",
                zh=f"模型“{self.name}”在此无法运行（{kind}）；原因见日志，请换一个模型。",
            ) from error
        if self.lender is not None:
            return self.lender.decoder(net)
        try:
            bytes_per_token = trial.batches(net)
        except Exception as error:
            logger.info("%s is written one answer at a time: %s", self.name, error)
            return plain.PlainDecoder(net)

        def most_tokens(held: int) -> int:
            """Asked for whenever more are needed: an old model's memory comes free only once nobody reads it."""
            return held + int(_MEMORY_SHARE * weights.free_bytes(net) / bytes_per_token)

        return batching.BatchedDecoder(net, most_rows=self.users, most_tokens=most_tokens)

    def stream(self, request: ChatRequest) -> Iterator[Chunk]:
        """Write the answer. Waits while too many others are being written; empty chunks mean that it still waits.

        Raises `InputError` when the newest turn cannot be put into a prompt, `ModelError` when writing fails.
        """
        check(request.sampling)
        self.load()
        prompt = self._prompt(request)
        for notice in prompt.notices:
            yield Chunk(notice=notice)
        if prompt.read:
            yield Chunk(read=prompt.read)
        yield from self._answer(prompt, request)

    def raw_stream(self, request: ChatRequest) -> Iterator[Chunk]:
        """Go on from the newest message alone, as it stands. Raises as `stream` does."""
        check(request.sampling)
        self.load()
        yield from self._answer(
            self._prompts.raw(request.question, max_new_tokens=request.sampling.max_new_tokens), request
        )

    def prompt_of(self, request: ChatRequest) -> str:
        """The prompt that `stream` would read, as text."""
        self.load()
        return self._prompt(request).text + request.begun

    def _prompt(self, request: ChatRequest) -> Prompt:
        return self._prompts.build(
            request.messages,
            request.passages,
            max_new_tokens=request.sampling.max_new_tokens,
            started=request.started,
            begun=request.begun,
        )

    def _answer(self, prompt: Prompt, request: ChatRequest) -> Iterator[Chunk]:
        """What is written; where its time on a device was up, it ends as if at its longest length."""
        shown = False
        try:
            with closing(self._write(prompt, request)) as chunks:
                for chunk in chunks:
                    shown = shown or bool(chunk.text)
                    yield chunk
        except TimeUp as error:
            if not shown:
                raise
            yield Chunk(finish=Finish.LENGTH, notice=error.told(request.language))

    def _write(self, prompt: Prompt, request: ChatRequest) -> Generator[Chunk]:
        assert self._decoder is not None
        text = TextStream(self._tokenizer, prompt.stop, prompt.lead, prompt.begun)
        job = Job(prompt.ids, request.sampling, prompt.room, self._ends, request.cancel)
        count, shown = 0, False
        with closing(self._decoder.write(job)) as tokens:
            for token in tokens:
                if isinstance(token, Waiting):
                    yield Chunk(place=token.place)
                    continue
                count += 1
                piece = text.push(token)
                shown = shown or bool(piece)
                yield Chunk(text=piece)
                if text.stopped:
                    break
        finish = Finish.STOP
        if request.cancel.is_set() and not text.stopped:
            finish = Finish.CANCELLED
        elif count == prompt.room and not text.stopped:
            finish = Finish.LENGTH
        rest = text.finish(cut=finish is not Finish.STOP)
        silent = finish is Finish.STOP and not (request.begun or shown or rest)
        yield Chunk(text=rest, finish=finish, notice=SILENT if silent else "")


def context_of(config: Any, tokenizer: Any) -> int:
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
