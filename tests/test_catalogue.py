"""The catalogue of chat models: strict to read, and what `auto` takes from it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chat import catalogue
from chat.memory import anatomy
from errors import SettingsError

ENTRY = """[[model]]
id = "owner/model"
format = "chat-template"
context = 2048
parameters = 1.5
memory_gb = 4.5
licence = "MIT"
limits = "Small."
[model.shape]
model_type = "llama"
"""


def test_the_catalogue_holds_the_openchatkit_family_and_others() -> None:
    ids = {model.id for model in catalogue.load()}
    assert {
        "togethercomputer/GPT-NeoXT-Chat-Base-20B",
        "togethercomputer/Pythia-Chat-Base-7B",
        "togethercomputer/RedPajama-INCITE-Chat-3B-v1",
        "togethercomputer/RedPajama-INCITE-7B-Chat",
    } <= ids
    assert len(ids) >= 12


def test_sizes_reach_from_a_tenth_of_a_billion_to_thirty() -> None:
    sizes = sorted(model.parameters for model in catalogue.load() if model.format == "chat-template")
    assert sizes[0] < 0.2
    assert 28 < sizes[-1] < 31


@pytest.mark.parametrize("model", catalogue.load(), ids=lambda model: model.id)
def test_parameters_and_memory_follow_from_the_shape(model: catalogue.CatalogueModel) -> None:
    assert round(anatomy(model.configuration()).parameters / 1e9, 2) == model.parameters
    assert catalogue.memory_gb(model) == model.memory_gb


def test_the_table_in_the_documents_is_current() -> None:
    page = (Path(__file__).parent.parent / "docs" / "models.md").read_text(encoding="utf-8")
    assert catalogue.with_table(page) == page, "run python -m chat.catalogue"
    assert catalogue.with_table(page.replace("44.0", "1.0")) == page


def test_entries_make_sense_together() -> None:
    for model in catalogue.load():
        assert model.licence in ("Apache-2.0", "MIT")
        assert model.memory_gb > 2 * model.parameters  # bf16 takes two bytes a weight, and there is a cache
        assert model.context >= 2048
        assert re.fullmatch(r"[\w.-]+/[\w.-]+", model.id)
        assert model.limits.endswith(".")


def test_best_fit_takes_the_first_that_fits() -> None:
    models = catalogue.load()
    smallest = min(model.memory_gb for model in models)
    assert catalogue.best_fit(10**12) is models[0]
    assert catalogue.best_fit(0) is None
    assert catalogue.best_fit(int(smallest * 1e9) - 1) is None
    for model in models:
        chosen = catalogue.best_fit(int(model.memory_gb * 1e9))
        assert chosen is not None
        assert chosen.memory_gb <= model.memory_gb
        assert models.index(chosen) <= models.index(model)


def test_find_ignores_case_and_knows_no_others() -> None:
    assert catalogue.find("qwen/qwen2.5-0.5b-instruct") is not None
    assert catalogue.find("nobody/nothing") is None


def test_a_good_entry_is_read_whole() -> None:
    (model,) = catalogue.parse(ENTRY)
    assert model == catalogue.CatalogueModel(
        "owner/model", "chat-template", 2048, 1.5, 4.5, "MIT", "Small.", {"model_type": "llama"}
    )


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (ENTRY.replace("id =", 'colour = "red"\nid ='), "missing or unknown keys: colour"),
        (ENTRY.replace('licence = "MIT"\n', ""), "missing or unknown keys: licence"),
        (ENTRY.replace("2048", '"2048"'), "a whole number, not zero and not empty, for “context”"),
        (ENTRY.replace("1.5", "2"), "a number with a point, not zero and not empty, for “parameters”"),
        (ENTRY.replace("2048", "0"), "“context”"),
        (ENTRY.replace('"Small."', '""'), "“limits”"),
        (ENTRY.replace("model_type", "type"), "needs a model_type in its shape"),
        (ENTRY.replace('model_type = "llama"\n', ""), "needs a table, not zero and not empty, for “shape”"),
        (ENTRY + ENTRY, "owner/model more than once"),
        (ENTRY + "[other]\n", "nothing else"),
        ("", "nothing else"),
        ("[[model]", "not valid TOML"),
    ],
)
def test_a_wrong_entry_is_refused_by_name(text: str, complaint: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(complaint)):
        catalogue.parse(text)
