"""A recipe is read strictly, and every fault is told at once.

python -m pytest tests/test_finetune_config.py
"""

from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from errors import InputError
from finetune.config import CONFIGS, Format, Optimizer, Recipe, read

_LEAST = '[model]\nbase = "owner/name"\n'


def _file(folder: Path, text: str, name: str = "mine.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def _refused(folder: Path, text: str, *changes: str) -> str:
    with pytest.raises(InputError) as refused:
        read(_file(folder, text), changes)
    assert refused.value.told("zh") != str(refused.value)
    return str(refused.value)


def test_what_is_not_said_is_as_the_dataclass_has_it(tmp_path: Path) -> None:
    recipe = read(_file(tmp_path, _LEAST))
    assert recipe == replace(recipe, method=type(recipe.method)(), data=type(recipe.data)())
    assert recipe.file == tmp_path / "mine.toml"
    assert recipe.model.base == "owner/name"


def test_every_kind_of_value_is_read(tmp_path: Path) -> None:
    text = (
        '[model]\nbase = "a/b"\ndtype = "float32"\n[method]\ntargets = ["query_key_value", "dense"]\n'
        "[training]\nepochs = 2\nrate = 1e-6\ncheckpointing = false\nsteps = 10\n[output]\nreport = []\n"
    )
    recipe = read(_file(tmp_path, text))
    assert recipe.method.targets == ("query_key_value", "dense")
    assert (recipe.training.epochs, recipe.training.rate) == (2.0, 1e-6)
    assert isinstance(recipe.training.epochs, float)
    assert (recipe.training.checkpointing, recipe.training.steps, recipe.output.report) == (False, 10, ())


@pytest.mark.parametrize(
    ("change", "table", "key", "value"),
    [
        ("training.steps=200", "training", "steps", 200),
        ("training.rate=1e-6", "training", "rate", 1e-6),
        ("training.epochs=3", "training", "epochs", 3.0),
        ("data.packing=false", "data", "packing", False),
        ("data.train=a.jsonl:0.2, b.jsonl:0.5", "data", "train", "a.jsonl:0.2, b.jsonl:0.5"),
        ('data.train="a = b.jsonl"', "data", "train", "a = b.jsonl"),
        ("output.name=2024", "output", "name", "2024"),
        ("output.name=true", "output", "name", "true"),
        ("data.train=", "data", "train", ""),
        ("output.report=", "output", "report", ()),
        ("output.report=tensorboard, wandb", "output", "report", ("tensorboard", "wandb")),
        ('method.targets=["a", "b"]', "method", "targets", ("a", "b")),
        ("method.kind = qlora", "method", "kind", "qlora"),
    ],
)
def test_a_change_is_toml_or_bare_text(tmp_path: Path, change: str, table: str, key: str, value: object) -> None:
    found = getattr(getattr(read(_file(tmp_path, _LEAST), [change]), table), key)
    assert found == value
    assert type(found) is type(value)


def test_the_last_change_counts(tmp_path: Path) -> None:
    assert read(_file(tmp_path, _LEAST), ["training.steps=1", "training.steps=2"]).training.steps == 2


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    text = (
        '[model]\ndtype = "fp16"\nbse = "a/b"\n[trainig]\nsteps = 1\n'
        '[training]\nsteps = -1\nbatch = 1.5\nrate = 0\nreport = ["tensorboard"]\ncheckpointing = 1\nepochs = nan\n'
        '[output]\nreport = ["tensorboard", "comet"]\nname = 7\n[data.length]\ntokens = 5\n'
    )
    said = _refused(tmp_path, text, "training.sed=3", "nonsense", "seed=3", "card.devices=0")
    lines = said.splitlines()
    assert lines[0] == "mine.toml has 17 faults; mend them all:"
    expected = (
        "--set nonsense is no change; write --set table.key=value",
        "--set seed=3 is no change",
        "trainig is no table; did you mean training",
        "model.bse (mine.toml) is no key; did you mean model.base",
        "model.base is missing; give a text",
        "model.dtype (mine.toml) is “fp16”; it takes one of bfloat16, float16, float32",
        "data.length is a table; it takes a whole number from 8 to 10,000,000",
        "training.report (mine.toml) is no key; did you mean output.report",
        "training.sed (--set) is no key; did you mean training.seed",
        "training.epochs (mine.toml) is nan; it takes a number above 0, at most 10,000",
        "training.steps (mine.toml) is -1; it takes a whole number from 0 to 100,000,000",
        "training.batch (mine.toml) is 1.5; it takes a whole number from 1 to 1,000,000",
        "training.rate (mine.toml) is 0; it takes a number above 0, at most 1",
        "training.checkpointing (mine.toml) is 1; it takes true or false",
        "card.devices (--set) is “0”; it takes a whole number from 1 to 10,000",
        "output.name (mine.toml) is 7; it takes a text",
        "output.report (mine.toml) is ['tensorboard', 'comet']; it takes a list, each one of tensorboard, wandb",
    )
    for fault in expected:
        assert [line for line in lines[1:] if fault in line], fault
    assert len(lines) == 1 + len(expected)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        (("model.base= ",), ("model.base",)),
        (("method.kind=full", "model.dtype=float16"), ("float16", "method.kind full")),
        (("method.kind=full", "model.adapter=runs/a"), ("model.adapter", "finetune.merge")),
        (("method.targets=[]",), ("method.targets",)),
        (("training.patience=2", "data.held_share=0"), ("training.patience", "data.held_share")),
        (("training.patience=2", "training.save_every=30"), ("training.save_every", "training.evaluate_every")),
        (("card.sharding=fsdp",), ("card.sharding", "card.devices")),
    ],
)
def test_what_contradicts_itself_is_refused(tmp_path: Path, changes: tuple[str, ...], named: tuple[str, ...]) -> None:
    said = _refused(tmp_path, _LEAST, *changes)
    assert said.startswith("mine.toml: ")
    assert all(name in said for name in named), said


