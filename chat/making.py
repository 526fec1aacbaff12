"""Chat models by the names that people give them: a hub id, a folder, a fine-tuned run, a server's address.

make = ModelMaker(slot, runs, Placement(), users=16, chosen=Chosen("owner/base"))
slot.load(make("run:support-bot"))    # beside the base that is loaded already, if it is that one
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from chat import on_disk, weights
from chat.adapted import AdaptedModel
from chat.local import LONGEST_CONTEXT, LocalModel
from chat.placement import Placement
from chat.remote import RemoteModel, is_address
from chat.runs import Run, Runs
from chat.slot import Loadable, ModelSlot
from chat.zerogpu import Lender


@dataclass(frozen=True, slots=True)
class Chosen:
    """The model that the operator's settings name, and what belongs to it alone."""

    name: str
    remote_model: str = ""
    remote_key: str = ""
    shared: LocalModel | None = None
    """It itself, where it screens too: then it is loaded once."""


class ModelMaker:
    """Makes chat models, not loaded yet (`chat.slot.MakeModel`), and says beforehand what one needs."""

    def __init__(
        self,
        slot: ModelSlot,
        runs: Runs,
        placement: Placement,
        users: int,
        chosen: Chosen,
        lender: Lender | None = None,
    ) -> None:
        self._slot = slot
        self._runs = runs
        self._placement = placement
        # The settings' adapter belongs to the model that it was named with.
        self._plain = dataclasses.replace(placement, adapter="")
        self._users = users
        self._chosen = chosen
        self._lender = lender

    def __call__(self, name: str, /, *, model: str = "", key: str = "") -> Loadable:
        """Raises `InputError` for an address that is none, `ModelError` for a run that cannot be used."""
        chosen = self._chosen
        if is_address(name):
            # The settings' key and model belong to the operator's server and go to no other.
            own = name == chosen.name
            return RemoteModel(
                name, model or (chosen.remote_model if own else ""), key or (chosen.remote_key if own else "")
            )
        run = self._runs.find(name)
        if run is not None:
            return self._run(run)
        if name == chosen.name and chosen.shared is not None:
            return chosen.shared
        placement = self._placement if name == chosen.name else self._plain
        return self._beneath(name) or LocalModel(name, placement, users=self._users, lender=self._lender)

    def forecast(self, name: str) -> str:
        """What it needs and whether it fits here; empty where nothing has to be downloaded for it.

        Raises `ModelError` when it cannot run here.
        """
        run = self._runs.find(name)
        if run is None:
            beneath = self._beneath(name) is not None
            return "" if beneath else weights.forecast(name, self._placement, self._users, LONGEST_CONTEXT)
        if run.kind != "adapter" or on_disk.folder(run.base) is not None or self._loaded(run.base) is not None:
            return ""
        return weights.forecast(run.base, self._plain, self._users, LONGEST_CONTEXT)

    def _run(self, run: Run) -> LocalModel:
        if run.kind != "adapter":
            return self._new(str(run.folder), run.format, run.sources)
        return AdaptedModel(run, self._loaded(run.base) or self._new(run.base))

    def _new(self, name: str, format: str = "", sources: bool = True) -> LocalModel:
        return LocalModel(name, self._plain, users=self._users, lender=self._lender, format=format, sources=sources)

    def _beneath(self, name: str) -> LocalModel | None:
        """The base of the adapter that answers now, if that is what is named. Named while it answers, it is read anew.

        Where the settings put an adapter into it, it is another model than that.
        """
        merged = name == self._chosen.name and bool(self._placement.adapter)
        return self._loaded(name) if isinstance(self._slot.current, AdaptedModel) and not merged else None

    def _loaded(self, name: str) -> LocalModel | None:
        """The model of that name where it is in memory as it is on disk, without an adapter."""
        for model in self._in_memory():
            if model.loaded and model.placement == self._plain and _same(model.model, name):
                return model
        return None

    def _in_memory(self) -> Iterator[LocalModel]:
        current = self._slot.current
        if isinstance(current, AdaptedModel):
            yield current.base
        elif isinstance(current, LocalModel):
            yield current
        if self._chosen.shared is not None:
            yield self._chosen.shared


def _same(one: str, other: str) -> bool:
    """Whether two names mean one model."""
    here, there = on_disk.folder(one), on_disk.folder(other)
    if here is not None and there is not None:
        return here.samefile(there)
    return here is there and one.casefold() == other.casefold()
