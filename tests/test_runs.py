"""The fine-tuned models of this machine, listed and named. python -m pytest tests/test_runs.py"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chat.runs import Runs, read
from errors import ModelError
from tests.facts import check_told


def adapter(folder: Path, **record: Any) -> Path:
    """An adapter as finetune.chat leaves one; its weights are not looked into for a list."""
    folder.mkdir(parents=True)
    said = {"peft_type": "LORA", "base_model_name_or_path": "owner/base"}
    (folder / "adapter_config.json").write_text(json.dumps(said))
    (folder / "adapter_model.safetensors").write_bytes(b"weights")
    (folder / "run.json").write_text(json.dumps({"recipe": {}, "finished": "now", **record}))
    return folder


def whole(folder: Path, **record: Any) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "run.json").write_text(json.dumps({"recipe": {"model": {"base": "a/b"}}, "finished": "now", **record}))
    return folder


def test_runs_are_listed_the_newest_first_with_what_they_are_and_how_well_they_do(tmp_path: Path) -> None:
    runs = Runs(tmp_path / "runs")
    assert runs.all() == ()
    adapter(tmp_path / "runs" / "old", scores={"loss": 1.5, "exact": 0.9, "note": "no number", "f1": 0.8, "more": 1})
    os.utime(tmp_path / "runs" / "old" / "adapter_model.safetensors", (1_700_000_000, 1_700_000_000))
    whole(tmp_path / "runs" / "full", merged={})
    os.utime(tmp_path / "runs" / "full" / "model.safetensors", (1_700_100_000, 1_700_100_000))
    whole(tmp_path / "runs" / "new")
    (tmp_path / "runs" / "notes.txt").write_text("no run")
    whole(tmp_path / "runs" / ".new.unfinished")
    found = runs.all()
    assert [(run.id, run.kind, run.base) for run in found] == [
        ("run:new", "full", "a/b"),
        ("run:full", "merged", "a/b"),
        ("run:old", "adapter", "owner/base"),
    ]
    assert found[2].scores == {"loss": 1.5, "exact": 0.9, "f1": 0.8}
    assert f"{found[2].made:%Y-%m-%d}" == "2023-11-14"


def test_of_scores_before_and_after_training_those_after_are_shown(tmp_path: Path) -> None:
    scores = {
        "loss_before": 3.5,
        "runtime_before": 2.0,
        "loss_after": 1.25,
        "runtime_after": 2.0,
        "accuracy_after": 0.5,
    }
    run = read(adapter(tmp_path / "run", scores=scores, format="openchatkit"))
    assert run.scores == {"loss": 1.25, "accuracy": 0.5}
    assert run.format == "openchatkit"
    assert read(adapter(tmp_path / "odd", format="unheard of")).format == ""


def test_a_base_in_a_folder_is_shown_without_the_folders_before_it(tmp_path: Path) -> None:
    folder = adapter(tmp_path / "run")
    said = {"peft_type": "LORA", "base_model_name_or_path": str(tmp_path / "secret" / "tiny")}
    (folder / "adapter_config.json").write_text(json.dumps(said))
    assert (read(folder).base, read(folder).base_name) == (str(tmp_path / "secret" / "tiny"), "tiny")


def _without_weights(folder: Path) -> None:
    (folder / "adapter_model.safetensors").unlink()


def _unfinished(folder: Path) -> None:
    (folder / "run.json").write_text(json.dumps({"recipe": {}}))


def _broken_record(folder: Path) -> None:
    (folder / "run.json").write_text('{"recipe"')


def _broken_config(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("[")


def _baseless(folder: Path) -> None:
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA"}')


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (_without_weights, "has no finished weights; it is still being trained"),
        (_unfinished, "has no finished weights; it is still being trained"),
        (_broken_record, "has a run.json that cannot be read"),
        (_broken_config, "has an adapter_config.json that cannot be read"),
        (_baseless, "does not say which model it was made for"),
    ],
)
def test_a_broken_run_is_left_out_and_the_log_says_why_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, spoil: Callable[[Path], None], sentence: str
) -> None:
    caplog.set_level(logging.INFO, "chat.runs")
    spoil(adapter(tmp_path / "runs" / "broken"))
    adapter(tmp_path / "runs" / "good")
    runs = Runs(tmp_path / "runs")
    for _ in range(2):
        assert [run.name for run in runs.all()] == ["good"]
    assert [sentence in record.getMessage() for record in caplog.records] == [True]
    with pytest.raises(ModelError) as raised:
        runs.find("run:broken")
    check_told(raised.value, "“broken”")


def test_shards_that_are_not_all_there_are_no_finished_weights(tmp_path: Path) -> None:
    folder = whole(tmp_path / "run")
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "model-1.safetensors").write_bytes(b"weights")
    with pytest.raises(ModelError, match="has no finished weights"):
        read(folder)
    (folder / "model-2.safetensors").write_bytes(b"weights")
    assert read(folder).kind == "full"


@pytest.mark.parametrize("name", ["run:", "run:..", "run:../other", "run:gone", "run:.hidden", "run:/etc"])
def test_nothing_outside_of_the_folder_of_runs_is_found_by_name(tmp_path: Path, name: str) -> None:
    adapter(tmp_path / "other")
    adapter(tmp_path / "runs" / ".hidden")
    with pytest.raises(ModelError) as raised:
        Runs(tmp_path / "runs").find(name)
    check_told(raised.value, "“" + name.removeprefix("run:") + "”")


def test_a_folder_is_a_run_where_it_holds_one_and_any_other_model_is_none(tmp_path: Path) -> None:
    runs = Runs(tmp_path / "runs")
    found = runs.find(str(adapter(tmp_path / "elsewhere")))
    assert found is not None and found.kind == "adapter"
    plain = whole(tmp_path / "model")
    (plain / "run.json").unlink()
    assert runs.find(str(plain)) is None
    assert runs.find("owner/model") is None
    assert runs.find("") is None
