"""Training data into a file of JSON lines: whole or not at all, and readable by its owner alone."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from errors import InputError


def write(path: Path, records: Iterable[Mapping[str, Any]], flag: str) -> None:
    """Put the file in its place, its folder too where there is none; `flag` is the one that names another.

    Raises `InputError` where it cannot be written; what stood there before is still there then.
    """
    if path.is_dir():
        raise InputError(
            f"{path} is a folder; name another file with {flag}.", zh=f"{path} 是文件夹；请用 {flag} 另指定文件。"
        )
    new = path.with_name(f"{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
        new.replace(path)
    except OSError as error:
        with suppress(OSError):
            new.unlink(missing_ok=True)
        raise InputError(
            f"{path} cannot be written ({error.strerror}); name another file with {flag}.",
            zh=f"无法写入 {path}（{error.strerror}）；请用 {flag} 另指定文件。",
        ) from error
