"""A Wikipedia dump as a source: read into the index in the background, searched from its first articles on.

A file that is put in its place, a newer dump, is read when it has stopped changing. A file that has been read whole may
be deleted: the index holds its text.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from activity import Activity
from errors import AppError, SettingsError, SourceError
from retrieval.base import Passage, Retriever, SearchRequest, Setting, SourceStatus
from retrieval.dump_intake import SOURCE, Advance, DumpIntake
from retrieval.dump_pages import Dump
from retrieval.dump_record import records
from retrieval.index import DocumentIndex

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 60.0
_CLOSING_S = 5.0
_MINUTE = 60


@dataclass(frozen=True, slots=True)
class _State:
    """Of the file on disk: another one may have been put there."""

    size: int
    changed_ns: int


_UNSEEN = _State(-1, -1)


class WikipediaDump:
    """Speaks `Retriever` and `Live`. `look_every_s`: how often the file is looked at once it was read, or failed."""

    name = SOURCE

    def __init__(
        self, index: DocumentIndex, path: Path, activity: Activity | None = None, look_every_s: float = _LOOK_EVERY_S
    ) -> None:
        self._index = index
        self._path = path
        self._look_every_s = look_every_s
        self._intake = DumpIntake(index, path, activity)
        self._retriever: Retriever = index.retriever(SOURCE)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._advance: Advance | None = None
        self._failure: AppError | None = None

    def check(self) -> None:
        """Raises `SettingsError` where the file is no dump; one that was read whole before need not be there."""
        if not self._path.exists() and self._read_before():
            return
        try:
            Dump(self._path).wiki()
        except AppError as error:
            raise SettingsError(f"--wikipedia-dump: {error}") from error

    # Retriever

    def search(self, request: SearchRequest) -> list[Passage]:
        return self._retriever.search(request)

    def empty(self) -> bool:
        """Whether there is nothing to search yet."""
        return not self._index.holds(SOURCE)

    # Live

    @property
    def settings(self) -> tuple[Setting, ...]:
        return ()

    def checked(self, settings: Mapping[str, str]) -> Mapping[str, str]:
        """There is nothing to choose."""
        return {}

    def status(self) -> SourceStatus | None:
        if self._failure is not None:
            return SourceStatus(self._failure.told("en"), self._failure.told("zh"), failing=True)
        return None if self._advance is None else told(self._advance)

    # In the background

    def start(self) -> None:
        """Begin to read, in a thread of its own. The index must be open."""
        self._thread = threading.Thread(target=self._follow, name="dump", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop reading; what is being committed is finished first, if that does not take long."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(_CLOSING_S)

    def _follow(self) -> None:
        handled: _State | None = _UNSEEN
        before = self._state()
        while not self._stop.is_set():
            state = self._state()
            # One that changed since the last look may still be being copied.
            if state == before and state != handled and self._read():
                handled = state
            before = state
            self._stop.wait(self._look_every_s)

    def _read(self) -> bool:
        """Read the file. Whether there is nothing more to do about it as it is now."""
        try:
            before = None if self._path.exists() else self._read_before()
            if before is not None:
                self._advance = before
            else:
                self._intake.run(self._stop, self._tell)
            self._failure = None
            return True
        except AppError as error:
            if self._stop.is_set():  # the index was closed
                return True
            if str(error) != str(self._failure):
                log.warning("%s", error)
            self._failure = error
            return isinstance(error, SourceError)  # else the index, which may be mended meanwhile
        except Exception:
            if not self._stop.is_set():
                log.exception("The dump %s could not be read", self._path)
                self._failure = _bug(self._path)
            return True

    def _tell(self, advance: Advance) -> None:
        if advance.whole:
            log.info("%s", told(advance).text)
        self._advance = advance

    def _state(self) -> _State | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return _State(status.st_size, status.st_mtime_ns)

    def _read_before(self) -> Advance | None:
        """What is known of the dump that was at this place and was read to its end; None where there is none."""
        path = str(self._path.absolute())
        for wiki, record in records(self._index.folder).items():
            if record.path == path and record.whole:
                return Advance(wiki, 1.0, record.articles, 0, 0.0, None, whole=True)
        return None


def told(advance: Advance) -> SourceStatus:
    """How far a dump is, in a sentence."""
    wiki, articles, percent = advance.wiki, advance.articles, f"{100 * advance.done:.1f} %"
    if advance.whole:
        return SourceStatus(f"{wiki}: {articles:,} articles.", f"{wiki}：{articles:,} 篇条目。")
    if advance.redirects:
        return SourceStatus(
            f"{wiki}: {percent} of the dump looked through for redirects; the articles come after them.",
            f"{wiki}：正在收集重定向，已完成 {percent}；随后读取条目。",
        )
    left_s = advance.left_s
    left = "" if left_s is None else f", about {duration(left_s)} left"
    left_zh = "" if left_s is None else f"，约剩 {duration_zh(left_s)}"
    return SourceStatus(
        f"{wiki}: {percent} of the dump read, {articles:,} articles so far{left}.",
        f"{wiki}：转储文件已读取 {percent}，目前有 {articles:,} 篇条目{left_zh}。",
    )


def duration(seconds: float) -> str:
    """`2 h 10 min`, `10 min`, `less than a minute`."""
    hours, minutes = divmod(round(seconds / _MINUTE), _MINUTE)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min" if minutes else "less than a minute"


def duration_zh(seconds: float) -> str:
    hours, minutes = divmod(round(seconds / _MINUTE), _MINUTE)
    return f"{hours} 小时 {minutes} 分钟" if hours else f"{minutes} 分钟" if minutes else "不到一分钟"


def _bug(path: Path) -> SourceError:
    return SourceError(
        f"The dump {path} could not be read because of a fault inside Groundchat; the log says what.",
        zh=f"Groundchat 内部出错，无法读取转储文件 {path}，详情见日志。",
    )
