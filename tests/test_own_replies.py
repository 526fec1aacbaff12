"""Moderation never objects to what the app says itself. python -m pytest tests/test_own_replies.py"""

from __future__ import annotations

from finetune.own_replies import own_replies
from moderation.base import Exchange, Level, Side
from moderation.classifier import EmbeddedClassifier
from moderation.readings import Readings


def test_no_reply_of_the_app_is_warned_about() -> None:
    replies = list(own_replies())
    assert len(replies) > 200
    verdicts = Readings(EmbeddedClassifier()).check([Exchange(text, Side.ASSISTANT) for text in replies])
    flagged = [text for text, verdict in zip(replies, verdicts, strict=True) if verdict.level >= Level.NEEDS_CAUTION]
    assert not flagged
