"""A fine-tuned adapter as a chat model, beside a base that is in memory once, for however many adapters.

    base = LocalModel("owner/base")
    AdaptedModel(run, base).load()     # reads the adapter, and the base only where it is not loaded yet

Two networks share the base's tensors; only one of them has the adapter's layers. So others go on talking to the base,
or to another adapter on it, until this one is ready, and going back to the base is exact: nothing of it was changed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from chat import adapter, catalogue, weights
from chat.bilingual import Bilingual
from chat.local import LocalModel
from chat.runs import Run
from errors import ModelError

_TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "tokenizer.model")


class AdaptedModel(LocalModel):
    """An adapter run beside `base`, which must be loaded without an adapter of its own."""

    def __init__(self, run: Run, base: LocalModel) -> None:
        super().__init__(
            str(run.folder), base.placement, base.context_limit, base.users, base.lender, run.format, run.sources
        )
        self.base = base
        self._run = run

    @property
    def known(self) -> catalogue.CatalogueModel | None:
        """What the catalogue says of its base."""
        return self.base.known

    def _open(self, progress: Callable[[str], None]) -> tuple[Any, Any]:
        name, base = self._run.name, self.base
        read = adapter.read(self._run.folder, name)  # before the base, which may take minutes
        if Path(base.model).is_absolute() and not Path(base.model).is_dir():
            raise ModelError(
                f"The base of “{name}”, “{adapter.shown(base.model)}”, is no longer in its folder; put it back, or "
                f"write its new place into {adapter.CONFIG}.",
                zh=f"“{name}”的基础模型“{adapter.shown(base.model)}”已不在原来的文件夹；请放回原处，或在 "
                f"{adapter.CONFIG} 中写明新的位置。",
            )
        base.load(progress)
        progress(Bilingual(f"Putting {name} beside {base.name}", zh=f"正在把 {name} 附在 {base.name} 旁边"))
        own = any((self._run.folder / file).is_file() for file in _TOKENIZER)
        tokenizer = weights.open_tokenizer(self._run.folder, name) if own else base.tokenizer
        try:
            net = adapter.beside(base.network, read, base.name)
        except Exception as error:
            if weights.is_out_of_memory(error):
                raise ModelError(
                    f"There is not enough memory to put the adapter “{name}” beside “{base.name}”; load one of them "
                    "with smaller weights.",
                    zh=f"内存不足，无法把适配器“{name}”附在“{base.name}”旁边；请用更小的权重加载。",
                ) from error
            raise
        base.rest()  # whoever is talking to it goes on; otherwise its memory is for the conversations to come
        return net, tokenizer
