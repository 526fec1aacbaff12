"""Which questions are about now, and what about. python -m pytest tests/test_recent.py"""

from __future__ import annotations

import pytest

from retrieval.recent import recent
from retrieval.text import analyse, language


@pytest.mark.parametrize(
    "question",
    [
        "What is in the news?",
        "what's in the news today",
        "What happened today?",
        "Any news?",
        "news",
        "Latest headlines",
        "What are today's top stories?",
        "What’s new?",
        "what is going on in the world?",
        "Tell me the latest news please",
        "最新新闻",
        "今天有什么新闻？",
        "今天发生了什么？",
        "本周有哪些大事？",
        "最近有什麼新聞？",
    ],
)
def test_news_without_a_topic(question: str) -> None:
    found = recent(question)
    assert found is not None and found.news
    assert found.topic == ""


@pytest.mark.parametrize(
    ("question", "topic"),
    [
        ("What is the latest news about the lighthouse?", "lighthouse"),
        ("What happened this week in Norway?", "norway"),
        ("Any updates on the ferry strike?", "ferry strike"),
        ("Give me an update on the strike", "strike"),
        ("What is happening in Skarholm?", "skarholm"),
        ("Show me the news from Japan", "japan"),
        ("关于灯塔的最新消息", "灯塔"),
        ("灯塔最近有什么进展？", "灯塔"),
        ("最近台湾有什么新闻", "台湾"),
    ],
)
def test_news_with_a_topic(question: str, topic: str) -> None:
    found = recent(question)
    assert found is not None and found.news
    assert analyse(found.topic, language(question)) == analyse(topic, language(question))


@pytest.mark.parametrize(
    "question",
    [
        "Did the lighthouse open today?",
        "Who is currently mayor of Skarholm?",
        "现在谁是市长？",
        "灯塔今天开放吗？",
        "When was BBC News founded?",
        "Who owns News Corp?",
        "新闻学是什么？",
    ],
)
def test_about_now_but_after_one_fact(question: str) -> None:
    found = recent(question)
    assert found is not None and not found.news
    assert found.topic


@pytest.mark.parametrize(
    "question",
    [
        "Who discovered penicillin?",
        "What happened in 1066?",
        "How do ships know where they are?",
        "谁发现了青霉素？",
        "1066 年发生了什么？",
        "",
    ],
)
def test_other_questions(question: str) -> None:
    assert recent(question) is None
