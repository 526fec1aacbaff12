"""Reranking: python -m pytest tests/test_rerank.py"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from encoder import SentenceEncoder, Vectors
from finetune.logistic import fit, probabilities
from retrieval.base import Passage
from retrieval.judge import SentenceJudge
from retrieval.rerank import CALIBRATION, THRESHOLD, Reranker
from retrieval.text import analyse, language
from retrieval.unit_vectors import UnitVectors
from retrieval.vectors import Stored, encoded_texts, units, vector_key

MOON = "The Moon is the only natural satellite of the Earth. It orbits our planet once in 27 days."
MARS = "Mars is the fourth planet from the Sun. It has two small moons, Phobos and Deimos."
BREAD = "Bread is baked from flour, water and yeast. The dough rests for an hour before it goes into the oven."
PAPER = "Paper was invented in China during the Han dynasty. Cai Lun improved how it was made."


class _Collection:
    """Stored vectors and term counts as an index of a few thousand passages would have them."""

    def __init__(self, passages: Sequence[Passage] = (), encoder: SentenceEncoder | None = None) -> None:
        self.stored: dict[int, Stored] = {}
        for passage in passages:
            texts = encoded_texts(passage, units(passage.text))
            if encoder is not None:
                self.stored[vector_key(texts)] = encoder.encode(texts).astype(np.float16)

    def vectors(self, keys: Sequence[int]) -> list[Stored | None]:
        return [self.stored.get(key) for key in keys]

    def frequencies(self, terms: Sequence[str]) -> tuple[list[int], int]:
        return [0 for _ in terms], 3000


class _Counting:
    """The encoder, counting the texts it is given."""

    def __init__(self, encoder: SentenceEncoder) -> None:
        self.encoder = encoder
        self.texts: list[str] = []

    def knows(self, language: str) -> bool:
        return language == "en"

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.texts += texts
        return self.encoder.encode(texts)

    def question(self, text: str) -> Vectors:
        self.texts.append(text)
        return self.encoder.question(text)

    @property
    def hash(self) -> str:
        return self.encoder.hash

    def word_vectors(self, words: Sequence[str]) -> Vectors:
        return self.encoder.word_vectors(words)


def _passage(id: str, text: str, score: float = 1.0, title: str = "", source: str = "documents") -> Passage:
    return Passage(
        id=f"{id}#0", text=text, title=title, source=source, document=id, language=language(text), score=score
    )


PASSAGES = [
    _passage("moon", MOON, 3.0, title="Moon"),
    _passage("mars", MARS, 4.0, title="Mars"),
    _passage("bread", BREAD, 1.0, title="Bread"),
]


@pytest.fixture(scope="module")
def reranker(encoder: SentenceEncoder) -> Reranker:
    return _reranker(encoder, _Collection(PASSAGES, encoder))


def _reranker(encoder: Any, collection: Any) -> Reranker:
    return Reranker(SentenceJudge(UnitVectors(encoder, collection)), collection)


def test_the_sentence_that_answers_wins_over_bm25(reranker: Reranker) -> None:
    ranked = reranker.rank("How long does the Moon take to circle the Earth?", PASSAGES)
    assert ranked[0].document == "moon"
    best = reranker.weigh("How long does the Moon take to circle the Earth?", PASSAGES)[0]
    span = best.units[best.best_unit]
    assert MOON[span.start : span.end] == "It orbits our planet once in 27 days."


def test_scores_tell_answers_from_the_rest(reranker: Reranker) -> None:
    answer = reranker.rank("Which planet has two small moons?", PASSAGES)
    assert answer[0].document == "mars" and answer[0].score > 0.5
    assert all(0 <= passage.score <= 1 for passage in answer)
    for query in ("Who painted the Mona Lisa?", "hello", "When was the bank of England founded?"):
        assert max(p.score for p in reranker.rank(query, PASSAGES)) < THRESHOLD
        assert reranker.rank(query, PASSAGES, threshold=THRESHOLD) == []


def test_k_exclude_and_threshold(reranker: Reranker) -> None:
    query = "Which planet has two small moons?"
    assert len(reranker.rank(query, PASSAGES, k=2)) == 2
    left = reranker.rank(query, PASSAGES, exclude=frozenset({"mars", "bread#0"}))
    assert [passage.document for passage in left] == ["moon"]
    assert [passage.document for passage in reranker.rank(query, PASSAGES, threshold=0.5)] == ["mars"]


def test_near_duplicates_and_parts_fall_out(reranker: Reranker) -> None:
    copy = _passage("copy", MARS.replace("Deimos", "another"), 3.5)
    part = _passage("part", MARS.replace(", Phobos and Deimos", ""), 3.0)
    ranked = reranker.rank("Which planet has two small moons?", [*PASSAGES, copy, part])
    assert len([p for p in ranked if p.document in ("mars", "copy", "part")]) == 1
    assert {"moon", "bread"} < {p.document for p in ranked}


def test_a_source_with_a_large_scale_does_not_win_by_it(reranker: Reranker) -> None:
    loud = [_passage("loud", PAPER, 9000.0, source="wikipedia"), _passage("loud2", BREAD, 8000.0, source="wikipedia")]
    ranked = reranker.rank("Which planet has two small moons?", [*PASSAGES, *loud])
    assert ranked[0].document == "mars"
    weighed = reranker.weigh("Which planet has two small moons?", [*PASSAGES, *loud])
    assert max(e.bm25 for e in weighed if e.passage.source == "wikipedia") < 0.5


def test_what_has_no_vectors_is_encoded_once(encoder: SentenceEncoder) -> None:
    counting = _Counting(encoder)
    reranker = _reranker(counting, _Collection())
    first = reranker.rank("Which planet has two small moons?", PASSAGES)
    assert first[0].document == "mars"
    assert len(counting.texts) == 1 + sum(len(units(p.text)) for p in PASSAGES)
    assert reranker.rank("Which planet has two small moons?", PASSAGES) == first
    assert len(counting.texts) == 2 + sum(len(units(p.text)) for p in PASSAGES)


def test_no_more_is_encoded_than_a_question_can_wait_for(encoder: SentenceEncoder) -> None:
    counting = _Counting(encoder)
    many = [_passage(f"d{i}", f"{MARS} Number {i} says so too.", 50.0 - i) for i in range(100)]
    weighed = _reranker(counting, _Collection()).weigh("Which planet has moons?", many)
    assert len(weighed) == 100
    assert len(counting.texts) <= 129
    unencoded = [e.passage.score for e in weighed if e.unit_cosine is None]
    assert len(unencoded) > 50 and unencoded == sorted(unencoded, reverse=True)


@pytest.mark.parametrize(
    ("query", "code"), [("哪个行星有两颗卫星？", "zh"), ("Which planet has moons?", "de"), ("哪个行星有两颗卫星？", "")]
)
def test_the_encoder_is_not_asked_in_a_language_it_does_not_know(
    encoder: SentenceEncoder, query: str, code: str
) -> None:
    counting = _Counting(encoder)
    weighed = _reranker(counting, _Collection(PASSAGES, encoder)).weigh(query, PASSAGES, code)
    assert counting.texts == [] and {e.unit_cosine for e in weighed} == {None}


def test_chinese_is_ordered_by_bm25_and_coverage(reranker: Reranker) -> None:
    passages = [
        _passage("a", "火星是太阳系的第四颗行星。它有两颗小卫星，火卫一和火卫二。", 9.0),
        _passage("b", "月球是地球唯一的天然卫星。它每二十七天绕地球一周。", 10.0),
        _passage("c", "面包由面粉、水和酵母制成。", 1.0),
    ]
    ranked = reranker.rank("火星有几颗卫星？", passages)
    assert ranked[0].document == "a" and ranked[0].score > 3 * THRESHOLD
    assert max(p.score for p in reranker.rank("蒙娜丽莎是谁画的？", passages)) < THRESHOLD


@pytest.mark.parametrize("query", ["", "😀", "a" * 100_000, "the of and", "\x00"])
def test_odd_questions_are_ranked_all_the_same(reranker: Reranker, query: str) -> None:
    assert {p.document for p in reranker.rank(query, PASSAGES)} == {"moon", "mars", "bread"}
    assert reranker.rank(query, []) == []


def test_the_order_of_candidates_does_not_matter(reranker: Reranker) -> None:
    query = "What is bread baked from?"
    assert reranker.rank(query, PASSAGES) == reranker.rank(query, PASSAGES[::-1])


def test_a_heading_counts_for_what_stands_below_it(reranker: Reranker) -> None:
    bare = _passage("bare", "It takes an hour in the oven.")
    headed = replace(bare, id="headed#0", document="headed", title="Sourdough", section="Baking › Rye bread")
    coverage = {e.passage.document: e.coverage for e in reranker.weigh("rye sourdough", [bare, headed])}
    assert coverage == {"bare": 0.0, "headed": 1.0}


def test_calibration_fits_the_features(reranker: Reranker) -> None:
    weights = json.loads(CALIBRATION.read_text(encoding="utf-8"))["weights"]
    assert set(weights) == {kind + judged for kind in ("cosine", "words", "pairs") for judged in ("", ", judged")}
    seen = reranker.weigh("planet", [*PASSAGES, _passage("zh", "火星是行星。"), replace(PASSAGES[0], language="de")])
    assert {e.kind for e in seen} == {kind for kind in weights if kind.endswith("judged")}
    for evidence in [*seen, *(replace(e, answer=None) for e in seen)]:
        assert len(weights[evidence.kind]) == 1 + len(evidence.features)
        # More of each speaks for an answer; where sentences were weighed, that weight says most of it already.
        assert all(weight > 0 for weight in weights[evidence.kind][-1 if evidence.answer is not None else 1 :])


def test_coverage_weighs_rare_words_more(encoder: SentenceEncoder) -> None:
    class Common(_Collection):
        def frequencies(self, terms: Sequence[str]) -> tuple[list[int], int]:
            return [1500 if term == "moon" else 1 for term in terms], 3000

    assert analyse("moon phobos") == ["moon", "phobo"]
    one, other = _passage("a", "The moon is bright."), _passage("b", "Phobos is dark.")
    coverage = {e.passage.document: e.coverage for e in _reranker(encoder, Common()).weigh("moon phobos", [one, other])}
    assert coverage["b"] > 0.8 > 0.2 > coverage["a"] > 0


def test_the_fit_finds_the_weights_that_made_the_data() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(20_000, 2))
    true = np.array([-1.0, 2.0, 0.5])
    answers = (rng.random(20_000) < probabilities(true, features)).astype(float)
    np.testing.assert_allclose(fit(features, answers, np.ones(20_000)), true, atol=0.1)
    doubled = fit(np.vstack([features, features[:5000]]), np.append(answers, answers[:5000]), np.ones(25_000))
    weights = np.where(np.arange(20_000) < 5000, 2.0, 1.0)
    np.testing.assert_allclose(fit(features, answers, weights), doubled, atol=1e-6)
