"""The app's own sentences, and the answers that its demo teaches: what a moderator must never object to."""

from __future__ import annotations

from collections.abc import Iterator

from chat.replies import cannot, small_talk, unanswered
from chat.smalltalk import Talk
from chat.tasks import Task
from finetune import demo_data

_SEARCHED = {
    "en": (
        ("Starter library",),
        ("Starter library", "Wikipedia"),
        ("Starter library", "My documents"),
        ("News",),
        ("Starter library", "My documents", "Wikipedia", "News"),
    ),
    "zh": (
        ("入门资料库",),
        ("入门资料库", "维基百科"),
        ("入门资料库", "我的文档"),
        ("新闻",),
        ("入门资料库", "我的文档", "维基百科", "新闻"),
    ),
}
_ASKED = {
    "en": (
        "Who was it?",
        "Why is that?",
        "How many are there?",
        "When was it?",
        "Where is it?",
        "How is it made?",
        "Tell me",
    ),
    "zh": ("是谁？", "为什么？", "有多高？", "什么时候？", "在哪里？", "怎么做？", "请介绍一下这个"),
}


def own_replies() -> Iterator[str]:
    """Each once, English and Chinese."""
    yield from dict.fromkeys(_said())


def _said() -> Iterator[str]:
    yield from (pair.answer for pair in demo_data.pairs("taught", 0))
    for language, searched in _SEARCHED.items():
        yield from (small_talk(kind, language) for kind in Talk)
        yield from (cannot(task, language) for task in Task)
        for names in searched:
            for query in _ASKED[language]:
                yield unanswered(language, names, (), query)
                yield unanswered(language, names[:1], names[1:], query)
        yield unanswered(language, (), searched[0])
