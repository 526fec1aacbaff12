"""The speed commands on a small model: every figure is there and can be true."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from evaluation import gpu, speed
from evaluation.shapes import _tokenizer, words
from tests.batched import network, seeded
from tests.tiny_model import make_endless_model, shared_tiny_model


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    with seeded():
        yield


@pytest.mark.parametrize("sampling", ["default", "nucleus"])
def test_both_apps_are_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str], sampling: str) -> None:
    folder = make_endless_model(tmp_path / "endless")
    (folder / "chat_template.jinja").write_text("{% for m in messages %}{{ m.content }}{% endfor %}", encoding="utf-8")
    given = ["--model", str(folder), "--users", "1,3", "--rounds", "1", "--prompt", "4", "--tokens", "24"]
    assert speed.main([*given, "--dtype", "float32", "--sampling", sampling, "--json"]) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert set(figures["users"]) == {"1", "3"}
    for row in figures["users"].values():
        assert row["tokens_per_s"] > 0 and row["plain_tokens_per_s"] > 0
        assert row["ratio"] == pytest.approx(row["tokens_per_s"] / row["plain_tokens_per_s"], rel=0.01)
        assert 0 < row["ttft_p50_ms"] <= row["ttft_p95_ms"]
    assert figures["bandwidth_bound_tokens_per_s"] > 0
    assert figures["load_s"] > 0 and figures["peak_memory_mb"] > 100


def test_an_answer_that_ends_early_gives_no_figure(
    tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shared_tiny_model(tmp_path_factory.getbasetemp(), chat_template=True)
    given = ["--model", str(folder), "--users", "1", "--rounds", "1", "--prompt", "4", "--tokens", "200"]
    assert speed.main([*given, "--dtype", "float32", "--sampling", "greedy", "--json"]) == 1
    told = capsys.readouterr()
    assert re.match(r"An answer has \d+ of \d+ tokens", told.err)
    assert "tokens_per_s" not in told.out


def test_a_model_that_is_not_there_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert speed.main(["--model", "/nowhere/at/all", "--users", "1"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("command", [speed.main, gpu.main])
def test_numbers_of_users_are_numbers(command: Callable[[list[str]], int], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command(["--users", "many"])
    assert "numbers separated by commas" in capsys.readouterr().err


def test_the_gpu_figures_stand_beside_their_bounds() -> None:
    net = network("GPTNeoX", max_position_embeddings=512)
    figures = gpu.measure(net, users=(1, 3), prompts=(16, 64), tokens=40, matrix=64)
    assert all(row["tokens_per_s"] > 0 for row in figures["users"].values())
    # More users share one reading of the weights; where arithmetic is the limit they gain nothing.
    assert figures["users"]["3"]["bound_tokens_per_s"] >= figures["users"]["1"]["bound_tokens_per_s"]
    assert figures["first_token"]["64"]["bound_s"] >= figures["first_token"]["16"]["bound_s"]
    assert figures["tenth_turn"]["with_s"] > 0


def test_nearly_every_word_is_one_token() -> None:
    tokenizer = _tokenizer()
    assert 100 <= len(tokenizer.encode(words(100, seed=1))) <= 115
    assert len(tokenizer) == 50432
    assert words(5, 1) != words(5, 2)
