"""What must be loaded before the first answer, done in the background so that the page opens first."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from chat.bilingual import Bilingual, told
from errors import AppError, ModelError

logger = logging.getLogger(__name__)

_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Step:
    """Something to load: what the page says meanwhile, and the work, which may report what it is doing."""

    says: str
    run: Callable[[Callable[[str], None]], None]


class Startup:
    """Runs the steps once, in order, in a thread of its own."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = tuple(steps)
        self._says: str = Bilingual("Starting", zh="正在启动")
        self._failure: AppError | None = None
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="startup", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def ready(self) -> bool:
        """Whether every step has succeeded."""
        return self._done.is_set() and self._failure is None

    @property
    def failure(self) -> AppError | None:
        return self._failure

    @property
    def says(self) -> str:
        """What is being done now; empty when nothing is."""
        return "" if self._done.is_set() else self._says

    def wait(self, cancel: threading.Event) -> Iterator[str]:
        """Yield what is being done, each time it changes, until all is done or `cancel` is set.

        Raises the `AppError` of the step that failed.
        """
        told = ""
        while not self._done.is_set() and not cancel.is_set():
            if self._says != told:
                told = self._says
                yield told
            self._done.wait(_POLL_S)
        if self._failure is not None:
            raise self._failure

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait for the end; False when it did not come within `timeout_s` seconds."""
        return self._done.wait(timeout_s)

    def _run(self) -> None:
        try:
            for step in self._steps:
                self._says = step.says
                step.run(self._report)
        except AppError as error:
            logger.error("%s", error)
            self._failure = error
        except Exception:
            logger.exception("The start failed at: %s", self._says)
            self._failure = ModelError(
                f"The start failed at “{self._says}”; the log says why.",
                zh=f"启动在“{told(self._says, 'zh')}”这一步失败，原因见日志。",
            )
        finally:
            self._done.set()

    def _report(self, says: str) -> None:
        self._says = says