def test_a_table_where_a_value_should_be_and_a_value_where_a_table(tmp_path: Path) -> None:
    assert "model (mine.toml) is 3; it is a table: write [model]" in _refused(tmp_path, "model = 3\n")


def test_a_file_says_only_what_differs_from_the_one_it_extends(tmp_path: Path) -> None:
    _file(tmp_path, '[model]\nbase = "a/b"\n[training]\nbatch = 4\nrate = 1e-5\n', "below.toml")
    recipe = read(_file(tmp_path, 'extends = "below.toml"\n[training]\nbatch = 2\n'))
    assert (recipe.model.base, recipe.training.batch, recipe.training.rate) == ("a/b", 2, 1e-5)
    assert recipe.file == tmp_path / "mine.toml"


def test_a_file_elsewhere_extends_a_shipped_one(tmp_path: Path) -> None:
    shipped = sorted(CONFIGS.glob("*.toml"))[0]
    recipe = read(_file(tmp_path, f'extends = "{shipped.name}"\n[data]\ntrain = "mine.jsonl"\n'))
    assert recipe == replace(read(shipped), data=recipe.data, file=tmp_path / "mine.toml")
    assert recipe.data.train == "mine.jsonl"


def test_a_fault_names_the_file_that_it_stands_in(tmp_path: Path) -> None:
    _file(tmp_path, _LEAST + "[training]\nbatch = 0\n", "below.toml")
    assert "training.batch (below.toml) is 0" in _refused(tmp_path, 'extends = "below.toml"\n')


def test_files_that_extend_each_other_in_a_circle_are_refused(tmp_path: Path) -> None:
    _file(tmp_path, 'extends = "mine.toml"\n', "below.toml")
    with pytest.raises(InputError, match="circle"):
        read(_file(tmp_path, f'extends = "below.toml"\n{_LEAST}'))


@pytest.mark.parametrize("text", ["[model\n", "[model]\nbase = \n", "[model]\nbase = 'a'\nbase = 'b'\n"])
def test_what_is_no_toml_is_told_with_its_line(tmp_path: Path, text: str) -> None:
    assert re.search(r"mine\.toml is not valid TOML: .*line \d", _refused(tmp_path, text))


def test_a_file_in_another_encoding_is_told(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b'[model]\nbase = "caf\xe9"\n')
    with pytest.raises(InputError, match=r"mine\.toml is not valid TOML"):
        read(path)


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xef\xbb\xbf" + _LEAST.encode())
    assert read(path).model.base == "owner/name"


def test_a_missing_file_is_told_with_the_nearest_that_is_shipped(tmp_path: Path) -> None:
    shipped = sorted(CONFIGS.glob("*.toml"))[0]
    with pytest.raises(InputError, match=re.escape(str(shipped))):
        read(tmp_path / shipped.name.replace(".toml", ".tml"))


def test_formats_are_those_that_prompts_have() -> None:
    from chat.prompt import FORMATS

    assert set(get_args(Format)) == {"", *FORMATS}


def test_optimizers_are_known_to_transformers_and_to_the_plan() -> None:
    from transformers.training_args import OptimizerNames

    from finetune.need import OPTIMIZERS

    assert set(get_args(Optimizer)) == set(OPTIMIZERS)
    assert set(get_args(Optimizer)) <= {name.value for name in OptimizerNames}


def test_losses_are_those_of_trl() -> None:
    from trl.trainer.dpo_config import DPOConfig

    from finetune.config import Loss

    helped = next(str(field.metadata["help"]) for field in fields(DPOConfig) if field.name == "loss_type")
    assert [loss for loss in get_args(Loss) if f"'{loss}'" not in helped] == []


def test_every_table_of_a_recipe_is_written_in_the_reference() -> None:
    assert [name for name in get_type_hints(Recipe) if name != "file"] == [
        "model",
        "method",
        "data",
        "training",
        "preference",
        "output",
        "card",
    ]


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.toml")), ids=lambda path: path.stem)
def test_a_shipped_recipe_is_read_named_by_what_it_is_and_says_why(path: Path) -> None:
    recipe, text = read(path), path.read_text(encoding="utf-8")
    assert text.startswith("# ")
    if recipe.card.memory_gb:
        devices = f"{recipe.card.devices}x" if recipe.card.devices > 1 else ""
        assert path.stem.endswith(f"-{recipe.method.kind}-{devices}{recipe.card.memory_gb}gb")
        assert text.count("\n# ") >= 1
    else:
        assert (text.count("\n# "), "extends" in text.partition("[model]")[2]) >= (5, False)
