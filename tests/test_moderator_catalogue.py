"""The catalogue of moderators: strict to read, an operator's own before it.

python -m pytest tests/test_moderator_catalogue.py
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from errors import SettingsError
from moderation import catalogue
from moderation.base import Category, Level, Side
from moderation.catalogue import HARM, Codes, FewShot, Labels, Questions

FAMILY = """[[family]]
style = "labels"
models = [{ id = "owner/model", parameters = 0.1 }]
licence = "MIT"
limits = "Small."
window = 1000
levels = [0.1, 0.2, 0.3, 0.4]
several = true
labels.bad = "hate"
"""
QUESTIONS = (
    FAMILY.replace("labels.bad = ", "[[family.question]]\nuser = { a = 1 }\nmeaning = ")
    .replace("several = true", 'yes = "Yes"\nno = "No"')
    .replace('"labels"', '"questions"')
)


def test_the_models_that_were_promised_are_there() -> None:
    found = {entry.id: type(entry.asks) for entry in catalogue.load().entries}
    assert found["togethercomputer/GPT-JT-Moderation-6B"] is FewShot
    for name in ("Llama-Guard-3-1B", "Llama-Guard-3-8B", "Llama-Guard-4-12B"):
        assert found[f"meta-llama/{name}"] is Codes
    assert {found["google/shieldgemma-2b"], found["ibm-granite/granite-guardian-3.1-2b"]} == {Questions}
    assert sum(kind is Labels for kind in found.values()) >= 5


def test_entries_make_sense_together() -> None:
    for entry in catalogue.load().entries:
        assert entry.limits.endswith(".")
        assert entry.memory_gb == 2 * entry.parameters
        if isinstance(entry.asks, Questions):
            assert {side for question in entry.asks.questions for side in question.variables} == set(Side)
        if isinstance(entry.asks, Codes):
            assert list(entry.asks.codes) == [f"S{n + 1}" for n in range(len(entry.asks.codes))]


def test_levels_begin_where_the_entry_says() -> None:
    (entry,) = catalogue.parse(FAMILY, "x")
    scores = (0.0, 0.1, 0.25, 0.3, 0.9)
    assert [entry.level(score) for score in scores] == list(Level)


@pytest.mark.parametrize(
    "name", ["meta-llama/Llama-Guard-3-1B", "META-LLAMA/llama-guard-3-1b", "Llama-Guard-3-1B", "llama-guard-3-1b/"]
)
def test_a_model_is_found_by_its_id_or_the_last_part_of_it(name: str) -> None:
    entry = catalogue.load().find(name)
    assert entry is not None and entry.id == "meta-llama/Llama-Guard-3-1B"


@pytest.mark.parametrize("name", ["", "Llama-Guard", "other/Llama-Guard-3-1B", "guard-3-1b"])
def test_nothing_else_is_found(name: str) -> None:
    assert catalogue.load().find(name) is None


def test_an_operators_file_comes_first(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(FAMILY.replace("owner/model", "unitary/toxic-bert"), encoding="utf-8")
    both = catalogue.load(path)
    entry = both.find("unitary/toxic-bert")
    assert entry is not None and entry.licence == "MIT"
    assert both.find("meta-llama/Llama-Guard-3-1B")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a = 1", "must hold [[family]] tables"),
        ("[[family]", "is not valid TOML"),
        (FAMILY + FAMILY, "lists owner/model more than once"),
        (FAMILY.replace("licence", "license"), "lacks “licence”"),
        (FAMILY + "colour = 'red'\n", "unknown keys: colour"),
        (FAMILY.replace('"hate"', '"hatred"'), "must be one of hate, harassment"),
        (FAMILY.replace('"hate"', '"harmless"'), "in which some label means harm"),
        (FAMILY.replace("0.2, 0.3", "0.3, 0.2"), "4 rising probabilities"),
        (FAMILY.replace("0.4]", "1.4]"), "4 rising probabilities"),
        (FAMILY.replace("1000", "0"), "a number above 0"),
        (FAMILY.replace("several = true", "several = 1"), "true or false"),
        (FAMILY.replace("parameters = 0.1", "parameters = 0.1, size = 3"), "unknown keys: size"),
        (FAMILY.replace('style = "labels"', 'style = "vibes"'), "must be one of labels, few-shot, codes, questions"),
        (
            FAMILY.replace('"labels"', '"few-shot"')
            .replace("labels.bad", "prompt")
            .replace("several = true", "")
            .replace("levels = [0.1, 0.2, 0.3, 0.4]", ""),
            "a text that holds {text} once",
        ),
        (QUESTIONS.replace("user = { a = 1 }", ""), "needs a table “user”"),
        (QUESTIONS.replace("user =", "users = { a = 1 }\nuser ="), "unknown keys: users"),
        (QUESTIONS.replace('"hate"', '"harmless"'), "must be one of"),
    ],
)
def test_what_is_wrong_with_a_file_is_told(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as raised:
        catalogue.load(path)
    assert says in str(raised.value)
    assert str(path) in str(raised.value)
    assert str(raised.value).endswith(".")


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.toml cannot be read"):
        catalogue.load(tmp_path / "nowhere.toml")


def test_the_table_in_the_documents_is_current() -> None:
    page = (Path(__file__).parent.parent / "docs" / "moderators.md").read_text(encoding="utf-8")
    assert catalogue.with_table(page) == page, "run python -m moderation.catalogue"
    assert catalogue.with_table(page.replace("8.03", "1.0")) == page


def test_the_documents_say_what_the_codes_become() -> None:
    page = (Path(__file__).parent.parent / "docs" / "moderators.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| ([a-z/ -]+?) \|([^|]*)\|", page.partition("| Groundchat |")[2], re.MULTILINE))
    told = {meaning: set(re.findall(r"S\d+", codes)) for meaning, codes in rows.items()}
    entry = catalogue.load().find("meta-llama/Llama-Guard-4-12B")
    assert entry is not None and isinstance(entry.asks, Codes)
    for meaning in (*Category, HARM):
        codes = {code for code, means in entry.asks.codes.items() if means == meaning}
        assert told["no kind of its own" if meaning == HARM else meaning] == codes
