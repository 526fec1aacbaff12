"""The catalogue of chat models: strict to read, and what `auto` takes from it."""

from __future__ import annotations

import re

import pytest

from chat import catalogue
from errors import SettingsError

ENTRY = """[[model]]
id = "owner/model"
format = "chat-template"
context = 2048
parameters = 1.5
memory_gb = 4.5
licence = "MIT"
limits = "Small."
"""


def test_the_catalogue_holds_the_openchatkit_family_and_others() -> None:
    ids = {model.id for model in catalogue.load()}
    assert {
        "togethercomputer/GPT-NeoXT-Chat-Base-20B",
        "togethercomputer/Pythia-Chat-Base-7B",
        "togethercomputer/RedPajama-INCITE-Chat-3B-v1",
        "togethercomputer/RedPajama-INCITE-7B-Chat",
    } <= ids
    assert len(ids) >= 8


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
    assert model == catalogue.CatalogueModel("owner/model", "chat-template", 2048, 1.5, 4.5, "MIT", "Small.")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (ENTRY + 'colour = "red"\n', "missing or unknown keys: colour"),
        (ENTRY.replace('licence = "MIT"\n', ""), "missing or unknown keys: licence"),
        (ENTRY.replace("2048", '"2048"'), "a int above zero or not empty for “context”"),
        (ENTRY.replace("1.5", "2"), "a float above zero or not empty for “parameters”"),
        (ENTRY.replace("2048", "0"), "“context”"),
        (ENTRY.replace('"Small."', '""'), "“limits”"),
        (ENTRY + ENTRY, "owner/model more than once"),
        (ENTRY + "[other]\n", "nothing else"),
        ("", "nothing else"),
        ("[[model]", "not valid TOML"),
    ],
)
def test_a_wrong_entry_is_refused_by_name(text: str, complaint: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(complaint)):
        catalogue.parse(text)
