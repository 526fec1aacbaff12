"""What quoting cannot do, and what only looks like it.

python -m pytest tests/test_tasks.py
"""

from __future__ import annotations

import pytest

from chat.replies import cannot
from chat.tasks import Task, task


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("what's 2+2", Task.CALCULATE),
        ("2 + 2 = ?", Task.CALCULATE),
        ("how much is 12 times 8", Task.CALCULATE),
        ("what is 15% of 80?", Task.CALCULATE),
        ("1加1等于几", Task.CALCULATE),
        ("3乘以4是多少？", Task.CALCULATE),
        ("what time is it", Task.CLOCK),
        ("whats the time in tokyo", Task.CLOCK),
        ("what's the date today?", Task.CLOCK),
        ("现在几点了", Task.CLOCK),
        ("今天星期几？", Task.CLOCK),
        ("weather today", Task.WEATHER),
        ("what's the weather like in Paris?", Task.WEATHER),
        ("will it rain tomorrow", Task.WEATHER),
        ("今天天气怎么样？", Task.WEATHER),
        ("明天会下雨吗", Task.WEATHER),
        ("any news?", Task.NEWS),
        ("bitcoin price", Task.NEWS),
        ("今天有什么新闻", Task.NEWS),
        ("set an alarm for 7", Task.ACT),
        ("draw me a picture of a cat", Task.ACT),
        ("帮我定个闹钟", Task.ACT),
        ("Write a poem about the Nile", Task.WRITE),
        ("can you translate this into French?", Task.WRITE),
        ("Summarise this: The cat sat on the mat.", Task.WRITE),
        ("please summarize our conversation", Task.WRITE),
        ("总结一下我们的对话", Task.WRITE),
        ("tell me a joke", Task.WRITE),
        ("写一首诗", Task.WRITE),
        ("讲个笑话", Task.WRITE),
    ],
)
def test_what_no_quotation_can_give(message: str, kind: Task) -> None:
    assert task(message) is kind


@pytest.mark.parametrize(
    "message",
    [
        "what is 9/11?",
        "who fought in the war of 1939-1945",
        "1939-1945",
        "what time does the meeting start?",
        "what is the weather like on Mars?",
        "what's the weather like in the Sahara?",
        "how hot is it on venus",
        "what year did the war end?",
        "who painted a picture of sunflowers?",
        "when was the first news broadcast?",
        "how do you play chess",
        "who wrote Hamlet?",
        "what is the time difference between Tokyo and London?",
        "how do power stations generate electricity?",
        "summarise the causes of the war",
        "总结战争的原因",
        "谁写了一本书",
        "李白写过哪些诗？",
        "会议几点开始？",
        "北京的气候怎么样？",
        "",
        "+ " * 5000,
        "1+" * 5000,
    ],
)
def test_what_a_source_may_answer(message: str) -> None:
    assert task(message) is None


@pytest.mark.parametrize("language", ["en", "zh", "de"])
def test_each_refusal_says_something_of_its_own(language: str) -> None:
    assert len({cannot(each, language) for each in Task}) == len(Task)
