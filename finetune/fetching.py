"""Where training data lies: files and folders here, data sets of the Hugging Face hub, URLs.

    files("handbook.jsonl")                                a file; a folder: what it holds
    files("hub:owner/name/config@test")                    config and split may be left out; `owner/name` alone too
    files("https://example.org/chats.jsonl.gz")            kept in `downloads`, and asked for anew only if it changed

The hub is asked by its own client, for the files of one configuration and split: those that `configs` of the data
set's card names, else those whose path names them, as the `datasets` library finds them. What is at a URL comes through
`retrieval.fetch`, straight to disk; the host that is named may lie inside one's own network, no other.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from chat.bilingual import Bilingual
from chat.hub import not_fetched
from chat.on_disk import there
from errors import InputError, SourceError
from finetune.reading import SUFFIXES, File, files_in
from retrieval.fetch import Fetcher, Known, Limits

DOWNLOADS = Path("var") / "training"
"""Where files of URLs are kept."""
LIMITS = Limits(seconds=6 * 3600, bytes=200 * 2**30)
_URL = re.compile(r"https?://(?P<host>[^/?#]+)", re.IGNORECASE)
_HUB = re.compile(r"(?:hub:)?(?P<id>[\w.-]+/[\w.-]+)(?:/(?P<config>[\w.-]+))?(?:@(?P<split>[\w.-]+))?")
_DATA_SET = Bilingual("data set", zh="数据集")
_DEFAULT_SPLIT = "train"
_OTHER_SPLITS = ("test", "testing", "validation", "valid", "val", "dev", "eval", "evaluation", "heldout")


def files(name: str, downloads: Path = DOWNLOADS) -> tuple[File, ...]:
    """The files of one source of a mixture. Raises `InputError`, `SourceError` or `ModelError`, one sentence each."""
    path = there(name)
    if _URL.match(name):
        return (_downloaded(name, downloads),)
    hub = _HUB.fullmatch(name)
    if hub is not None and path is None and (name.startswith("hub:") or not _looks_like_a_file(name)):
        return _of_the_hub(hub["id"], hub["config"] or "", hub["split"] or "")
    if name.startswith("hub:"):
        raise InputError(
            f"{name} names no data set of the hub; write hub:owner/name, hub:owner/name/config or "
            "hub:owner/name@split.",
            zh=f"{name} 不是 Hugging Face 数据集；请写成 hub:owner/name、hub:owner/name/config 或 "
            "hub:owner/name@split。",
        )
    if path is None or not (path.is_file() or path.is_dir()):
        raise InputError(
            f"There is no file or folder {name}; check the name.", zh=f"没有文件或文件夹 {name}；请检查名称。"
        )
    return files_in(path)


def _looks_like_a_file(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) or name.startswith(("./", "../", "~", "/"))


def _downloaded(url: str, downloads: Path) -> File:
    """The file at `url`, as it is now, or as it was where its host cannot be reached."""
    match = _URL.match(url)
    assert match is not None
    key = hashlib.sha256(url.encode()).hexdigest()[:32]
    file, note, coming = (downloads / f"{key}{end}" for end in ("", ".json", ".part"))
    known: Known | None = None
    fetcher = Fetcher("Groundchat", allowed_hosts=[match["host"]], limits=LIMITS)
    try:
        downloads.mkdir(parents=True, exist_ok=True)
        # Each process of a run reads the data for itself: one fetches it, the others ask whether it has changed.
        with FileLock(downloads / f"{key}.lock"):
            known = _known(note) if file.is_file() else None
            answer = fetcher.download(url, coming, known=known)
            if answer.changed:
                note.unlink(missing_ok=True)
                coming.replace(file)
                names = {"etag": "etag", "last_modified": "last-modified"}
                said = {name: answer.headers.get(header, "") for name, header in names.items()}
                note.write_text(json.dumps({"url": answer.url, **said}), encoding="utf-8")
    except SourceError:
        if known is None:
            raise
    except OSError as error:
        raise InputError(
            f"{url} cannot be kept in {downloads} ({error.strerror}); free some space or check the folder.",
            zh=f"无法把 {url} 保存到 {downloads}（{error.strerror}）；请腾出空间或检查该文件夹。",
        ) from error
    finally:
        fetcher.close()
    return File(file, url)


def _known(note: Path) -> Known | None:
    """What is noted of a file; nothing where that was not written to its end."""
    try:
        return Known(**json.loads(note.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _of_the_hub(id: str, config: str, split: str) -> tuple[File, ...]:
    import httpx2
    from huggingface_hub import HfApi, snapshot_download

    try:
        folder = Path(snapshot_download(id, repo_type="dataset", allow_patterns=["README.md"]))
        listed = [file.rfilename for file in HfApi().dataset_info(id).siblings or []]
        wanted = chosen(listed, _configs(folder / "README.md"), config, split)
        if wanted:
            folder = Path(snapshot_download(id, repo_type="dataset", allow_patterns=list(map(_literal, wanted))))
    except (OSError, ValueError, RuntimeError, httpx2.HTTPError) as error:
        kept = _kept(id, config, split)
        if kept:
            return kept
        raise not_fetched(id, error, _DATA_SET) from error
    if not wanted:
        asked = f"{f' configuration {config}' if config else ''}{f' split {split}' if split else ''}"
        raise InputError(
            f"The data set {id} has no files that can be read{' for' + asked if asked else ''}; it holds "
            f"{', '.join(sorted(listed)[:8])}.",
            zh=f"数据集 {id} 中没有可读取的文件{'（' + asked.strip() + '）' if asked else ''}；它包含 "
            f"{', '.join(sorted(listed)[:8])}。",
        )
    return tuple(File(folder / name, f"hub:{id}/{name}") for name in wanted)


def _kept(id: str, config: str, split: str) -> tuple[File, ...]:
    """What an earlier run has downloaded of it, where the hub cannot be reached."""
    from huggingface_hub import snapshot_download

    try:
        # The client refuses what is not all there: files of other splits need not be, those of this one must.
        folder = Path(snapshot_download(id, repo_type="dataset", allow_patterns=["README.md"], local_files_only=True))
        like = [f"*{split or _DEFAULT_SPLIT}*{suffix}" for suffix in SUFFIXES]
        snapshot_download(id, repo_type="dataset", allow_patterns=like, local_files_only=True)
    except (OSError, ValueError):
        return ()
    there = [file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()]
    wanted = chosen(there, _configs(folder / "README.md"), config, split)
    return tuple(File(folder / name, f"hub:{id}/{name}") for name in wanted)


def _literal(name: str) -> str:
    """A pattern that only this name matches."""
    return re.sub(r"([*?[])", r"[\1]", name)


@dataclass(frozen=True, slots=True)
class Config:
    """A configuration of a data set's card: splits and the patterns of their files."""

    name: str
    splits: tuple[tuple[str, tuple[str, ...]], ...]
    default: bool = False


