"""The recipe of the cross-encoder on a made-up set: python -m pytest tests/test_finetune_reranker.py"""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from encoder import SentenceEncoder
from finetune import reranker
from finetune.course import Course
from retrieval.cross_encoder import FILE, CrossEncoder
from retrieval.judge import ADAPTERS
from retrieval.selector import COLUMNS, read_networks

_PEOPLE = ("Ada Norton", "Ben Ortega", "Cleo Park", "Dov Quist", "Eva Reyes", "Finn Salo", "Gus Turner", "Hal Unger")
_PLACES = ("Avalon", "Borough", "Canton", "Dunmore", "Eastvale", "Fairport", "Glenrock", "Hartwell")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight articles of two paragraphs, of each paragraph four questions."""
    folder = tmp_path_factory.mktemp("data") / "mills"
    folder.mkdir()
    texts, questions, relevant = [], [], []
    for i, (person, place) in enumerate(zip(_PEOPLE, _PLACES, strict=True)):
        for j, thing in enumerate(("mill", "bridge")):
            year, height, key = 1700 + 20 * i + j, 11 + 3 * i + j, f"p{i}{j}"
            text = (
                f"The {thing} of {place} was built by {person}. It was finished in {year} after a long quarrel. "
                f"Its tower is {height} metres high. Today it belongs to the parish of {place}."
            )
            texts.append({"_id": key, "title": place, "text": text})
            for n, (question, answer) in enumerate(
                {
                    f"Who built the {thing} of {place}?": person,
                    f"When was the {thing} of {place} finished?": str(year),
                    f"How high is the tower of the {thing} of {place}?": f"{height} metres",
                    f"Whom does the {thing} of {place} belong to?": f"the parish of {place}",
                }.items()
            ):
                questions.append({"_id": f"q{i}{j}{n}", "text": question, "answers": [answer]})
                relevant.append(f"q{i}{j}{n}\t{key}\t1")
    for name, rows in (("corpus", texts), ("queries", questions)):
        with gzip.open(folder / f"{name}.jsonl.gz", "wt", encoding="utf-8") as file:
            file.writelines(f"{json.dumps(row)}\n" for row in rows)
    with gzip.open(folder / "qrels.tsv.gz", "wt", encoding="utf-8") as file:
        file.write("\n".join(["query-id\tcorpus-id\tscore", *relevant]) + "\n")
    return folder


def test_what_the_recipe_writes_is_what_the_app_reads(
    dataset: Path,
    tmp_path: Path,
    encoder: SentenceEncoder,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("reader.json", "reader.terms.tsv"):
        shutil.copy(ADAPTERS / name, tmp_path)
    given = ["--dataset", str(dataset), "--out", str(tmp_path), "--run", str(tmp_path / "run"), "--epochs", "6"]
    assert reranker.main(given) == 0
    told = capsys.readouterr().out
    losses = [float(line.partition("loss ")[2].partition(",")[0]) for line in told.splitlines() if "loss" in line]
    assert len(losses) == 6 and losses[-1] < 0.8 * losses[0]
    assert "32 questions to learn from" in told
    card = (tmp_path / "reranker.md").read_text(encoding="utf-8")
    assert "| mills | both |" in card and card in told

    network = read_networks(tmp_path / "reranker.json")["close"]
    assert network.columns == tuple(range(len(COLUMNS))) and network.encoder == encoder.hash
    read = CrossEncoder(encoder, tmp_path / FILE).read(
        "Who built the mill of Borough?", ["Borough. The mill of Borough was built by Ben Ortega."]
    )
    assert np.isfinite(read).all()
    assert (tmp_path / "run" / "cross-encoder.png").stat().st_size > 5000

    whole = (tmp_path / FILE).read_bytes()
    with monkeypatch.context() as patch:
        told_of_step = Course.told

        def stopped(course: Course, loss: float, rate: float) -> None:
            told_of_step(course, loss, rate)
            if len(course._history) == 9:
                raise KeyboardInterrupt

        patch.setattr(Course, "told", stopped)
        assert reranker.main(given) == 130
    assert "the same command with --resume goes on" in capsys.readouterr().err
    assert reranker.main([*given, "--resume"]) == 0
    assert "epoch 5 of 6" in capsys.readouterr().out
    assert (tmp_path / FILE).read_bytes() == whole


def test_a_folder_without_the_readers_weights_is_named(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--dataset", str(dataset), "--out", str(tmp_path), "--run", str(tmp_path / "run")]
    assert reranker.main(given) == 1
    assert "reader.json" in capsys.readouterr().err


def test_a_run_without_checkpoints_cannot_go_on(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--dataset", str(dataset), "--out", str(ADAPTERS), "--run", str(tmp_path), "--resume"]
    assert reranker.main(given) == 1
    assert f"no checkpoint in {tmp_path}" in capsys.readouterr().err
