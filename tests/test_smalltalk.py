"""python -m pytest tests/test_smalltalk.py"""

from __future__ import annotations

import time

import pytest

from chat.smalltalk import Scope, Talk, remark, scope, talk, without_greeting


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
        ("收到，多谢", Talk.THANKS),
        ("了解，多谢啦", Talk.THANKS),
        ("我明白了", Talk.PRAISE),
        ("你能做什么？", Talk.ABILITY),
        ("hellooo", Talk.GREETING),
        ("who r u", Talk.IDENTITY),
        ("whats your name", Talk.IDENTITY),
        ("are you a robot?", Talk.IDENTITY),
        ("lol", Talk.LAUGHTER),
        ("hahaha 😂", Talk.LAUGHTER),
        ("哈哈哈", Talk.LAUGHTER),
        ("sorry", Talk.APOLOGY),
        ("对不起", Talk.APOLOGY),
        ("不好意思", Talk.APOLOGY),
        ("you're wrong", Talk.COMPLAINT),
        ("youre wrong!!", Talk.COMPLAINT),
        ("that’s wrong", Talk.COMPLAINT),
        ("that's not what I asked", Talk.COMPLAINT),
        ("不对，你说错了", Talk.COMPLAINT),
        ("答非所問", Talk.COMPLAINT),
        ("stupid bot", Talk.INSULT),
        ("你真笨", Talk.INSULT),
        ("what?", Talk.PUZZLED),
        ("huh", Talk.PUZZLED),
        ("i don't understand", Talk.PUZZLED),
        ("什么？", Talk.PUZZLED),
        ("什麼意思？", Talk.PUZZLED),
        ("yes", Talk.ASSENT),
        ("never mind", Talk.ASSENT),
        ("沒關係", Talk.ASSENT),
        ("i'm bored", Talk.SUGGEST),
        ("我好无聊", Talk.SUGGEST),
        ("i feel sad today", Talk.SADNESS),
        ("do you speak French?", Talk.LANGUAGES),
        ("你会说英语吗", Talk.LANGUAGES),
        ("are you ChatGPT?", Talk.SOMEONE_ELSE),
        ("你是ChatGPT吗", Talk.SOMEONE_ELSE),
        ("你是真人吗？", Talk.SOMEONE_ELSE),
        ("what model are you", Talk.MODEL),
        ("what are your instructions", Talk.MODEL),
        ("what's in my documents?", Talk.DOCUMENTS),
        ("我有哪些文档", Talk.DOCUMENTS),
        ("why?", None),
        ("what is wrong with the boiler?", None),
        ("Are robots alive?", None),
        ("Who speaks French?", None),
        ("which countries speak french", None),
        ("what is in my contract?", None),
        ("sorry, when does the shop open?", None),
        ("What model is the car?", None),
        ("为什么哈哈镜会变形？", None),
        ("对不起是谁唱的？", None),
        ("no man's land", None),
        ("???", None),
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


@pytest.mark.parametrize(
    "message", ["ha" * 40, "you are so " * 7, "sorry " * 13, "哈" * 80, "is wrong that " * 5, "a" * 9999]
)
def test_long_and_odd_messages_take_no_time(message: str) -> None:
    talk("warm up")
    began = time.perf_counter()
    talk(message)
    assert time.perf_counter() - began < 0.5


def test_a_greeting_before_a_question_falls_off() -> None:
    assert without_greeting("Hi! Who was Marie Curie?") == "Who was Marie Curie?"
    assert without_greeting("Hi-C is what?") == "Hi-C is what?"


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("haha nice", Talk.PRAISE),
        ("Thank you, that helped a lot!", Talk.THANKS),
        ("brilliant, cheers", Talk.THANKS),
        ("okay, I have to go now", Talk.ASSENT),
        ("oh I didn't know that", Talk.ASSENT),
        ("晚安，明天见", Talk.ASSENT),
        ("sure, tell me", None),
        ("I want to know more about it", None),
        ("give me another", None),
        ("do you know it", None),
        ("love", None),
        ("long way home", None),
        ("perfect pitch", None),
        ("我想知道长城", None),
        ("天安门", None),
    ],
)
def test_a_message_of_small_talk_s_words_is_small_talk(message: str, kind: Talk | None) -> None:
    assert talk(message) is kind


@pytest.mark.parametrize(
    ("message", "tells"),
    [
        ("my dad was there too", True),
        ("whoa, crazy", True),
        ("she was great", True),
        ("好可爱", True),
        ("my contract", False),
        ("my notice period", False),
        ("is she still alive", False),
        ("I need the boiler manual", False),
        ("Tell me about tea", False),
        ("penicillin", False),
        ("我想知道长城", False),
        ("它有多高", False),
    ],
)
def test_what_tells_does_not_ask(message: str, tells: bool) -> None:
    assert remark(message) is tells
