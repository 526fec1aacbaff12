"""The moderation recipe: what is held out stays out, and what is trained is what runs.

python -m pytest tests/test_finetune_moderation.py
"""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from encoder import SentenceEncoder
from errors import InputError
from finetune import moderation as recipe
from finetune.course import Checkpoints, Course
from finetune.logistic import fit
from finetune.moderation_data import OWN, SETS, Row, all_rows, frame_rows, own_rows
from finetune.moderation_encoder import adapt
from finetune.moderation_windows import Windows, cut
from moderation.base import Category, Exchange
from moderation.classifier import EmbeddedClassifier, Weights
from moderation.features import bags, clean


@pytest.fixture
def sets(tmp_path: Path) -> Path:
    """The folder of public sets, all but empty."""
    for name in [*(part.file for part in SETS), "hh_dialogues"]:
        with gzip.open(tmp_path / f"{name}.jsonl.gz", "wt", encoding="utf-8") as file:
            if name == "benign":
                for text in ("How is bread baked?", "怎么自杀？！"):
                    file.write(json.dumps({"text": text, "flagged": False, "label": "x", "language": "en"}) + "\n")
    return tmp_path


def _messages(part: str) -> set[str]:
    lines = (OWN / f"messages_{part}.jsonl").read_text(encoding="utf-8").splitlines()
    return {json.loads(line)["text"] for line in lines}


def test_messages_are_split_in_halves_that_share_nothing() -> None:
    train, held = _messages("train"), _messages("held")
    assert not train & held
    assert min(len(train), len(held)) >= 75
    rows = {row.text: row for row in own_rows()}
    assert not any(rows[text].held for text in train)
    assert all(rows[text].held for text in held)


def test_nothing_that_says_the_same_as_a_held_out_example_is_trained_on(sets: Path) -> None:
    assert "怎么自杀" in _messages("held")
    rows = all_rows(sets, None)
    assert "How is bread baked?" in {row.text for row in rows}
    trained = {recipe_bare(row.text) for row in rows if not row.held}
    assert not trained & {recipe_bare(text) for text in _messages("held")}
    assert recipe_bare("怎么自杀？") in {recipe_bare(row.text) for row in frame_rows()} | {"怎么自杀"}


def recipe_bare(text: str) -> str:
    return "".join(char for char in clean(text).lower() if char.isalnum())


def test_frames_are_labelled_as_their_frame_is() -> None:
    frames = list(frame_rows())
    assert {name for row in frames for name in row.categories or ()} <= set(Category)
    assert all(bool(row.categories) is row.flagged for row in frames)
    assert not any(row.held for row in frames)


def test_a_missing_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\.jsonl\.gz is missing"):
        all_rows(tmp_path, None)


def _row(text: str, *categories: str, source: str = "own_task") -> Row:
    return Row(source, text, bool(categories), float(bool(categories)), categories, 1.0, False, text)


_TEACHERS = ("teacher", "老师", "doctor", "医生")
_ROWS = [
    *(_row(f"hurt the {who} number {n}", Category.VIOLENCE) for who in _TEACHERS[::2] for n in range(20)),
    *(_row(f"thank the {who} number {n}") for who in _TEACHERS[::2] for n in range(20)),
    *(_row(f"打伤那个{who}第{n}次", Category.VIOLENCE) for who in _TEACHERS[1::2] for n in range(20)),
    *(_row(f"感谢那个{who}第{n}次") for who in _TEACHERS[1::2] for n in range(20)),
    _row("发帖骂人", Category.HATE, source="cold"),
]


@pytest.fixture(scope="module")
def data() -> Windows:
    return cut(_ROWS)


def test_windows_know_their_language_and_where_they_are_from(data: Windows) -> None:
    assert data.english.sum() == 80
    assert data.posted.tolist() == [row.source == "cold" for row in (_ROWS[i] for i in data.row)]
    joined, starts = data.bag(np.array([3, 0]))
    alone, _ = bags([_ROWS[3].text])
    assert np.array_equal(joined[: starts[1]], alone)


