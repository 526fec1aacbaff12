"""evaluation.chat where a model, a folder or the memory fails: nothing that was answered is lost.

python -m pytest tests/test_evaluation_chat_failures.py
"""

from __future__ import annotations

import json
import weakref
from pathlib import Path
from typing import Any

import pytest

from evaluation.chat import main
from evaluation.engines import Contestant
from tests.chat_server import ChatServer
from tests.tiny_model import DIALOGUES


def test_what_a_model_answered_is_shown_where_the_next_one_fails(
    taught_model: Path, taught_suite: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "report"
    with ChatServer() as server:
        server.mode = "401"
        flags = [
            "--model",
            str(taught_model),
            "--model",
            server.url,
            "--suite",
            str(taught_suite),
            "--out",
            str(out),
            "--json",
        ]
        assert main([*flags, "--dtype", "float32"]) == 1
    said = capsys.readouterr()
    (model,) = json.loads(said.out.strip().splitlines()[-1])["models"]
    assert model["overall"]["exact"]["value"] == 1 and (out / "answers-1.jsonl").is_file()
    assert "401" in said.err.splitlines()[-1] or "key" in said.err.splitlines()[-1]


def test_a_report_that_cannot_be_written_costs_no_figures(
    taught_suite: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "report"
    (out / "figures.json").mkdir(parents=True)
    assert main(["--model", "reader", "--suite", str(taught_suite), "--out", str(out), "--json"]) == 1
    said = capsys.readouterr()
    assert json.loads(said.out.strip().splitlines()[-1])["items"] == len(DIALOGUES)
    assert f"The report in {out} cannot be written" in said.err


def test_a_run_that_there_is_not_is_told_before_anything_is_asked(
    taught_suite: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--model", "reader", "--model", "run:nowhere", "--suite", str(taught_suite)]) == 1
    said = capsys.readouterr()
    assert said.out == "" and "no run “nowhere”" in said.err


def test_a_model_is_gone_before_the_next_one_is_loaded(
    untaught_model: Path, taught_model: Path, taught_suite: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[weakref.ref[Any]] = []
    held: list[int] = []
    load = Contestant.load

    def watched(asked: Contestant) -> None:
        held.append(sum(net() is not None for net in loaded))
        load(asked)
        assert asked.local is not None
        loaded.append(weakref.ref(asked.local.network))

    monkeypatch.setattr(Contestant, "load", watched)
    assert (
        main(
            [
                "--model",
                str(untaught_model),
                "--model",
                str(taught_model),
                "--suite",
                str(taught_suite),
                "--dtype",
                "float32",
            ]
        )
        == 0
    )
    assert held == [0, 0]