def _configs(card: Path) -> tuple[Config, ...]:
    """What the card's metadata says under `configs`; nothing where there is no card, or it says nothing."""
    from huggingface_hub import metadata_load

    if not card.is_file():
        return ()
    try:
        said = metadata_load(card) or {}
    except ValueError:
        return ()
    return configs_of(said.get("configs"))


def configs_of(said: Any) -> tuple[Config, ...]:
    """`configs` of a card's metadata (huggingface.co/docs/hub/datasets-manual-configuration)."""
    found = []
    for one in said if isinstance(said, list) else []:
        if isinstance(one, Mapping) and one.get("data_files"):
            prefix = f"{one['data_dir'].strip('/')}/" if one.get("data_dir") else ""
            splits = tuple(_splits(one["data_files"], prefix))
            found.append(Config(str(one.get("config_name", "default")), splits, bool(one.get("default"))))
    return tuple(found)


def _splits(said: Any, prefix: str) -> list[tuple[str, tuple[str, ...]]]:
    if isinstance(said, list) and all(isinstance(one, Mapping) for one in said):
        return [(str(one.get("split", _DEFAULT_SPLIT)), _paths(one.get("path"), prefix)) for one in said]
    return [(_DEFAULT_SPLIT, _paths(said, prefix))]


def _paths(said: Any, prefix: str) -> tuple[str, ...]:
    return tuple(prefix + str(path) for path in (said if isinstance(said, list) else [said]))


def chosen(listed: Sequence[str], configs: Sequence[Config], config: str, split: str) -> list[str]:
    """The files of a configuration and a split, where empty the default one and `train`."""
    split = split or _DEFAULT_SPLIT
    data = sorted(name for name in listed if name.lower().endswith(SUFFIXES) and not name.startswith("."))
    named = [one for one in configs if one.name == config] if config else sorted(configs, key=_default_first)[:1]
    if named:
        patterns = [pattern for name, paths in named[0].splits if name == split for pattern in paths]
        return [name for name in data if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)]
    if config:
        data = [name for name in data if config in _words(name, r"[/]") or config in _words(name, r"[/.]")]
    of_split = [name for name in data if split in _words(name, r"[^0-9A-Za-z]+")]
    if of_split or split != _DEFAULT_SPLIT:
        return of_split
    return [name for name in data if not set(_OTHER_SPLITS) & set(_words(name, r"[^0-9A-Za-z]+"))]


def _default_first(config: Config) -> tuple[bool, bool]:
    return not config.default, config.name != "default"


def _words(name: str, between: str) -> list[str]:
    return re.split(between, name)
