"""Any text-classification model of the hub, or of a folder, as a moderator.

    moderator = TextClassifier("unitary/toxic-bert", fetch, catalogue.load())
    moderator.load(print)

What its labels mean stands in the catalogue of moderators; where it does not, labels that say it themselves (`hate`,
`safe`, `self-harm`, …) are understood, and any other stops the load with the names that need a meaning. A text longer
than the model reads is judged in overlapping windows, and each label counts where it is likeliest.

Not covered: what was said before. These models read one text.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from errors import ModerationError
from moderation.base import Category, Exchange, Level, Report, Verdict
from moderation.catalogue import HARM, HARMLESS, Catalogue, Labels

logger = logging.getLogger(__name__)

Fetch = Callable[[str, Report], Path]
"""The folder of a model by its hub id or path, downloaded where need be. Raises `errors.AppError`."""

_LEVELS = (0.1, 0.2, 0.5, 0.8)
"""Where OpenChatKit's levels begin for a model that is not in the catalogue."""
_LONGEST = 512
_OVERLAP = 32
"""Tokens that neighbouring windows share."""
_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class _Loaded:
    """The model, ready to judge."""

    net: Any
    tokenizer: Any
    length: int
    """Tokens it reads at once."""
    meanings: tuple[str, ...]
    """What each of its outputs means, in their order."""
    several: bool
    levels: tuple[float, ...]


