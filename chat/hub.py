"""Files of the Hugging Face hub: downloaded once, with their progress told, every known way to fail one sentence."""

from __future__ import annotations

import errno
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from errors import ModelError

Progress = Callable[[str], None]

_NOT_WANTED = ["*/*", "consolidated*"]
"""Subfolders and second copies of the weights."""


def download(repository: str, patterns: Sequence[str], progress: Progress, what: str = "model") -> Path:
    """The folder in the hub's cache with the files that match `patterns`. Raises `ModelError`."""
    import httpx2
    from huggingface_hub import snapshot_download

    progress(f"Looking for {repository}")
    try:
        return Path(
            snapshot_download(
                repository,
                allow_patterns=list(patterns),
                ignore_patterns=_NOT_WANTED,
                tqdm_class=_bar(repository, progress),
            )
        )
    except (OSError, ValueError, httpx2.HTTPError) as error:
        raise not_fetched(repository, error, what) from error


def silent(_: str) -> None:
    """Progress that nobody asked for."""


def _bar(repository: str, progress: Progress) -> type[Any]:
    """A progress bar class for the hub that reports the bytes on disk and draws nothing."""
    from tqdm import tqdm

    class ReportingBar(tqdm):  # type: ignore[misc]  # its base has no types
        monitor_interval = 0

        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options | {"file": io.StringIO()})

        def display(self, msg: str | None = None, pos: int | None = None) -> None:
            if self.unit == "B" and self.total and str(self.desc).startswith("Reconstructing"):
                progress(f"Downloading {repository}: {self.n / 1e6:,.0f} of {self.total / 1e6:,.0f} MB")

    return ReportingBar


def not_fetched(repository: str, error: Exception, what: str = "model") -> ModelError:
    """Why a download failed and what to do, in one sentence."""
    from huggingface_hub import errors as hub

    status = getattr(getattr(error.__cause__ or error, "response", None), "status_code", None)
    if isinstance(error, hub.HFValidationError):
        why = "is neither a local folder nor a hub id; give a folder that exists, or an id like owner/name."
    elif isinstance(error, hub.GatedRepoError):
        why = "is gated: accept its terms on its hub page, log in with `hf auth login`, then try again."
    elif isinstance(error, hub.RepositoryNotFoundError):
        why = "is not on the hub, or is private; check the spelling, or log in with `hf auth login`."
    elif isinstance(error.__cause__, hub.OfflineModeIsEnabled):
        why = "is not on this machine, and HF_HUB_OFFLINE forbids a download; unset it, or give a local folder."
    elif status == 401:
        why = (
            "cannot be downloaded: the hub answered 401, it does not accept the access token; log in again with "
            "`hf auth login`, or unset HF_TOKEN."
        )
    elif status is not None:
        why = f"cannot be downloaded: the hub answered {status}; try again later, or log in with `hf auth login`."
    elif isinstance(error, hub.LocalEntryNotFoundError):
        why = "is not on this machine and the hub cannot be reached; check the network, or give a local folder."
    elif getattr(error, "errno", None) == errno.ENOSPC:
        why = "cannot be downloaded: the disk is full; free some space, then try again."
    else:
        why = "could not be downloaded to the end; try again, and it goes on where it stopped."
    return ModelError(f"The {what} “{repository}” {why}")
