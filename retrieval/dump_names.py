"""Other names of articles: a dump's redirects by the article they lead to, collected before the articles are read.

A redirect may stand anywhere in the dump, before its article or long after it, and there are more of them than of
articles: they are kept in a SQLite file, which also says how far the collecting is, and is deleted at the end.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from errors import DocumentError
from retrieval.dump_file import Place
from retrieval.dump_pages import Page
from retrieval.text import analyse

_MOST_NAMES, _MOST_CHARS = 12, 300
"""What an article is given of them: they make its beginning longer."""
_CANDIDATES = 200
_LEAD_CHARS = 2_000
_TO_SECTION = re.compile(r"\[\[[^\[\]|]{0,500}#")
_MISTAKEN = re.compile(r"misspell|typo|incorrect|miscapitali[sz]ation|错别字|錯別字", re.IGNORECASE)
_TABLES = """
CREATE TABLE IF NOT EXISTS names (target TEXT NOT NULL, name TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS progress (fingerprint TEXT, stream INTEGER, past INTEGER, whole INTEGER);
"""


class OtherNames:
    """The names in a file. One thread uses it. Raises `DocumentError` when the file cannot be written."""

    def __init__(self, path: Path, fingerprint: str) -> None:
        """`fingerprint`: of the dump; what was collected of another one is forgotten."""
        self._path = path
        self._fingerprint = fingerprint
        self._database: sqlite3.Connection | None = None
        self.place = Place()
        """Where the collecting goes on."""
        self.whole = False
        """Whether all of them are there."""

    def open(self) -> None:
        with self._telling():
            try:
                self._connect()
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):  # locked or unwritable, not damaged
                    raise
                self.delete()
                self._connect()

    def _connect(self) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._database = sqlite3.connect(self._path)
        self._database.executescript(_TABLES)
        noted = self._database.execute("SELECT fingerprint, stream, past, whole FROM progress").fetchone()
        if noted and noted[0] == self._fingerprint:
            self.place, self.whole = Place(noted[1], noted[2]), bool(noted[3])
        elif noted:
            self.delete()
            self._connect()

    def add(self, redirects: Sequence[Page], place: Place, whole: bool = False) -> None:
        """More of them, and where the collecting goes on after them: both or neither."""
        with self._telling(), self._opened as database:
            rows = [(one.redirect, one.title) for one in redirects if _names(one)]
            database.executemany("INSERT INTO names VALUES (?, ?)", rows)
            database.execute("DELETE FROM progress")
            values = (self._fingerprint, place.stream, place.past, whole)
            database.execute("INSERT INTO progress VALUES (?, ?, ?, ?)", values)
            if whole:
                database.execute("CREATE INDEX IF NOT EXISTS targets ON names (target)")
        self.place, self.whole = place, whole

    def of(self, title: str, text: str, language: str) -> list[str]:
        """The other names of an article that say more than its title and its first paragraphs do."""
        with self._telling():
            query = "SELECT name FROM names WHERE target = ? ORDER BY rowid LIMIT ?"
            found = [name for (name,) in self._opened.execute(query, (title, _CANDIDATES))]
        lead, left = text[:_LEAD_CHARS].casefold(), _MOST_CHARS
        known = {frozenset(analyse(title, language))}
        names: list[str] = []
        for name in found:
            terms = frozenset(analyse(name, language))
            if any(terms <= one for one in known) or name.casefold() in lead:
                continue
            left -= len(name)
            if left < 0 or len(names) == _MOST_NAMES:
                break
            known.add(terms)
            names.append(name)
        return names

    def close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    def delete(self) -> None:
        """Close and remove the file."""
        self.close()
        for suffix in ("", "-journal"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        self.place, self.whole = Place(), False

    @property
    def _opened(self) -> sqlite3.Connection:
        assert self._database is not None
        return self._database

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            raise DocumentError(
                f"{self._path} cannot be written ({error}); free some space or mend its folder, then start again.",
                zh=f"无法写入 {self._path}（{error}），请腾出空间或修复该文件夹后重新启动。",
            ) from error


def _names(page: Page) -> bool:
    """Whether a redirect is another name of a whole article, spelt as it should be."""
    return page.namespace == 0 and not _TO_SECTION.search(page.text) and not _MISTAKEN.search(page.text)
