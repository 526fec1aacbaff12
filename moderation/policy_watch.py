"""The operator's policy file, read again when it has changed.

policies = WatchedPolicy(path)        # raises `SettingsError` where the file cannot be used at the start
policies.current()                    # the newest policy that could be used

Looked at when a message comes, at most once in `_LOOK_S` seconds. A file that cannot be used any more leaves the last
good policy in force; its one sentence is logged, and stays in `problem` until the file is mended.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from errors import SettingsError
from moderation.policy import Policy
from moderation.policy_file import load_policy

_LOOK_S = 1.0

logger = logging.getLogger(__name__)

Stamp = tuple[int, int, int]


class WatchedPolicy:
    """The built-in policy with the file laid over it; the built-in one alone where there is no file. Thread-safe."""

    def __init__(self, path: Path | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` tells seconds. Raises `SettingsError` with one sentence."""
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._stamp = _stamp(path)
        self._policy = load_policy(path)
        self._problem = ""
        self._looked = clock()

    @property
    def problem(self) -> str:
        """Why the file as it stands now is not in force; empty where it is."""
        return self._problem

    def current(self) -> Policy:
        """The policy in force."""
        with self._lock:
            if self._path is not None and self._clock() - self._looked >= _LOOK_S:
                self._looked = self._clock()
                self._look(self._path)
            return self._policy

    def _look(self, path: Path) -> None:
        # The stamp is taken before the file is read: what is written meanwhile is seen at the next look.
        stamp = _stamp(path)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._policy = load_policy(path)
            self._problem = ""
            logger.info("The moderation policy %s was read again.", path)
        except SettingsError as error:
            self._problem = str(error)
            logger.error("The moderation policy changed and cannot be used; the one before stays in force. %s", error)


def _stamp(path: Path | None) -> Stamp | None:
    """Changes whenever the file does; None where there is none."""
    try:
        found = path.stat() if path is not None else None
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino) if found is not None else None
