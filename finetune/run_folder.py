"""The folder of one training run: who may write into it, its checkpoints, and `run.json`, which says what the run is.

    run.json                 recipe, data with hashes, scores, versions; `finished` once the weights are whole
    README.md                the same for people (finetune.run_card)
    adapter_model.safetensors, adapter_config.json   of a LoRA run; of a full one model.safetensors, config.json
    curves.png               loss and learning rate
    checkpoints/step-50/     what the run goes on from after a kill

A checkpoint is written under another name and renamed when it is whole; `whole.json` in it lists its files with their
sizes, so that one that was damaged later is passed over.
"""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chat.on_disk import there
from chat.runs import RECORD
from errors import InputError
from finetune.config import Model, Recipe

CARD, CURVES = "README.md", "curves.png"
RUNS = Path("var/runs")
"""Where the app looks for runs unless it is told of another data folder."""
_CHECKPOINTS, _UNFINISHED, _WHOLE = "checkpoints", "unfinished", "whole.json"
_STEP = re.compile(r"step-(\d+)")
_MAY_CHANGE = ("file", "card", "output", "training.keep")
"""Keys, or tables, of a recipe that do not change what a run becomes."""
_NO_SPACE = ("no space left", "file too large", "quota exceeded", "failed writing file", "inline_container")
"""How libraries tell of a full disk that lose the system's number."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Where a run is kept."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def checkpoints(self) -> Path:
        return self.path / _CHECKPOINTS

    @property
    def unfinished(self) -> Path:
        """Where a checkpoint is written until it is whole."""
        return self.checkpoints / _UNFINISHED

    @property
    def bytes(self) -> int:
        """What the run takes on disk by now."""
        return sum(path.stat().st_size for path in _files(self.path))

    def said(self) -> dict[str, Any]:
        """What `run.json` says; empty where there is none."""
        try:
            said = json.loads((self.path / RECORD).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return said if isinstance(said, dict) else {}

    def admit(self, recipe: Recipe, processes: int, resume: bool) -> None:
        """Raise `InputError` unless a run of this recipe may begin here, or go on where `resume`."""
        near = next(path for path in (self.path, *self.path.absolute().parents) if there(str(path)))
        if not near.is_dir() or not os.access(near, os.W_OK | os.X_OK):
            raise self._closed(near)
        said = self.said()
        if resume and not said:
            raise InputError(
                f"There is no run to go on with in “{self.name}”; leave --resume out.",
                zh=f"“{self.name}”中没有可继续的训练；请去掉 --resume。",
            )
        if resume:
            self._same(said, recipe, processes)
        elif said or (self.path.is_dir() and any(self.path.iterdir())):
            what, zh = ("another run", "另一次训练") if said else ("other files", "其他文件")
            raise InputError(
                f"The folder “{self.name}” holds {what}; give --resume to go on with a run, or another output.name.",
                zh=f"文件夹“{self.name}”中有{zh}；请用 --resume 继续训练，或换一个 output.name。",
            )

    def _closed(self, near: Path) -> InputError:
        why, zh = ("may not be written to", "无权写入") if near.is_dir() else ("is a file", "是文件")
        return InputError(
            f"The run “{self.name}” cannot be kept, since {near} {why}; name another folder with "
            "--set output.folder=….",
            zh=f"无法保存训练“{self.name}”：{near} {zh}；请用 --set output.folder=… 另选文件夹。",
        )

    def _same(self, said: Mapping[str, Any], recipe: Recipe, processes: int) -> None:
        # A key that recipes got since then had its default.
        before = _flat(as_json(Recipe(Model(base="")))) | _flat(said.get("recipe", {}))
        now = _flat(as_json(recipe))
        changed = [
            key
            for key in sorted(before.keys() | now.keys())
            if before.get(key) != now.get(key) and not any(f"{key}.".startswith(f"{may}.") for may in _MAY_CHANGE)
        ]
        if changed:
            told = "; ".join(f"{key} was {before.get(key)} and is {now.get(key)}" for key in changed)
            zh = "；".join(f"{key} 原为 {before.get(key)}，现为 {now.get(key)}" for key in changed)
            raise InputError(
                f"The recipe of “{self.name}” was changed since the run began ({told}); change it back to resume, or "
                "begin a new run under another output.name.",
                zh=f"“{self.name}”的配方在训练开始后被改动（{zh}）；请改回后再继续，或换一个 output.name 重新开始。",
            )
        if said.get("processes", processes) != processes:
            raise InputError(
                f"The run “{self.name}” began with {said['processes']} processes and there are {processes} now; start "
                "as many as then.",
                zh=f"训练“{self.name}”开始时有 {said['processes']} 个进程，现在有 {processes} 个；请启动同样多的进程。",
            )

    def same_data(self, files: list[dict[str, Any]]) -> None:
        """Raise `InputError` when a run that goes on would read other data than it began with."""
        before = {(one["part"], one["name"]): one["sha256"] for one in self.said().get("data", [])}
        now = {(one["part"], one["name"]): one["sha256"] for one in files}
        changed = sorted(
            name for (part, name) in before.keys() | now.keys() if before.get((part, name)) != now.get((part, name))
        )
        if before and changed:
            raise InputError(
                f"{', '.join(dict.fromkeys(changed))} changed since the run “{self.name}” began; bring the data back "
                "to resume, or begin a new run under another output.name.",
                zh=f"训练“{self.name}”开始后，{'、'.join(dict.fromkeys(changed))} 有改动；请恢复数据后再继续，"
                "或换一个 output.name 重新开始。",
            )

    def write(self, says: Mapping[str, Any]) -> None:
        """Put `says` into `run.json`, over what stands there under the same keys."""
        self.path.mkdir(parents=True, exist_ok=True)
        text = json.dumps({**self.said(), **says}, indent=1, ensure_ascii=False)
        fresh = self.path / f"{RECORD}.new"
        fresh.write_text(f"{text}\n", encoding="utf-8")
        fresh.replace(self.path / RECORD)

    def check_space(self, needed: int) -> None:
        """Raise `InputError` when `needed` bytes are not free where the run is kept."""
        free = free_bytes(self.path)
        if free < needed:
            raise InputError(
                f"There is no room for the run “{self.name}”: its checkpoints and weights take {_gb(needed)} and "
                f"{_gb(free)} are free; free some space, lower training.keep, or set output.folder to another disk.",
                zh=f"磁盘放不下训练“{self.name}”：检查点和权重需要 {_gb(needed)}，可用 {_gb(free)}；请腾出空间、"
                "调低 training.keep，或用 output.folder 指定另一块磁盘。",
            )

    def steps(self) -> list[int]:
        """The steps of the checkpoints that are whole, ascending."""
        folders = self.checkpoints.iterdir() if self.checkpoints.is_dir() else ()
        found = [int(match[1]) for folder in folders if (match := _STEP.fullmatch(folder.name)) and _is_whole(folder)]
        return sorted(found)

    def checkpoint(self, step: int) -> Path:
        return self.checkpoints / f"step-{step}"

    def keep(self, written: Path, step: int, at_most: int, best: int | None) -> None:
        """Make `written` the checkpoint of `step`; only the newest `at_most` and the `best` one stay."""
        sizes = {path.relative_to(written).as_posix(): path.stat().st_size for path in _files(written)}
        for path in _files(written):
            _to_disk(path)
        (written / _WHOLE).write_text(json.dumps(sizes), encoding="utf-8")
        _to_disk(written / _WHOLE)
        place = self.checkpoint(step)
        shutil.rmtree(place, ignore_errors=True)
        written.replace(place)
        shutil.rmtree(self.unfinished, ignore_errors=True)
        for old in self.steps()[:-at_most]:
            if old != best:
                shutil.rmtree(self.checkpoint(old))

    def interrupted(self) -> InputError:
        """What is said when a person stops the run."""
        steps = self.steps()
        kept = f"its last checkpoint is of step {steps[-1]}" if steps else "it has no checkpoint yet"
        zh = f"最后的检查点在第 {steps[-1]} 步" if steps else "还没有检查点"
        return InputError(
            f"The run “{self.name}” was stopped; {kept}. Give the same command with --resume to go on.",
            zh=f"训练“{self.name}”已停止；{zh}。用同样的命令加 --resume 即可继续。",
        )

    def full(self) -> InputError:
        """What is said when the disk fills up."""
        steps = self.steps()
        kept = f"the checkpoint of step {steps[-1]} is whole" if steps else "there is no whole checkpoint yet"
        zh = f"第 {steps[-1]} 步的检查点完好" if steps else "还没有完整的检查点"
        return InputError(
            f"The disk is full, so the run “{self.name}” cannot be written; {kept}. Free some space, then give the "
            "same command with --resume.",
            zh=f"磁盘已满，无法写入训练“{self.name}”；{zh}。请腾出空间，再用同样的命令加 --resume。",
        )


def free_bytes(path: Path) -> int:
    """What is free on the disk of `path`, which need not be there yet."""
    there = next(folder for folder in (path, *path.absolute().parents) if folder.is_dir())
    return shutil.disk_usage(there).free


def is_full(error: BaseException) -> bool:
    """Whether `error` says that the disk, or the share of it one may use, is full."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return True
    return any(phrase in str(error).lower() for phrase in _NO_SPACE)


def as_json(recipe: Recipe) -> dict[str, Any]:
    """The recipe's tables as JSON has them, without the file that it was read from."""
    tables = dataclasses.asdict(recipe)
    tables.pop("file")
    return dict(json.loads(json.dumps(tables)))


def _flat(tables: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{table}.{key}": value for table, keys in tables.items() for key, value in keys.items()}


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _is_whole(folder: Path) -> bool:
    try:
        sizes = json.loads((folder / _WHOLE).read_text(encoding="utf-8"))
        return all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError):
        return False


def _to_disk(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _gb(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"
