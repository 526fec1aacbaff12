"""The chat model in use, and its exchange for another while people go on talking to the old one."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Protocol

from chat.base import ChatModel
from chat.bilingual import Bilingual, said
from errors import AppError, InputError, ModelError

logger = logging.getLogger(__name__)


class Loadable(ChatModel, Protocol):
    """A chat model whose weights are loaded by an explicit call. Raises `ModelError`."""

    def load(self, progress: Callable[[str], None] | None = None) -> None: ...


class MakeModel(Protocol):
    """A chat model by its name, not loaded yet. `model` and `key` are for a server's address. Raises `InputError`."""

    def __call__(self, name: str, /, *, model: str = "", key: str = "") -> Loadable: ...


class ModelSlot:
    """Holds the model that new answers use. A model that fails to load leaves the old one in place."""

    def __init__(self, first: ChatModel) -> None:
        self._current = first
        self._loading = threading.Lock()
        self._cancel = threading.Event()
        self._says = ""

    @property
    def says(self) -> str:
        """What is being loaded, or why the last load failed; empty otherwise."""
        return self._says

    @property
    def current(self) -> ChatModel:
        return self._current

    def say(self, text: str) -> None:
        """Tell why no model was loaded."""
        logger.error("%s", text)
        self._says = text

    def cancel(self) -> None:
        """Give up the load that is under way, at the next word of its progress; files that are whole stay on disk."""
        self._cancel.set()

    def put(self, model: ChatModel) -> None:
        """Use a model that is ready."""
        self._current = model

    def load(self, model: Loadable) -> Iterator[str]:
        """Load `model` in the background, yielding what it is doing; then use it.

        Raises `InputError` when another one is being loaded, `ModelError` with the reason when it fails.
        """
        if not self._loading.acquire(blocking=False):
            raise InputError(
                "Another model is being loaded; wait until it is ready, then try again.",
                zh="正在加载另一个模型，请等它就绪后再试。",
            )
        self._cancel.clear()
        self._says = ""
        # The thread owns the lock from here on, so a closed tab does not stop the load or free the slot early.
        said: queue.SimpleQueue[str | AppError | None] = queue.SimpleQueue()
        threading.Thread(target=self._load, args=(model, said.put), name="load-model", daemon=True).start()
        return _words(said)

    def load_in_background(self, model: Loadable) -> None:
        """`load` without anybody waiting for it; `says` tells how it goes."""
        self.load(model)

    def _load(self, model: Loadable, say: Callable[[str | AppError | None], None]) -> None:
        def report(says: str) -> None:
            if self._cancel.is_set():
                raise ModelError(f"Loading {model.name} was cancelled.", zh=f"已取消加载 {model.name}。")
            if says != self._says:
                self._says = says
                say(says)

        last: AppError | None = None
        try:
            report(Bilingual(f"Loading {model.name}", zh=f"正在加载 {model.name}"))
            model.load(report)
            self._current = model
        except AppError as error:
            # A name that was mistyped is nothing for the operator to mend.
            logger.info("%s", error)
            last = error
        except Exception:
            logger.exception("Loading %s failed", model.name)
            last = ModelError(
                f"The model “{model.name}” could not be loaded; the log says why.",
                zh=f"无法加载模型“{model.name}”，原因见日志。",
            )
        finally:
            self._says = said(last) if last else ""
            self._loading.release()
            say(last)


def _words(said: queue.SimpleQueue[str | AppError | None]) -> Iterator[str]:
    while (word := said.get()) is not None:
        if isinstance(word, AppError):
            raise word
        yield word
