"""The fine-tuned models of this machine: what finetune.chat and finetune.merge left in one folder, a folder each.

    runs = Runs(Path("var/runs"))
    runs.all()                    # those that are whole, the newest first
    runs.find("run:support-bot")  # as people name them

A run is an adapter (adapter_config.json, adapter_model.safetensors) or a whole model (config.json, weights). Its
run.json says what it was taught and how well it does, and `finished` once its weights are whole; a folder without one
is listed too.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from chat import adapter, on_disk
from chat.formats import FORMATS
from errors import AppError, ModelError

logger = logging.getLogger(__name__)

PREFIX = "run:"
"""What a run's name begins with where other models may be named too: no hub id and no address holds such a colon."""
RECORD = "run.json"
_CONFIG = "config.json"
_INDEX = "model.safetensors.index.json"
_OLD_WEIGHTS = "pytorch_model*.bin"
_SCORES = 3
"""Scores that are kept for the list."""
_AFTER = "_after"
_NO_SCORE = re.compile(r"runtime|per_second|num_tokens|epoch")

Kind = Literal["adapter", "full", "merged"]


@dataclass(frozen=True, slots=True)
class Run:
    """A fine-tuned model, whole on disk."""

    folder: Path
    kind: Kind
    """`adapter`: changes to `base`; `full`: a model of its own; `merged`: one that was made of an adapter and its base.
    """
    base: str
    """Hub id or folder of the model it was made from; empty where a whole model does not say."""
    made: datetime
    """When it was finished, UTC."""
    scores: Mapping[str, float]
    """On held-out texts, the first few of run.json."""
    format: str = ""
    """How it was taught to be written to (`chat.formats.FORMATS`); empty: as any other model of its kind."""
    sources: bool = True
    """Whether it was taught to answer from sources, too."""

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def id(self) -> str:
        """How it is named among other models."""
        return PREFIX + self.name

    @property
    def base_name(self) -> str:
        """The base without the folders before it."""
        return adapter.shown(self.base) if self.base else ""


class Runs:
    """The runs in `folder`, looked for anew each time: training goes on beside the app."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._told: dict[str, str] = {}

    def all(self) -> tuple[Run, ...]:
        """Those that are whole, the newest first. Why another is not is logged, once."""
        found = []
        for folder in self._folders():
            try:
                found.append(read(folder))
            except AppError as error:
                if self._told.get(folder.name) != str(error):
                    logger.info("Not listed: %s", error)
                self._told[folder.name] = str(error)
        return tuple(sorted(found, key=lambda run: (run.made, run.name), reverse=True))

    def _folders(self) -> list[Path]:
        try:
            return [path for path in self.folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
        except OSError:
            return []  # nothing was trained yet

    def find(self, name: str) -> Run | None:
        """The run named `run:NAME`, or by its folder; None for any other model. Raises `ModelError` as `read`."""
        if name.startswith(PREFIX):
            return read(self._named(name.removeprefix(PREFIX).strip()))
        folder = on_disk.folder(name)
        if folder is None:
            return None
        mine = (folder / RECORD).is_file() or ((folder / adapter.CONFIG).is_file() and not (folder / _CONFIG).is_file())
        return read(folder) if mine else None

    def _named(self, name: str) -> Path:
        """Its folder. Raises `ModelError` for what is none: nothing outside of the folder of runs is looked at."""
        folder = self.folder / name
        if not name or name.startswith(".") or folder.name != name or not folder.is_dir():
            raise ModelError(
                f"There is no run “{name}” on this machine; choose one of the list, or train it.",
                zh=f"本机没有名为“{name}”的训练结果；请从列表中选择，或先训练它。",
            )
        return folder


def read(folder: Path) -> Run:
    """The run in `folder`. Raises `ModelError` when it is not finished, or its files cannot be read."""
    record = _record(folder)
    weights = _weights(folder)
    if not weights or ("recipe" in record and not record.get("finished")):
        raise ModelError(
            f"The run “{folder.name}” has no finished weights; it is still being trained, or was broken off: let "
            "finetune.chat finish it.",
            zh=f"训练结果“{folder.name}”还没有完整的权重：训练仍在进行，或已中断；请让 finetune.chat 完成它。",
        )
    recipe = _table(_table(record, "recipe"), "model")
    kind: Kind = "merged" if "merged" in record else "full"
    base = str(recipe.get("base") or record.get("base") or "")
    if weights[0].name == adapter.WEIGHTS:
        kind = "adapter"
        base = str(adapter.config_of(folder, folder.name).get("base_model_name_or_path") or base)
        if not base:
            raise ModelError(
                f"The adapter “{folder.name}” does not say which model it was made for; write that into its "
                f"{adapter.CONFIG} as base_model_name_or_path.",
                zh=f"适配器“{folder.name}”没有说明它是为哪个模型制作的；请写入其 {adapter.CONFIG} 的 "
                "base_model_name_or_path。",
            )
    made = datetime.fromtimestamp(max(file.stat().st_mtime for file in weights), UTC)
    format = str(record.get("format") or recipe.get("format") or "")
    sources = recipe.get("sources") is not False
    return Run(folder, kind, base, made, _scores(record), format if format in FORMATS else "", sources)


def _weights(folder: Path) -> list[Path]:
    """The files of its weights; none while one of them is missing. Half-written ones are called otherwise."""
    if (folder / adapter.CONFIG).is_file() and not (folder / _CONFIG).is_file():
        names = [adapter.WEIGHTS]
    elif not (folder / _CONFIG).is_file():
        names = []
    elif (folder / _INDEX).is_file():
        names = sorted(set(map(str, _table(_json(folder / _INDEX), "weight_map").values())))
    else:
        names = [path.name for pattern in ("*.safetensors", _OLD_WEIGHTS) for path in sorted(folder.glob(pattern))]
    files = [folder / name for name in names]
    return files if all(file.is_file() for file in files) else []


def _record(folder: Path) -> dict[str, Any]:
    file = folder / RECORD
    return _json(file) if file.is_file() else {}


def _json(file: Path) -> dict[str, Any]:
    """Raises `ModelError` when it is not a JSON object."""
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise _unreadable(file) from error
    if not isinstance(said, dict):
        raise _unreadable(file)
    return said


def _unreadable(file: Path) -> ModelError:
    return ModelError(
        f"The run “{file.parent.name}” has a {file.name} that cannot be read; mend it, or train the run again.",
        zh=f"训练结果“{file.parent.name}”的 {file.name} 无法读取；请修好它，或重新训练。",
    )


def _table(record: Mapping[str, Any], key: str) -> dict[str, Any]:
    table = record.get(key)
    return table if isinstance(table, dict) else {}


def _scores(record: Mapping[str, Any]) -> dict[str, float]:
    """The first few; of those before and after training the latter, without speeds and counts."""
    numbers = {
        str(name): float(value)
        for name, value in _table(record, "scores").items()
        if isinstance(value, int | float) and not isinstance(value, bool) and not _NO_SCORE.search(str(name))
    }
    after = {name.removesuffix(_AFTER): value for name, value in numbers.items() if name.endswith(_AFTER)}
    return dict(list((after or numbers).items())[:_SCORES])
