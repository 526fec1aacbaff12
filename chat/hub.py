"""Files of the Hugging Face hub: downloaded once, with their progress told, every known way to fail one sentence.

A download runs in a thread of its own, and whoever wants it looks up from waiting every 0.1 s: so it can be given up
while the hub is silent, and nothing is raised inside the hub's progress bars, which hold a lock while they draw.
"""

from __future__ import annotations

import errno
import io
import logging
import queue
import re
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from chat.bilingual import Bilingual, told
from errors import ModelError

logger = logging.getLogger(__name__)

Progress = Callable[[str], None]
"""Is told what is being done, the same again while that lasts; what it raises gives the work up."""

MODEL = Bilingual("model", zh="模型")
ADAPTER = Bilingual("adapter", zh="适配器")
"""What is downloaded."""
_NOT_WANTED = ["*/*", "consolidated*"]
"""Subfolders and second copies of the weights."""
_POLL_S = 0.1


class _Left(Exception):
    """Nobody waits for the download any more."""


def download(repository: str, patterns: Sequence[str], progress: Progress, what: str = MODEL) -> Path:
    """The folder in the hub's cache with the files that match `patterns`. Raises `ModelError`, or what `progress` does.

    Once given up, it ends with the piece that is being read; where the hub's chunk store (Xet) is in the middle of a
    file, it runs on to its end unseen. Files that are whole stay.
    """
    said: queue.SimpleQueue[str | Path | BaseException] = queue.SimpleQueue()
    left = threading.Event()
    threading.Thread(
        target=_fetch, args=(repository, list(patterns), said.put, left), name="download", daemon=True
    ).start()
    says: str | Path | BaseException = Bilingual(f"Looking for {repository}", zh=f"正在查找 {repository}")
    try:
        while isinstance(says, str):
            progress(says)
            with suppress(queue.Empty):
                says = said.get(timeout=_POLL_S)
    finally:
        left.set()
    if isinstance(says, Path):
        return says
    if not isinstance(says, _failures()):
        raise says
    logger.warning("Downloading %s failed (%s): %s", repository, type(says).__name__, says)
    raise not_fetched(repository, says, what) from says


def silent(_: str) -> None:
    """Progress that nobody asked for."""


def _failures() -> tuple[type[Exception], ...]:
    import httpx2

    return OSError, ValueError, RuntimeError, httpx2.HTTPError  # RuntimeError: the hub's chunk store, Xet


def _fetch(
    repository: str, patterns: list[str], say: Callable[[str | Path | BaseException], None], left: threading.Event
) -> None:
    """Say how the download goes, and last where it lies or why it failed."""
    from huggingface_hub import snapshot_download

    try:
        say(
            Path(
                snapshot_download(
                    repository,
                    allow_patterns=patterns,
                    ignore_patterns=_NOT_WANTED,
                    tqdm_class=_bar(repository, say, left),
                )
            )
        )
    except BaseException as error:  # whoever waits is told, whatever it is
        say(error)


def _bar(repository: str, say: Progress, left: threading.Event) -> type[Any]:
    """A progress bar class for the hub that says the bytes on disk and draws nothing. Raises `_Left` between pieces."""
    from tqdm import tqdm

    class ReportingBar(tqdm):  # type: ignore[misc]  # its base has no types
        monitor_interval = 0

        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options | {"file": io.StringIO()})

        def update(self, n: float | None = 1) -> bool | None:
            if left.is_set():
                raise _Left
            shown: bool | None = super().update(n)
            return shown

        def display(self, msg: str | None = None, pos: int | None = None) -> None:
            # Its caller holds the lock of all bars, and keeps it when this raises.
            if self.unit == "B" and self.total and str(self.desc).startswith("Reconstructing"):
                done, whole = f"{self.n / 1e6:,.0f}", f"{self.total / 1e6:,.0f}"
                say(
                    Bilingual(
                        f"Downloading {repository}: {done} of {whole} MB",
                        zh=f"正在下载 {repository}：{done} / {whole} MB",
                    )
                )

    return ReportingBar