def test_what_is_trained_tells_harm_apart_and_survives_storing(
    data: Windows, encoder: SentenceEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, made in recipe.RECIPES.items():
        monkeypatch.setitem(recipe.RECIPES, name, replace(made, epochs=60, table_rate=0.03))
    weights = recipe.fit(data, 6, encoder.hash)
    everything = np.arange(len(data.row))
    ngram, other = recipe.logits(weights, data, everything)
    harm = recipe.mixed(weights, data, everything, ngram, other)
    harmful = data.target > 0.5
    assert harm[harmful & ~data.posted].min() > harm[~harmful].max()

    recipe.save(weights, tmp_path / "own.safetensors")
    stored = Weights.read(tmp_path / "own.safetensors")
    for part in ("english", "posted", "asked"):
        assert getattr(stored, part).table == pytest.approx(getattr(weights, part).table, abs=0.02)
    classifier = EmbeddedClassifier(tmp_path / "own.safetensors")
    for text in ("打伤那个老师第7次", "hurt the doctor number 7", "thank the doctor number 7"):
        (verdict,) = classifier.check([Exchange(text)])
        place = data.texts.index(text)
        assert verdict.score == pytest.approx(1 / (1 + np.exp(-float(harm[place]))), abs=0.05)


def test_the_encoder_as_adapted_gives_the_vectors_that_its_head_was_trained_on(data: Windows) -> None:
    chosen = np.flatnonzero(data.english)
    given = data.labelled(chosen)
    changes, head = adapt(given, 6)
    logits = head(SentenceEncoder(changes=changes).encode(given.texts))[:, 0]
    assert logits[given.target > 0.5].min() > logits[given.target < 0.5].max()
    plain = head(SentenceEncoder().encode(given.texts))[:, 0]
    assert np.abs(plain - logits).mean() > 0.5


def test_networks_that_go_on_after_a_kill_end_as_unbroken_ones(
    data: Windows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = np.flatnonzero(data.english)
    given = data.labelled(chosen)

    def learnt(checkpoints: Checkpoints | None) -> list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
        changes, head = adapt(given, 3, checkpoints=checkpoints)
        ngrams = recipe.train(data, chosen, "english", checkpoints=checkpoints)
        return [*(part for pair in changes.values() for part in pair), head.hidden, head.out, ngrams.table]

    told = Course.told
    for name, steps in (("encoder", 3), ("n-grams english", 3)):

        def stopped(course: Course, loss: float, rate: float, name: str = name, steps: int = steps) -> None:
            told(course, loss, rate)
            if course._name == name and len(course._history) == steps:
                raise KeyboardInterrupt

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(Course, "told", stopped)
            learnt(Checkpoints(tmp_path, resume=True))
    for one, other in zip(learnt(Checkpoints(tmp_path, resume=True)), learnt(None), strict=True):
        assert np.array_equal(one, other)


def test_what_the_command_cannot_do_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = ["--run", str(tmp_path / "run")]
    assert recipe.main(["--data", str(tmp_path), "--out", str(tmp_path / "new" / "own.safetensors"), *run]) == 1
    assert ".jsonl.gz is missing" in capsys.readouterr().err
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    assert recipe.main(["--data", str(tmp_path), "--out", str(tmp_path / "file" / "own.safetensors"), *run]) == 1
    assert "choose another place with --out" in capsys.readouterr().err
    assert recipe.main(["--data", str(tmp_path), "--out", str(tmp_path / "own.safetensors"), *run, "--resume"]) == 1
    assert "leave --resume out" in capsys.readouterr().err


def test_regression_finds_the_weights_that_made_the_labels() -> None:
    x = np.random.default_rng(0).normal(size=(4000, 2)).astype(np.float32)
    chance = 1 / (1 + np.exp(-(2 * x[:, 0] - x[:, 1] + 0.5)))
    target = (np.random.default_rng(1).random(4000) < chance).astype(np.float32)
    assert fit(x, target, np.ones(4000, dtype=np.float32)) == pytest.approx([0.5, 2, -1], abs=0.2)


def test_thresholds_rise_and_the_strictest_kind_of_text_sets_them() -> None:
    levels = recipe.thresholds(0.3, 1.0)
    assert list(levels) == sorted(levels)
    rows = [_row(str(n), source="own_everyday") for n in range(100)] + [
        _row(str(n), source="own_contrast") for n in range(100)
    ]
    scores = np.arange(200, dtype=np.float32)
    assert recipe.limit(rows, scores, {"everyday": 0.1}) == pytest.approx(89, abs=1)
    assert recipe.limit(rows, scores, {"everyday": 0.1, "alarming": 0.5}) == pytest.approx(149.5, abs=1)
