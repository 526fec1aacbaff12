"""A folder whose files are documents: looked through every few seconds, whatever disk or network it lies on.

Looking costs one `stat` a file, so that it works where the system tells of no changes: network drives, containers.
A file that was changed a moment ago may still be being written, and waits. Hidden files, and names under which programs
keep what is unfinished, are left out. A link counts as the file it leads to, inside the folder only; a link to a folder
is not followed.

Not covered: somebody who may write into the folder and exchanges a file for a link while it is being read.
"""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from errors import SettingsError, SourceError
from retrieval.corpus import Failure, File, Listing

_SETTLED_S = 2.0
_UNFINISHED = ("~", ".part", ".partial", ".crdownload", ".download", ".tmp", ".swp")
_LOCK = "~$"
"""How Microsoft's programs begin the name of a lock."""


@dataclass(frozen=True, slots=True)
class _Seen:
    path: str
    size: int
    changed_ns: int

    @property
    def version(self) -> str:
        return f"{self.size}-{self.changed_ns}"


class WatchedFolder:
    """The files in a folder and the folders in it; keys are paths in it, with `/`. `clock` gives Unix time in seconds.

    Nothing below `leave_out` counts. Raises `SettingsError` when the folder is not there or cannot be read.
    """

    name = "folder"

    def __init__(self, folder: Path, leave_out: Path, clock: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._leave_out = leave_out.resolve()
        self._clock = clock
        self._device = 0
        self._seen: dict[str, _Seen] = {}
        self._before: dict[str, _Seen] = {}
        try:
            next(folder.iterdir(), None)
        except OSError as error:
            raise SettingsError(
                f"The folder {folder} of --documents-folder cannot be read ({error.strerror}); give one that is there."
            ) from error

    def listing(self) -> Listing:
        look = _Look(self._folder, str(self._leave_out))
        # An empty folder on another disk than before is a mount point without its disk: nothing was deleted.
        if not look.seen and self._device not in (0, look.device):
            raise SourceError(
                f"The folder {self._folder} is empty since its disk is gone; connect it again.",
                zh=f"文件夹 {self._folder} 所在的磁盘已断开，因此是空的，请重新连接。",
            )
        self._device = look.device
        self._before, self._seen = self._seen, look.seen
        return Listing(frozenset(look.seen), tuple(failure.key for failure in look.failures), tuple(look.failures))

    def files(self, stop: threading.Event) -> Iterator[File | Failure]:
        now = self._clock()
        for key, seen in self._seen.items():
            quiet_s = now - seen.changed_ns / 1e9
            # A time in the future comes from another machine's clock; there, two looks must agree.
            if quiet_s >= _SETTLED_S or (quiet_s < 0 and self._before.get(key) == seen):
                name = os.fsencode(key).decode("utf-8", "replace")
                yield File(key, seen.version, Path(seen.path), name)

    def forget(self, key: str) -> None:
        """Nothing is kept."""


class _Look:
    """One look through the folder. Raises `SourceError` when not even the folder itself can be read."""

    def __init__(self, folder: Path, leave_out: str) -> None:
        self.seen: dict[str, _Seen] = {}
        self.failures: list[Failure] = []
        self._leave_out = leave_out
        try:
            self._root = folder.resolve(strict=True)
            self.device = _device(self._root)
            self._folders = self._entries("")
        except OSError as error:
            raise _unreadable(folder, error) from error
        while self._folders:
            inside = self._folders.pop()
            try:
                self._folders += self._entries(inside)
            except FileNotFoundError:
                continue
            except OSError as error:
                self.failures.append(Failure(inside, _unreadable(self._root / inside, error)))

    def _entries(self, inside: str) -> list[str]:
        """Note the files of a folder; returns the folders in it. A folder's key ends in `/`."""
        folders: list[str] = []
        with os.scandir(self._root / inside) as entries:
            for entry in entries:
                if entry.name.startswith((".", _LOCK)) or entry.name.endswith(_UNFINISHED):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    if entry.path != self._leave_out:
                        folders.append(f"{inside}{entry.name}/")
                elif seen := self._file(entry):
                    self.seen[f"{inside}{entry.name}"] = seen
        return folders

    def _file(self, entry: os.DirEntry[str]) -> _Seen | None:
        """An ordinary file that lies in the folder; None for anything else, and for what has just gone."""
        try:
            if entry.is_symlink():
                target = Path(entry.path).resolve(strict=True)
                path, status = str(target), target.stat()
                if not target.is_relative_to(self._root):
                    return None
            else:
                path, status = entry.path, entry.stat(follow_symlinks=False)
        except (OSError, RuntimeError):  # a circle of links
            return None
        return _Seen(path, status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None


def _device(root: Path) -> int:
    return root.stat().st_dev


def _unreadable(folder: Path, error: OSError) -> SourceError:
    return SourceError(
        f"The folder {folder} cannot be read ({error.strerror}); what was read of it before stays.",
        zh=f"无法读取文件夹 {folder}（{error.strerror}），先前读取的内容仍然保留。",
    )
