"""Bodies that were fetched, kept for a while: an SQLite file, or memory where no folder is given.

The least recently used go first when there are too many bytes. Keys are stored as SHA-256, so that the file does not
spell out what was asked. A cache never fails a search: what cannot be read is a miss, what cannot be kept is dropped.
"""

from __future__ import annotations

import hashlib
import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

_FILE = "fetched.sqlite"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS body (
    key TEXT PRIMARY KEY, expires REAL NOT NULL, used REAL NOT NULL, size INTEGER NOT NULL, body BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS body_used ON body (used);
"""


class Cache:
    """Safe to call from several threads, and from several processes on one folder. `clock` gives seconds."""

    def __init__(
        self, folder: Path | None, max_bytes: int = 64 * 2**20, clock: Callable[[], float] = time.time
    ) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._clock = clock
        self._lock = threading.Lock()
        self._database: sqlite3.Connection | None = None

    def get(self, key: str) -> bytes | None:
        """The body kept under `key`, unless it has expired."""
        now, name = self._clock(), _name(key)
        rows = self._run("SELECT body FROM body WHERE key = ? AND expires > ?", (name, now))
        if not rows:
            return None
        self._run("UPDATE body SET used = ? WHERE key = ?", (now, name))
        return bytes(rows[0][0])

    def put(self, key: str, body: bytes, ttl_s: float) -> None:
        """Keep `body` for `ttl_s` seconds, or until others need its place."""
        now = self._clock()
        if len(body) > self._max_bytes:
            return
        self._run("INSERT OR REPLACE INTO body VALUES (?, ?, ?, ?, ?)", (_name(key), now + ttl_s, now, len(body), body))
        self._run("DELETE FROM body WHERE expires <= ?", (now,))
        self._run(
            "DELETE FROM body WHERE key IN (SELECT key FROM"
            " (SELECT key, SUM(size) OVER (ORDER BY used DESC, rowid DESC) AS kept FROM body) WHERE kept > ?)",
            (self._max_bytes,),
        )

    def close(self) -> None:
        """Close the file; the next call opens it again. What was kept in memory is gone."""
        with self._lock:
            if self._database is not None:
                self._database.close()
                self._database = None

    def _run(self, statement: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        with self._lock:
            try:
                if self._database is None:
                    self._database = self._opened()
                return self._database.execute(statement, values).fetchall()
            except sqlite3.Error as error:
                log.debug("cache: %s", error)
                return []

    def _opened(self) -> sqlite3.Connection:
        if self._folder is not None:
            file = self._folder / _FILE
            try:
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                try:
                    return _database(file)
                except sqlite3.DatabaseError as error:
                    if isinstance(error, sqlite3.OperationalError):  # locked or unwritable, not damaged
                        raise
                    file.unlink()
                    return _database(file)
            except (OSError, sqlite3.Error) as error:
                log.warning("the cache file %s cannot be used (%s); pages are kept in memory instead", file, error)
        return _database(":memory:")


def _name(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _database(file: Path | str) -> sqlite3.Connection:
    database = sqlite3.connect(file, timeout=1.0, isolation_level=None, check_same_thread=False)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = OFF")  # losing a cache in a power cut costs nothing
        database.executescript(_SCHEMA)
    except sqlite3.Error:
        database.close()
        raise
    return database
