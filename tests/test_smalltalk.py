"""python -m pytest tests/test_smalltalk.py"""

from __future__ import annotations

import pytest

from chat.smalltalk import Scope, Talk, scope, talk, without_greeting


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("hello", Talk.GREETING),
        ("Hi there!", Talk.GREETING),
        ("Good morning 👋", Talk.GREETING),
        ("Hello, how are you today?", Talk.WELLBEING),
        ("thanks a lot", Talk.THANKS),
        ("ok, thank you so much!", Talk.THANKS),
        ("Goodbye for now", Talk.GOODBYE),
        ("What is Groundchat?", Talk.IDENTITY),
        ("How do I use this app?", Talk.ABILITY),
        ("你好", Talk.GREETING),
        ("再见", Talk.GOODBYE),
        ("你能做什么？", Talk.ABILITY),
        ("Hello Kitty was created by whom?", None),
        ("Who sang Hello?", None),
        ("What can you do with a law degree?", None),
        ("Thanksgiving is when?", None),
        ("你好是什么意思？", None),
        ("早在唐朝谁是皇帝？", None),
        ("", None),
        ("hello " * 1000, None),
    ],
)
def test_small_talk_is_only_the_whole_message(message: str, kind: Talk | None) -> None:
    assert talk(message) is kind


@pytest.mark.parametrize(
    ("question", "about"),
    [
        ("How do I upload a document?", Scope.APP),
        ("Can I use my own model?", Scope.APP),
        ("怎么上传文档？", Scope.APP),
        ("What is a document?", Scope.MAYBE),
        ("How do you make bread?", Scope.MAYBE),
        ("What is the model of the atom?", Scope.WORLD),
        ("Who founded the University of Chicago?", Scope.WORLD),
    ],
)
def test_what_is_about_the_app(question: str, about: Scope) -> None:
    assert scope(question) is about


def test_a_greeting_before_a_question_falls_off() -> None:
    assert without_greeting("Hi! Who was Marie Curie?") == "Who was Marie Curie?"
    assert without_greeting("Hi-C is what?") == "Hi-C is what?"
