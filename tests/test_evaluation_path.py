"""A question's whole way in an index, for one and for sixteen: python -m pytest tests/test_evaluation_path.py"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from encoder import SentenceEncoder, Vectors
from evaluation import path
from evaluation.index import questions
from retrieval.index import DocumentIndex

PASSAGES = 300


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("path")


@pytest.fixture
def filled(folder: Path, encoder: SentenceEncoder) -> Iterator[tuple[DocumentIndex, dict[str, float]]]:
    with path.filled(folder, PASSAGES, encoder) as filled:
        yield filled


def test_every_passage_has_a_vector_for_each_of_its_sentences(
    filled: tuple[DocumentIndex, dict[str, float]], encoder: SentenceEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    index, figures = filled
    assert index.frequencies(())[1] == PASSAGES and figures["with_vectors"] == 1.0
    stored = index.vectors(index.passage_keys().tolist())
    lengths = np.linalg.norm(np.concatenate([each for each in stored if each is not None]).astype(np.float32), axis=1)
    assert np.allclose(lengths, 1, atol=2e-3)
    encoded: list[str] = []
    plain = encoder.encode

    def noted(texts: Sequence[str]) -> Vectors:
        encoded.extend(texts)
        return plain(texts)

    monkeypatch.setattr(encoder, "encode", noted)
    (question,) = questions(1)
    assert path.Searcher(index, encoder).find(question)
    assert set(encoded) == {question}  # and no sentence


def test_sixteen_searchers_get_what_one_gets(
    filled: tuple[DocumentIndex, dict[str, float]], encoder: SentenceEncoder
) -> None:
    index, _ = filled
    searcher, asked = path.Searcher(index, encoder), questions(24)
    alone, _ = path.timed(searcher.find, asked)
    assert all(alone) and len(set(alone)) > 12
    said = path.together(searcher, asked, alone, 16)
    assert said["together_differ"] == 0 and said["together_questions"] >= 64
    # Had one question found something else when it was asked alone, whoever asks it now would be counted.
    changed = [alone[1], *alone[1:]]
    assert path.together(searcher, asked, changed, 16)["together_differ"] > 0


@pytest.mark.parametrize("given", [["--passages", "1"], ["--questions", "0"]])
def test_a_number_that_is_too_small_is_told(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        path.main(given)
    assert "give at least 10 of each" in capsys.readouterr().err


def test_an_index_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--passages", "200", "--questions", "10", "--folder", str(tmp_path), "--json"]
    assert path.main(given) == 0
    first = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert first["passages"] == 200 and first["questions"] == 10 and first["searchers"] == 16
    assert first["together_differ"] == 0 and 0 < first["p50_ms"] <= first["p95_ms"]
    assert first["build_s"] > 0 and first["vectors_s"] > 0
    assert path.main(given) == 0
    again = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert "build_s" not in again and again["passages"] == 200 and again["vectors_mb"] == first["vectors_mb"]
