"""A list of URLs whose pages are documents: one a line, `#` begins a remark.

Every page is asked for when it is due, through `http_cache.py`, so that one that has not changed is not sent again. One
that fails is tried again later, after a while that doubles, and its last good version stays.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from errors import SettingsError, SourceError
from retrieval.address import parsed
from retrieval.corpus import Failure, File, Listing
from retrieval.fetch import Cancelled, StatusError
from retrieval.http_cache import HttpCache

_EVERY_S = 3600.0
_FIRST_PAUSE_S, _DOUBLINGS = 60.0, 10
_AT_ONCE = 4
_MOST_BYTES = 10 * 2**20
_LONGEST_NAME = 150
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,10}")
_SUFFIXES = {
    "text/html": ".html",
    "application/xhtml+xml": ".html",
    "text/markdown": ".md",
    "text/csv": ".csv",
    "application/pdf": ".pdf",
    "application/epub+zip": ".epub",
    "application/vnd.oasis.opendocument.text": ".odt",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": ".pptx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
}
"""Media types (IANA) that settle the kind of a file, whatever its address looks like."""


@dataclass(slots=True)
class _Plan:
    due: float = 0.0
    failures: int = 0


class UrlList:
    """The pages that a file lists; keys are their URLs. `clock` gives seconds.

    Without a cache nothing is fetched, and what was read before stays. Raises `SettingsError` when the file cannot be
    read.
    """

    name = "urls"

    def __init__(
        self,
        file: Path,
        cache: HttpCache | None,
        every_s: float = _EVERY_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._file = file
        self._cache = cache
        self._every_s = every_s
        self._clock = clock
        self._opened = False
        self._plans: dict[str, _Plan] = {}
        try:
            _lines(file)
        except SourceError as error:
            raise SettingsError(f"--documents-urls: {error}") from error

    def listing(self) -> Listing:
        if self._cache is not None and not self._opened:
            self._cache.open()
            self._opened = True
        urls: dict[str, _Plan] = {}
        failures = []
        for number, line in enumerate(_lines(self._file), start=1):
            url = line.strip()
            if not url or url.startswith("#"):
                continue
            try:
                parsed(url)
            except SourceError as error:
                failures.append(Failure(f"{number}", _on_line(number, self._file, error)))
            else:
                urls[url] = self._plans.get(url) or _Plan()
        self._plans = urls
        return Listing(frozenset(urls), failures=tuple(failures))

    def files(self, stop: threading.Event) -> Iterator[File | Failure]:
        if self._cache is None:
            return
        cache, now = self._cache, self._clock()
        due = [url for url, plan in self._plans.items() if plan.due <= now]
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="fetch-urls") as threads:
            asked = {threads.submit(cache.fetch, url, cancel=stop): url for url in due}
            try:
                for answered in as_completed(asked):
                    url = asked[answered]
                    try:
                        kept = answered.result()
                    except Cancelled:
                        continue
                    except SourceError as error:
                        yield self._failed(url, error)
                    else:
                        self._plans[url] = _Plan(self._clock() + self._every_s)
                        yield File(url, kept.version, kept.file, file_name(url, kept.content_type), url)
                        cache.done(kept)
            finally:
                threads.shutdown(wait=False, cancel_futures=True)

    def forget(self, key: str) -> None:
        if self._cache is not None:
            self._cache.forget(key)

    def _failed(self, url: str, error: SourceError) -> Failure:
        plan = self._plans[url]
        pause = min(_FIRST_PAUSE_S * 2 ** min(plan.failures, _DOUBLINGS), self._every_s)
        if isinstance(error, StatusError):
            pause = max(pause, error.retry_after_s)
        self._plans[url] = _Plan(self._clock() + pause, plan.failures + 1)
        return Failure(
            url,
            SourceError(f"{url} could not be fetched: {error}", zh=f"无法读取 {url}：{error.told('zh')}"),
        )


def _lines(file: Path) -> list[str]:
    """The lines of a list. Raises `SourceError` when it cannot be read."""
    try:
        with file.open("rb") as opened:
            data = opened.read(_MOST_BYTES + 1)
        if len(data) <= _MOST_BYTES:
            return data.decode("utf-8-sig").splitlines()
        why, zh = "it has more than 10 MB", "超过 10 MB"
    except OSError as error:
        why = zh = str(error.strerror)
    except UnicodeDecodeError:
        why, zh = "it is not UTF-8 text", "不是 UTF-8 文本"
    raise SourceError(
        f"The list of URLs {file} cannot be read ({why}); give a text file with one URL a line.",
        zh=f"无法读取网址列表 {file}（{zh}），请给出每行一个网址的文本文件。",
    )


def _on_line(number: int, file: Path, error: SourceError) -> SourceError:
    return SourceError(
        f"Line {number} of {file} is left out: {error}", zh=f"{file} 第 {number} 行已略过：{error.told('zh')}"
    )


def file_name(url: str, content_type: str) -> str:
    """A file name for a page: its host and path, with a suffix that tells the kind."""
    parts = urlsplit(url)
    path = unquote(parts.path, errors="replace").rstrip("/")
    suffix = _SUFFIX.fullmatch(Path(path).suffix)
    kind = _SUFFIXES.get(content_type) or (suffix.group().lower() if suffix else ".txt")
    stem = f"{parts.hostname}{path}{f' {parts.query}' if parts.query else ''}"
    if suffix and not parts.query and suffix.group().lower() == kind:
        stem = stem[: -len(kind)]
    return "".join(char if char.isprintable() else " " for char in stem)[:_LONGEST_NAME] + kind
