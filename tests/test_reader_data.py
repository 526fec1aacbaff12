"""How the examples for the reader's sentence selector are made: python -m pytest tests/test_reader_data.py"""

from __future__ import annotations

import random

from finetune.reader_data import in_other_words, shortened
from retrieval.answering import read_question
from retrieval.rarity import Rarity


def test_chinese_questions_are_cut_to_what_the_text_holds() -> None:
    text = "长城\n长城总长21196千米，由中国国家文物局公布。"
    assert shortened("请问长城总长到底是多少千米？", text) == "长城总长千米多少"
    assert shortened("谁公布的？", "与此无关") == "谁公布的？"
    assert shortened("How Long is it?", text) == "how long is it"


def test_hidden_words_match_nothing_and_weigh_the_same() -> None:
    question = read_question("who repaired the old boiler in Leeds", "en", Rarity({}))
    other = in_other_words(question, "en", random.Random(1))
    gone = question.terms.keys() - other.terms.keys()
    assert gone and gone < question.terms.keys()
    assert sum(other.terms.values()) == sum(question.terms.values())
    assert not any(gone & set(pair) for pair in other.pairs) and not other.names & gone
    assert len(question.content.keys() & other.content.keys()) == len(question.content) - len(gone)