class TextClassifier:
    """Judges texts by themselves. Safe to call from several threads; `device` is cpu, cuda, cuda:1, mps or auto."""

    def __init__(self, model: str, fetch: Fetch, catalogue: Catalogue, device: str = "auto") -> None:
        self._model = model
        self._fetch = fetch
        self._catalogue = catalogue
        self._device = device
        self._loaded: _Loaded | None = None
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The hub id, or the last part of a folder's path."""
        return Path(self._model).name if Path(self._model).expanduser().is_dir() else self._model

    def load(self, report: Report) -> None:
        """Download and load the model once.

        Raises `ModerationError` when it is no such model or its labels are not known, and what fetching raises.
        """
        with self._lock:
            if self._loaded is None:
                self._loaded = self._load(report)

    def check(self, exchanges: Sequence[Exchange]) -> list[Verdict]:
        """One verdict each, in order. Loads the model on first use."""
        self.load(lambda _: None)
        loaded = self._loaded
        assert loaded is not None
        try:
            return [_verdict(loaded, exchange.text) for exchange in exchanges]
        except ModerationError:
            raise
        except Exception as error:  # whatever a network may raise
            logger.exception("The moderator %s failed", self.name)
            kind = type(error).__name__
            raise ModerationError(
                f"The moderator “{self.name}” failed ({kind}); the log says why.",
                zh=f"审核模型“{self.name}”出错（{kind}）；原因见日志。",
            ) from error

    def _load(self, report: Report) -> _Loaded:
        from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer
        from transformers.utils import logging as transformers_logging

        folder = self._fetch(self._model, report)
        try:
            config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        except Exception as error:
            raise self._unusable("has no configuration that can be read", "的配置无法读取") from error
        written_for = (config.architectures or ["nothing known"])[0]
        if not written_for.endswith("ForSequenceClassification"):
            raise ModerationError(
                f"The moderator “{self.name}” is a {written_for}, and how to ask it is not known; name one of "
                "docs/moderators.md, or describe it in a file given with --moderator-catalogue.",
                zh=f"审核模型“{self.name}”是 {written_for}，不知道该如何询问它；请选用 docs/moderators.md 中的模型，"
                "或在 --moderator-catalogue 指定的文件中描述它。",
            )
        labels = tuple(str(config.id2label[n]) for n in range(config.num_labels))
        meanings, several, levels = self._meanings(labels, str(config.problem_type or ""))
        bars = transformers_logging.is_progress_bar_enabled()
        transformers_logging.disable_progress_bar()
        try:
            tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
            net, found = AutoModelForSequenceClassification.from_pretrained(
                folder, config=config, trust_remote_code=False, output_loading_info=True
            )
        except Exception as error:  # damaged files raise all kinds
            logger.exception("Loading %s failed", self.name)
            raise self._unusable("cannot be loaded", "无法加载") from error
        finally:
            if bars:
                transformers_logging.enable_progress_bar()
        if found["missing_keys"] or found["mismatched_keys"]:
            raise self._unusable("lacks a part of its weights", "的权重不完整")
        return _Loaded(net.eval().to(self._place()), tokenizer, _length(config, tokenizer), meanings, several, levels)

    def _place(self) -> str:
        import torch

        if self._device != "auto":
            return self._device
        return "cuda" if torch.cuda.is_available() else "cpu"

    def _unusable(self, says: str, zh: str) -> ModerationError:
        return ModerationError(
            f"The moderator “{self.name}” {says}; the log says why, download it again or choose another one.",
            zh=f"审核模型“{self.name}”{zh}；原因见日志，请重新下载或换一个。",
        )

    def _meanings(self, labels: tuple[str, ...], problem: str) -> tuple[tuple[str, ...], bool, tuple[float, ...]]:
        """What the labels mean, whether each has a probability of its own, and where the levels begin."""
        entry = self._catalogue.find(self.name)
        if entry is not None and isinstance(entry.asks, Labels):
            return self._told(labels, entry.asks.labels), entry.asks.several, entry.levels
        guessed = {label: _guess(label) for label in labels}
        if unknown := [label for label, meaning in guessed.items() if meaning is None]:
            example = ", ".join(f'{label} = "…"' for label in unknown[:3])
            raise ModerationError(
                f"What the labels {', '.join(unknown)} of the moderator “{self.name}” mean is not known; say it in a "
                f"file given with --moderator-catalogue, as labels = {{ {example} }} with a category, harm or "
                "harmless for each of its labels.",
                zh=f"不知道审核模型“{self.name}”的标签 {'、'.join(unknown)} 的含义；请在 --moderator-catalogue "
                f"指定的文件中写明，形如 labels = {{ {example} }}，每个标签写一个类别、harm 或 harmless。",
            )
        meanings = self._told(labels, {label: str(meaning) for label, meaning in guessed.items()})
        shared = HARMLESS in meanings and len(labels) > 1 and problem != "multi_label_classification"
        return meanings, not shared, _LEVELS

    def _told(self, labels: tuple[str, ...], told: Mapping[str, str]) -> tuple[str, ...]:
        """The meanings in the order of the model's labels. Raises `ModerationError` unless each has one."""
        lacking = [label for label in labels if label not in told]
        meanings = tuple(told[label] for label in labels if label in told)
        if lacking or set(told) - set(labels):
            raise ModerationError(
                f"The label map of the moderator “{self.name}” names {', '.join(told)}, and the model has the labels "
                f"{', '.join(labels)}; name exactly those in the catalogue of moderators.",
                zh=f"审核模型“{self.name}”的标签对照表写的是 {'、'.join(told)}，而模型的标签是 {'、'.join(labels)}；"
                "请在审核模型目录中写明这些标签，不多不少。",
            )
        if all(meaning == HARMLESS for meaning in meanings):
            raise ModerationError(
                f"No label of the moderator “{self.name}” means harm ({', '.join(labels)}); choose another model.",
                zh=f"审核模型“{self.name}”没有表示有害的标签（{'、'.join(labels)}）；请换一个模型。",
            )
        return meanings


def _length(config: Any, tokenizer: Any) -> int:
    """Tokens it reads at once, at most `_LONGEST`; two fewer than its positions, which RoBERTa counts from two."""
    positions = getattr(config, "max_position_embeddings", None) or _LONGEST
    return int(min(_LONGEST, tokenizer.model_max_length, max(8, positions - 2)))


