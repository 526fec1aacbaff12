"""How far a dump is: a small file beside the index for each wiki."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path

from errors import DocumentError, SourceError
from retrieval.dump_file import Place

log = logging.getLogger(__name__)

_SAMPLE = 2**20


@dataclass(frozen=True, slots=True)
class Record:
    """How far a dump is."""

    path: str
    fingerprint: str
    """Of the file: another one is another dump."""
    place: Place
    before: int
    """Number of the last passage before the first of this dump."""
    articles: int = 0
    last: str = ""
    """Id of the article that was added last."""
    done: float = 0.0
    """Share of the file that was read then."""
    whole: bool = False


def records(folder: Path) -> dict[str, Record]:
    """The dumps that were begun, by the names of their wikis. `folder`: the index's."""
    names = sorted(path.stem for path in (folder / "dumps").glob("*.json"))
    found = {name: read(folder, name) for name in names}
    return {name: record for name, record in found.items() if record is not None}


def read(folder: Path, wiki: str) -> Record | None:
    """What is noted of a wiki's dump; None where nothing is, or nothing that can be used."""
    path = path_of(folder, wiki)
    try:
        noted = json.loads(path.read_bytes())
        return Record(**noted | {"place": Place(**noted["place"])})
    except (OSError, ValueError, TypeError, KeyError) as error:
        if not isinstance(error, FileNotFoundError):
            log.warning("%s cannot be read (%s); that dump is read from its beginning", path, error)
        return None


def write(folder: Path, wiki: str, record: Record) -> None:
    """Note how far a dump is. Raises `DocumentError` when that cannot be written."""
    path = path_of(folder, wiki)
    unfinished = path.with_suffix(".part")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished.write_text(json.dumps(asdict(record)), encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        raise DocumentError(
            f"{path} cannot be written ({error.strerror}); free some space or mend its folder, then start again.",
            zh=f"无法写入 {path}（{error.strerror}），请腾出空间或修复该文件夹后重新启动。",
        ) from error


def path_of(folder: Path, wiki: str) -> Path:
    return folder / "dumps" / f"{wiki}.json"


def fingerprint(path: Path) -> str:
    """Of a file: its size, its beginning and its end. Raises `SourceError` when it cannot be read."""
    digest = hashlib.sha256()
    try:
        size = path.stat().st_size
        digest.update(str(size).encode())
        with path.open("rb") as file:
            digest.update(file.read(_SAMPLE))
            file.seek(max(0, size - _SAMPLE))
            digest.update(file.read(_SAMPLE))
    except OSError as error:
        raise SourceError(
            f"The dump {path} cannot be read ({error.strerror}); give one that is there.",
            zh=f"无法读取转储文件 {path}（{error.strerror}），请指定一个存在的文件。",
        ) from error
    return digest.hexdigest()
