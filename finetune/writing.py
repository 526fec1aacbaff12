"""What a command leaves on the disk: files that are written or told of, training data whole and its owner's alone."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from errors import InputError
from finetune.run_folder import is_full


@contextmanager
def writing(place: Path, flag: str) -> Iterator[None]:
    """Raises `InputError` for what the disk refuses; `flag` is the one that names another place."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        if not isinstance(error, OSError) and not is_full(error):
            raise
        why = "the disk is full" if is_full(error) else getattr(error, "strerror", None) or error
        raise InputError(
            f"{place} cannot be written ({why}); choose another place with {flag}.",
            zh=f"无法写入 {place}（{why}）；请用 {flag} 另选位置。",
        ) from error


def write(path: Path, records: Iterable[Mapping[str, Any]], flag: str) -> None:
    """Put the records into a file, a line each, its folder too where there is none; `flag` names another one.

    Raises `InputError` where it cannot be written; what stood there before is still there then.
    """
    if path.is_dir():
        raise InputError(
            f"{path} is a folder; name another file with {flag}.", zh=f"{path} 是文件夹；请用 {flag} 另指定文件。"
        )
    new = path.with_name(f"{path.name}.new")
    try:
        with writing(path, flag):
            path.parent.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
                file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
            new.replace(path)
    except InputError:
        with suppress(OSError):
            new.unlink(missing_ok=True)
        raise