def _probabilities(loaded: _Loaded, text: str) -> list[float]:
    """The highest probability of each label in any window of the text, the lowest of those that mean no harm."""
    import torch

    windows = loaded.tokenizer(
        text.encode("utf-8", "replace").decode("utf-8"),
        padding=True,
        truncation=True,
        max_length=loaded.length,
        stride=min(_OVERLAP, loaded.length // 4),
        return_overflowing_tokens=True,
        return_tensors="pt",
    )
    windows.pop("overflow_to_sample_mapping", None)
    rows = []
    for start in range(0, len(windows["input_ids"]), _AT_ONCE):
        part = {name: tensor[start : start + _AT_ONCE].to(loaded.net.device) for name, tensor in windows.items()}
        with torch.inference_mode():
            logits = loaded.net(**part).logits.float()
        rows.append(logits.sigmoid() if loaded.several else logits.softmax(-1))
    table = torch.cat(rows)
    if not torch.isfinite(table).all():
        raise ModerationError(
            "The moderator computed numbers that are none; choose another one.",
            zh="审核模型算出了无效的数值；请换一个。",
        )
    harmless = torch.tensor([meaning == HARMLESS for meaning in loaded.meanings], device=table.device)
    found: list[float] = torch.where(harmless, table.amin(0), table.amax(0)).tolist()
    return found


def _verdict(loaded: _Loaded, text: str) -> Verdict:
    """Of labels that share one probability all but the harmless ones add up; of others the likeliest counts."""
    if not text.strip():
        return Verdict(0.0, Level.CASUAL)
    by_meaning: dict[str, float] = {}
    for meaning, probability in zip(loaded.meanings, _probabilities(loaded, text), strict=True):
        before = by_meaning.get(meaning, 0.0)
        by_meaning[meaning] = max(before, probability) if loaded.several else min(1.0, before + probability)
    harmless = by_meaning.pop(HARMLESS, 0.0)
    score = max(by_meaning.values()) if loaded.several else min(1.0, max(0.0, 1 - harmless))
    ranked = sorted(((name, value) for name, value in by_meaning.items() if name != HARM), key=lambda pair: -pair[1])
    return Verdict(score, Level(sum(score >= start for start in loaded.levels)), tuple(ranked))


def _guess(label: str) -> str | None:
    """What a label means by its own name; None where that is not beyond doubt."""
    return _KNOWN.get(re.sub(r"[\s_-]+", " ", label.strip().lower()))


_WORDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        HARMLESS: (
            "safe",
            "ok",
            "benign",
            "normal",
            "harmless",
            "neutral",
            "clean",
            "non toxic",
            "not toxic",
            "nontoxic",
            "nothate",
            "not hate",
            "non hate",
            "no hate",
            "non offensive",
            "not offensive",
            "not abusive",
            "unharmful",
            "not harmful",
            "non harmful",
            "legit",
            "no injection",
        ),
        HARM: (
            "unsafe",
            "harm",
            "harmful",
            "toxic",
            "toxicity",
            "severe toxic",
            "severe toxicity",
            "obscene",
            "profanity",
            "flagged",
        ),
        Category.HATE: ("hate", "hate speech", "hateful", "identity hate", "identity attack", "hate/threatening"),
        Category.HARASSMENT: (
            "harassment",
            "insult",
            "offensive",
            "abusive",
            "abuse",
            "bullying",
            "cyberbullying",
            "harassment/threatening",
        ),
        Category.SEXUAL: ("sexual", "sexual explicit", "sexually explicit", "nsfw", "sexual content"),
        Category.SEXUAL_MINORS: ("sexual/minors", "sexual minors"),
        Category.VIOLENCE: ("violence", "violent", "threat", "violence/graphic"),
        Category.SELF_HARM: (
            "self harm",
            "suicide",
            "suicidal",
            "self harm/intent",
            "self harm/instructions",
        ),
        Category.ILLICIT: ("illicit", "illicit/violent"),
        Category.WEAPONS: ("weapons",),
        Category.PERSONAL_INFORMATION: ("personal information", "pii"),
        Category.PROMPT_ATTACK: ("injection", "jailbreak", "prompt injection", "prompt attack"),
    }
)
_KNOWN: Mapping[str, str] = MappingProxyType(
    {word: str(meaning) for meaning, words in _WORDS.items() for word in words}
)
