"""The chat models on offer, read from catalogue.toml. Any other hub id or local folder works too."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

from errors import SettingsError

PATH = Path(__file__).with_name("catalogue.toml")


@dataclass(frozen=True, slots=True)
class CatalogueModel:
    """One model; catalogue.toml says what each field means."""

    id: str
    format: str
    context: int
    parameters: float
    memory_gb: float
    licence: str
    limits: str


_TYPES = {"str": str, "int": int, "float": float}


def parse(text: str) -> tuple[CatalogueModel, ...]:
    """The models in a catalogue. Raises `SettingsError` for a key that is unknown, missing, twice there or mistyped."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"The model catalogue is not valid TOML: {error}.") from error
    entries = tables.pop("model", None)
    if tables or not isinstance(entries, list) or not entries:
        raise SettingsError("The model catalogue must hold [[model]] tables and nothing else.")
    models = tuple(_model(entry) for entry in entries)
    ids = [model.id for model in models]
    if twice := sorted({id_ for id_ in ids if ids.count(id_) > 1}):
        raise SettingsError(f"The model catalogue lists {', '.join(twice)} more than once; keep one.")
    return models


def _model(entry: Mapping[str, object]) -> CatalogueModel:
    name = f"The catalogue's model “{entry.get('id', '?')}”"
    wanted = {field.name: _TYPES[str(field.type)] for field in fields(CatalogueModel)}
    if wrong := sorted(set(entry) ^ set(wanted)):
        raise SettingsError(f"{name} has missing or unknown keys: {', '.join(wrong)}.")
    for key, kind in wanted.items():
        if type(entry[key]) is not kind or not entry[key] or (kind is not str and not float(str(entry[key])) > 0):
            raise SettingsError(f"{name} needs a {kind.__name__} above zero or not empty for “{key}”.")
    return CatalogueModel(**dict(entry))  # type: ignore[arg-type]  # keys and types were checked above


@cache
def load() -> tuple[CatalogueModel, ...]:
    """The models on offer, preferred ones first. Raises `SettingsError` when the file is not as it should be."""
    return parse(PATH.read_text(encoding="utf-8"))


def find(model: str) -> CatalogueModel | None:
    """The catalogue's entry for a hub id; None for any other model. Hub ids ignore case."""
    return next((entry for entry in load() if entry.id.casefold() == model.casefold()), None)


def best_fit(free_gpu_bytes: int) -> CatalogueModel | None:
    """The most preferred model whose need fits into `free_gpu_bytes`; None where there is no GPU or none fits."""
    return next((entry for entry in load() if entry.memory_gb * 1e9 <= free_gpu_bytes), None)