def not_fetched(repository: str, error: Exception, what: str = MODEL) -> ModelError:
    """Why a download failed and what to do, in one sentence."""
    why = _why(error)
    return ModelError(f"The {what} “{repository}” {why}", zh=f"{told(what, 'zh')}“{repository}”{told(why, 'zh')}")


def _why(error: Exception) -> Bilingual:
    from huggingface_hub import errors as hub

    status = getattr(getattr(error.__cause__ or error, "response", None), "status_code", None)
    if isinstance(error, hub.HFValidationError):
        return _NO_NAME
    if isinstance(error, hub.GatedRepoError):
        return _GATED
    if isinstance(error, hub.RepositoryNotFoundError):
        return _UNKNOWN
    if isinstance(error.__cause__, hub.OfflineModeIsEnabled):
        return _OFFLINE
    if status == 401:
        return _WRONG_TOKEN
    if status is not None:
        return Bilingual(
            f"cannot be downloaded: the hub answered {status}; try again later, or log in with `hf auth login`.",
            zh=f"无法下载：Hugging Face 返回 {status}；请稍后再试，或用 `hf auth login` 登录。",
        )
    if isinstance(error, hub.LocalEntryNotFoundError):
        return _NO_NETWORK
    return _BY_NUMBER.get(_number(error), _BROKEN_OFF)


def _number(error: Exception) -> int:
    """The system's number of the error, 0 where it has none; Xet tells it in words alone."""
    said = re.search(r"\(os error (\d+)\)", str(error))
    return int(said[1]) if said else getattr(error, "errno", None) or 0


_NO_NAME = Bilingual(
    "is neither a local folder nor a hub id; give a folder that exists, or an id like owner/name.",
    zh="既不是本地文件夹，也不是 Hugging Face 上的名称；请给出存在的文件夹，或形如 owner/name 的名称。",
)
_GATED = Bilingual(
    "is gated: accept its terms on its hub page, log in with `hf auth login`, then try again.",
    zh="需先获得许可：请在其 Hugging Face 页面上同意条款，用 `hf auth login` 登录，然后再试。",
)
_UNKNOWN = Bilingual(
    "is not on the hub, or is private; check the spelling, or log in with `hf auth login`.",
    zh="不在 Hugging Face 上，或未公开；请检查拼写，或用 `hf auth login` 登录。",
)
_OFFLINE = Bilingual(
    "is not on this machine, and HF_HUB_OFFLINE forbids a download; unset it, or give a local folder.",
    zh="不在本机上，而 HF_HUB_OFFLINE 禁止下载；请取消该变量，或给出本地文件夹。",
)
_WRONG_TOKEN = Bilingual(
    "cannot be downloaded: the hub answered 401, it does not accept the access token; log in again with "
    "`hf auth login`, or unset HF_TOKEN.",
    zh="无法下载：Hugging Face 返回 401，不接受访问令牌；请用 `hf auth login` 重新登录，或取消 HF_TOKEN。",
)
_NO_NETWORK = Bilingual(
    "is not on this machine and the hub cannot be reached; check the network, or give a local folder.",
    zh="不在本机上，也无法连接 Hugging Face；请检查网络，或给出本地文件夹。",
)
_DISK_FULL = Bilingual(
    "cannot be downloaded: the disk is full; free some space, then try again.",
    zh="无法下载：磁盘已满；请腾出空间后再试。",
)
_BROKEN_OFF = Bilingual(
    "could not be downloaded to the end; try again, what is there already is kept.",
    zh="没有下载完整；请再试一次，已下载的文件会保留。",
)
_NOT_WRITABLE = Bilingual(
    "cannot be downloaded: the folder for downloads cannot be written to; name another one with HF_HOME.",
    zh="无法下载：无法写入下载文件夹；请用 HF_HOME 另指定一个。",
)
_BY_NUMBER = {
    errno.ENOSPC: _DISK_FULL,
    errno.EDQUOT: _DISK_FULL,
    errno.EACCES: _NOT_WRITABLE,
    errno.EROFS: _NOT_WRITABLE,
}
