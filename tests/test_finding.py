"""Whether a question belongs to what was talked about: what is found decides. python -m pytest tests/test_finding.py"""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from chat.finding import Finder, Finding
from chat.sources import Source, Sources
from encoder import SentenceEncoder
from retrieval.base import Document
from retrieval.index import DocumentIndex
from retrieval.judge import SentenceJudge
from retrieval.query import Turn, standalone
from retrieval.rerank import Reranker
from retrieval.unit_vectors import UnitVectors

HANDBOOK = """# Staff handbook

The probation period is three months. Either side may give two weeks' notice during the probation period.

The notice period after probation is one month. Holiday requests go to the head of the department.
"""
PLAN = """# Harbour project

The budget of the harbour project is 40,000 euros. The project manager is Lena Brandt.

The deadline for the first report is 5 May. Late payment of invoices costs a penalty of two per cent.
"""
LEASE = """# 租约

押金是两个月房租，共六千元。房租在每月一日支付。租期到明年六月为止。
"""
MEDICINE = """# 青霉素

弗莱明在1928年发现了青霉素。青霉素用来治疗由细菌引起的感染。青霉素对病毒无效。
"""
TALKED = {
    "probation": Turn("How long is the probation period?", "The probation period is three months [1].", "Handbook"),
    "plan": Turn("Who leads the harbour project?", "The project manager is Lena Brandt [1].", "Harbour project"),
    "penicillin": Turn("青霉素是谁发现的？", "弗莱明在1928年发现了青霉素 [1]。", "青霉素"),
    "lease": Turn("租期到什么时候？", "租期到明年六月为止 [1]。", "租约"),
}


@pytest.fixture(scope="module")
def finder(tmp_path_factory: pytest.TempPathFactory, encoder: SentenceEncoder) -> Iterator[Finder]:
    index = DocumentIndex(tmp_path_factory.mktemp("index"), encoder)
    index.open()
    texts = {"handbook": HANDBOOK, "plan": PLAN, "lease": LEASE, "medicine": MEDICINE}
    index.add([Document(name, text.split("\n")[0][2:], text, "documents") for name, text in texts.items()])
    sources = Sources([Source(index.retriever("documents"), {"en": "Documents"})], 5.0)
    yield Finder(sources, Reranker(SentenceJudge(UnitVectors(encoder, index)), index))
    index.close()


def find(finder: Finder, question: str, talked: str) -> Finding:
    searching = finder.start(list(finder._sources.all), standalone(question, [TALKED[talked]]), "", threading.Event())
    return finder.found(searching, 0.0, threading.Event())


@pytest.mark.parametrize(
    ("talked", "question", "document"),
    [
        ("probation", "How much is the budget?", "plan"),
        ("probation", "What is the deadline?", "plan"),
        ("probation", "What is the penalty for late payment?", "plan"),
        ("penicillin", "押金是多少钱？", "lease"),
    ],
)
def test_a_question_that_something_else_answers_leaves_the_old_topic(
    finder: Finder, talked: str, question: str, document: str
) -> None:
    found = find(finder, question, talked)
    assert found.query.text == question
    assert found.query.new_topic
    assert found.passages[0].document == document


@pytest.mark.parametrize(
    ("talked", "question", "document"),
    [
        ("plan", "How much is the budget?", "plan"),
        ("probation", "How long is the notice?", "handbook"),
        ("lease", "押金是多少钱？", "lease"),
    ],
)
def test_a_question_that_the_topic_answers_stays_with_it(
    finder: Finder, talked: str, question: str, document: str
) -> None:
    found = find(finder, question, talked)
    assert not found.query.new_topic
    assert found.passages[0].document == document


def test_what_nothing_answers_stays_with_the_topic(finder: Finder) -> None:
    found = find(finder, "Who was the captain?", "probation")
    assert not found.query.new_topic
    assert "probation" in found.query.text


@pytest.mark.parametrize("question", ["and the budget?", "when?", "why?", "How much does it cost?", "那押金呢？"])
def test_what_leans_on_the_turn_before_is_not_searched_for_by_itself(question: str) -> None:
    assert standalone(question, [TALKED["plan"]]).alone == ""
