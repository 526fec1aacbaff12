"""The chat models on offer, read from catalogue.toml. Any other hub id or local folder works too.

python -m chat.catalogue     # writes the table in docs/models.md
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import generated
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
    shape: Mapping[str, str | int | bool]

    def configuration(self) -> Any:
        """A transformers configuration with its shape: enough to count its memory, not to run it."""
        from transformers import AutoConfig

        return AutoConfig.for_model(**self.shape)


_TYPES = {"str": str, "int": int, "float": float, "Mapping[str, str | int | bool]": dict}
_WORDS = {str: "text", int: "whole number", float: "number with a point", dict: "table"}


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
        value = entry[key]
        if type(value) is not kind or not value or (isinstance(value, int | float) and not value > 0):
            raise SettingsError(f"{name} needs a {_WORDS[kind]}, not zero and not empty, for “{key}”.")
    shape = entry["shape"]
    if not isinstance(shape, dict) or not isinstance(shape.get("model_type"), str):
        raise SettingsError(f"{name} needs a model_type in its shape.")
    return CatalogueModel(**dict(entry))  # type: ignore[arg-type]  # keys and types were checked above


@cache
def load() -> tuple[CatalogueModel, ...]:
    """The models on offer, preferred ones first. Raises `SettingsError` when the file is not as it should be."""
    return parse(PATH.read_text(encoding="utf-8"))


def find(model: str) -> CatalogueModel | None:
    """The catalogue's entry for a hub id; None for any other model. Hub ids ignore case."""
    return next((entry for entry in load() if entry.id.casefold() == model.casefold()), None)


def best_fit(free_bytes: int) -> CatalogueModel | None:
    """The most preferred model that needs no more than `free_bytes`; None where none does."""
    return next((entry for entry in load() if entry.memory_gb * 1e9 <= free_bytes), None)


_USUAL_TOKENS = 8192
_BEGIN, _END = "<!-- table: python -m chat.catalogue -->\n", "<!-- end of table -->\n"
_HEAD = """\
| model | parameters | context | GB in 16 bits | 8 bits | 4 bits | prompt | licence | known limits |
|---|---|---|---|---|---|---|---|---|
"""


def memory_gb(model: CatalogueModel, quantisation: str = "none") -> float:
    """GB for bf16 (or quantised) weights, one conversation of 8,192 tokens at most, and room to compute in."""
    from chat.memory import estimate

    context = min(model.context, _USUAL_TOKENS)
    need = estimate(model.configuration(), users=1, context=context, dtype="bfloat16", quantisation=quantisation)
    return math.ceil(need.total / 1e8) / 10


def table() -> str:
    """The catalogue in Markdown, its memory worked out anew."""
    rows = []
    for model in load():
        memory = " | ".join(f"{memory_gb(model, quantisation):.1f}" for quantisation in ("none", "8bit", "4bit"))
        rows.append(
            f"| {model.id} | {model.parameters:g} billion | {model.context:,} | {memory} | {model.format} | "
            f"{model.licence} | {model.limits} |\n"
        )
    return _HEAD + "".join(rows)


def with_table(page: str) -> str:
    """`page` with the table between its markers brought up to date."""
    return generated.between(page, _BEGIN, _END, table())


if __name__ == "__main__":
    page = PATH.parents[1] / "docs" / "models.md"
    page.write_text(with_table(page.read_text(encoding="utf-8")), encoding="utf-8")
