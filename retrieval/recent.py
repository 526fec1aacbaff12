"""Is a question about now, and does it ask for the news as such? English and Chinese, by patterns.

recent("What is the latest news about the lighthouse?")    # Recent(news=True, topic="the lighthouse")
recent("Did the lighthouse open today?")                   # Recent(news=False, topic="Did the lighthouse open ?")
recent("What happened in 1066?")                           # None
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from retrieval.patterns import any_of
from retrieval.text import HAN, STOPWORDS

_LOOKED_AT = 300
_NOW = re.compile(
    any_of(r"""
    \b(?:latest|newest|most recent|recent|recently|lately|breaking|up[- ]to[- ]date|so far today)\b
    \b(?:today|tonight|yesterday|last night|right now|just now|currently|at the moment|at present|these days|nowadays)\b
    \bthis (?:week|weekend|morning|afternoon|evening|month)\b|\b(?:last|past) (?:week|month|few (?:hours|days)
      |24 hours)\b
    \bnews\b|\bheadlines?\b|\btop stories\b
    \bwhat(?:'s|s| is| has been) (?:\w+ )?(?:happening|going on|new)\b|\ban? (?:update|developments?)\b
    \bany (?:updates?|developments?)\b
    最新|最近|近日|近期|今天|今日|今晚|昨天|昨日|昨晚|刚刚|剛剛|刚才|剛才|现在|現在|目前|眼下|当前|當前|这几天|這幾天|这两天|這兩天
    (?:本|这|這|上|这个|這個)(?:周|週|星期|礼拜|禮拜|月)
    新闻|新聞|头条|頭條|要闻|要聞|快讯|快訊|时事|時事
"""),
    re.IGNORECASE,
)
_ASKING = r"(?:(?:hi|hello|ok|so|and|please|can you|could you)[ ,]+)*"
_NEWS = re.compile(
    any_of(rf"""
    ^{_ASKING}(?:what(?:'s|s| is| are| was| were)?|give|show|tell|read|is there|are there|any|do you have|have you
      |the|latest|today's|this week's|recent|breaking|some|world|local|top|news|headlines)\b
      [\w' ]{{0,40}}?\b(?:news|headlines?|top stories|updates?|developments?|latest)\b(?! (?:corp|agency|anchor|paper))
    ^{_ASKING}(?:news|headlines?|top stories)\b|\b(?:in|on) the (?:[\w']+ )?news\b
    ^{_ASKING}what(?:'s|s| is| has been| have been|'s been)? (?:\w+ )?(?:happening|going on|new)\b
    ^{_ASKING}what(?:'s| has)? happened\b|^{_ASKING}anything (?:new|happening)\b
    ^{_ASKING}(?:any|give me an?) updates?\b
    ^{_ASKING}catch me up\b
    (?:新闻|新聞)(?!学|學|社|业|業|法|部|处|系|专业|專業|记者|記者|发布会|發布會|自由)|头条|頭條|要闻|要聞|快讯|快訊|时事|時事
    最新(?:的)?(?:消息|动态|動態|进展|進展|情况|情況)|(?:有|出)了?(?:什么|什麼|啥|哪些)(?:大|新)?(?:事|消息|进展|進展|动态|動態)
    (?:发生|發生)了?(?:什么|什麼|啥|哪些)
"""),
    re.IGNORECASE,
)
_TIMES = re.compile(
    any_of(r"""
    \b(?:the )?(?:very )?(?:latest|newest|most recent|recent|recently|lately|breaking|current|currently)\b
    \b(?:from |of |since |for )?(?:today|tonight|yesterday|last night)(?:'s)?\b
    \b(?:right now|just now|at the moment|at present|these days|nowadays|up[- ]to[- ]date|so far|now)\b
    \b(?:from |of |in |during |over )?(?:the )?(?:this|last|past) (?:week|weekend|morning|afternoon|evening|month
      |few (?:hours|days)|24 hours)(?:'s)?\b
    最新|最近|近日|近期|今天|今日|今晚|昨天|昨日|昨晚|刚刚|剛剛|刚才|剛才|现在|現在|目前|眼下|当前|當前|这几天|這幾天|这两天|這兩天
    (?:本|这|這|上|这个|這個)(?:周|週|星期|礼拜|禮拜|月)
"""),
    re.IGNORECASE,
)
_ABOUT_NEWS = re.compile(
    any_of(r"""
    ^(?:hi|hello|ok|so|and|please|can you|could you)\b|\b(?:give|show|tell|read|catch) (?:me|us)(?: up)?\b
    \b(?:in |on |of |from )?(?:the |any |some )?(?:(?:world|top|main|big|biggest|major|important|new|most|local) )*
      (?:news|headlines?|stories|story|updates?|developments?|reports?)\b
    \b(?:is there|are there|do you have|have you|anything|something|going on|happen(?:ed|ing|s)?|what's|whats|new)\b
    \bplease\b|\bin the world\b|\b(?:any|the)\b
    有没有|有沒有|[有出][了]?(?:什么|什麼|啥|哪些)|发生了?|發生了?|(?:什么|什麼|啥|哪些)(?:大|新)?(?:事情|事|消息)?
    新闻|新聞|头条|頭條|要闻|要聞|快讯|快訊|时事|時事|消息|动态|動態|进展|進展|大事|事情|(?:世界|国际|國際)上
    请|請|告诉|告訴|说说|說說|讲讲|講講|看看|给我|給我|一下|关于|關於|[的了吗嗎呢吧我]|怎么样|怎麼樣|如何|是
"""),
    re.IGNORECASE,
)
_WORD = re.compile(rf"[{HAN}]|[^\W_{HAN}]+")


@dataclass(frozen=True, slots=True)
class Recent:
    """A question about now."""

    news: bool
    """Whether it asks for what was reported, rather than for one fact."""
    topic: str
    """What is left of it without the words that only say that; empty where nothing else is said."""


def recent(question: str) -> Recent | None:
    """How a question asks about now; None where it does not."""
    text = " ".join(question[:_LOOKED_AT].replace("’", "'").split())
    if not _NOW.search(text):
        return None
    news = _NEWS.search(text) is not None
    topic = _TIMES.sub(" ", text)
    if news:
        topic = _ABOUT_NEWS.sub(" ", _ABOUT_NEWS.sub(" ", topic))
    return Recent(news, " ".join(topic.split()) if _names_something(topic) else "")


def _names_something(topic: str) -> bool:
    return any(word not in STOPWORDS for word in _WORD.findall(topic.lower()))
