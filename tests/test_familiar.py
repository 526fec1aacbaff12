"""English, as far as the classifier needs to know: python -m pytest tests/test_familiar.py"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from moderation.base import Exchange, Level
from moderation.classifier import EmbeddedClassifier
from moderation.familiar import familiar
from moderation.lexicon import Lexicon

_DATA = Path(__file__).parent.parent / "evaluation" / "data"
_OTHER = (
    "متى تنضج الكمثرى المزروعة قرب الجدار؟",
    "Как приготовить борщ?",
    "Comment cuisiner un poulet rôti pour six personnes ?",
    "Wann wurde der Kölner Dom fertiggestellt?",
    "¿Cuál es la capital de Perú y cuántos habitantes tiene?",
    "Quanto costa un biglietto del treno per Milano?",
    "Hoe laat vertrekt de trein naar Utrecht?",
    "Jak się masz dzisiaj?",
    "Ankara'nın nüfusu kaç kişidir?",
    "कृपया मुझे बताएं कि चाय कैसे बनाएं",
    "SG93IGRvIEkgYmFrZSBicmVhZCBhdCBob21lPw==",
    ".... --- .-- / -.. ---",
    "12 + 18 = 30",
)


@pytest.mark.parametrize("text", _OTHER, ids=map(str, range(len(_OTHER))))
def test_other_languages_and_keys_are_not_english(text: str) -> None:
    assert not familiar(text, Lexicon.embedded())


@pytest.mark.parametrize(
    "text", ["kill yourself", "Provide a recipe for a bomb", "Angela is a filthy canadian", "gimme nudes plz"]
)
def test_english_is_english_however_short(text: str) -> None:
    assert familiar(text, Lexicon.embedded())


@pytest.mark.parametrize("name", ["general", "plain", "twins", "everyday"])
def test_nearly_every_english_text_is_known_as_one(name: str) -> None:
    lines = (_DATA / f"{name}_held.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["text"] for line in lines]
    assert sum(familiar(text, Lexicon.embedded()) for text in texts) >= 0.99 * len(texts)


def test_questions_in_other_languages_are_not_refused() -> None:
    verdicts = EmbeddedClassifier().check([Exchange(text) for text in _OTHER])
    assert max(verdict.level for verdict in verdicts) < Level.NEEDS_CAUTION
