"""Does a message ask for something that quoting cannot do? A poem, a sum, the time, the weather. English and Chinese.

Writing and translating are recognised by how the message begins; sums, the clock, weather and news only when they are
the whole message: “What time does the train leave?” may stand in a document.
"""

from __future__ import annotations

import re
from enum import Enum

from chat.phrases import plain
from retrieval.patterns import any_of


class Task(Enum):
    """What the reader cannot do."""

    WRITE = "write"
    """Something is to be made: a poem, a translation, a summary of what was said or pasted."""
    CALCULATE = "calculate"
    CLOCK = "clock"
    WEATHER = "weather"
    NEWS = "news"
    """What changes by the hour: news, prices, scores."""
    ACT = "act"
    """Something is to be done: an alarm, a message, a picture."""


_POLITELY = (
    r"(?:(?:hi|hello|hey|ok(?:ay)?|so|and)[ ,!]+)?(?:(?:can|could|would|will) you )?(?:please |just )?"
    r"(?:help me (?:to )?)?"
)
_PLEASE = r"(?:你好[，, ]*)?(?:你?(?:能不能|能|可以|可不可以))?请?(?:帮[我忙])?"
_BEGINS = (
    (
        Task.WRITE,
        any_of(rf"""
    {_POLITELY}(?:write|compose|draft|translate|paraphrase|rephrase|rewrite|proofread|brainstorm)\b
    {_POLITELY}(?:summari[sz]e|sum up|recap) (?:this|the following|my)\b[^:]{{0,30}}:[ ]
    {_POLITELY}(?:summari[sz]e|sum up|recap) (?:(?:our|this) (?:conversation|chat|discussion)|your (?:last )?(?:answer
      |reply)|what (?:you|we) (?:have |just )?(?:said|discussed|talked))
    {_POLITELY}generate (?!electric)\w+\b
    {_POLITELY}tell (?:me|us) (?:a|another|some) (?:\w+ )?(?:jokes?|story|stories|riddles?|poems?)\b
    {_POLITELY}make up (?:a|an|some)\b
    {_PLEASE}(?:写(?!过|的|于|了|成|作|明|着)(?:一|篇|首|个|封|段|作文|诗|信|代码)|翻译|改写|润色|续写)
    {_PLEASE}(?:总结|概括|归纳)(?:一下|下)?(?:我们的?|刚才的?|以下|下面|你的?)
      (?:的?(?:对话|聊天|讨论|回答|文字|内容|话|这段).{{0,6}})?(?:[：:]|$)
    {_PLEASE}(?:讲|说|来)一?(?:个|则)(?:笑话|故事|谜语)
"""),
    ),
    (
        Task.ACT,
        any_of(rf"""
    {_POLITELY}(?:set|start) (?:an?|the|my) (?:\w+ )?(?:alarm|timer|reminder)\b
    {_POLITELY}remind me (?:to|about|at)\b
    {_POLITELY}send (?:an?|this|my|the) (?:\w+ )?(?:e-?mail|message|text)\b
    {_POLITELY}(?:draw|paint|generate|create|make) (?:me )?(?:an?|some) (?:\w+ )?(?:picture|image|drawing|photo|logo
      |video)s?\b
    {_POLITELY}(?:play|put on) (?:some |me )?(?:\w+ )?(?:music|song)\b
    {_POLITELY}(?:open|google|browse) (?:the |up )?(?:google|youtube|internet|web|browser|https?:|www)
    {_POLITELY}(?:book|order|buy) (?:me )?(?:an?|some) (?:flight|ticket|table|hotel|taxi|pizza)\b
    {_PLEASE}(?:设(?:置|个)?|定(?:个)?|开)(?:一个)?(?:闹钟|提醒|计时器)|提醒我
    {_PLEASE}(?:发|寄)(?:一?封|个|条)?(?:邮件|短信|消息|微信)
    {_PLEASE}(?:画|生成)(?:一|张|个|幅)(?:\w{{0,4}}图|\w{{0,4}}画)?
    {_PLEASE}(?:放|播放)(?:一?首|点|些)?(?:歌|音乐)|{_PLEASE}(?:订|预订)(?:一?张|个)?(?:机票|车票|酒店|餐厅|外卖)
"""),
    ),
)
_NUMBER = r"\(?-?\d[\d,]*(?:\.\d+)?%?\)?"
_SIGN = (
    r" ?(?:[-+*/×÷^x–]|\*\*|plus|minus|times|multiplied by|divided by|over|to the power of|mod|"
    r"加上?|减去?|乘以?|除以|的) ?"
)
_WHAT_IS = (
    r"(?:(?:so |and |ok )?(?:what(?:'s| is| are| does)|how much (?:is|are)|calculate|compute|solve|work out|"
    r"请?计?算一?下?|请问) ?)?"
)
_EQUALS = r"(?: ?(?:=|equals?|make|is|等于|是)+ ?(?:\?|what|how much|几|多少)?)?"
_THEN = (
    r"(?: (?:right )?now| today| tonight| tomorrow| this (?:week|weekend|morning|afternoon|evening)"
    r"| currently| at the moment| outside| here)*"
)
_PLACE = r"(?: (?:in|for|at|near) (?!the |winter|summer|spring|autumn|\w+ber\b|19|20)[\w'-]+(?:,? [\w'-]+)?)?"
"""A town: “in Paris”; a climate (“in the Sahara”, “in winter”) may stand in a source."""
_TODAY = "(?:今天|今晚|明天|后天|现在|这周|本周|周末|今日|明日)?"
_WHOLE = (
    (
        Task.CALCULATE,
        any_of(rf"""
    {_WHAT_IS}{_NUMBER}(?:{_SIGN}{_NUMBER})+{_EQUALS}
    {_WHAT_IS}(?:the )?(?:\d+(?:\.\d+)? ?(?:%|percent|per cent) of \d[\d,.]*|(?:square|cube) root of \d[\d,.]*)
    {_WHAT_IS}\d+ (?:squared|cubed|factorial)
    (?:calculate|compute|计算) .*\d.*|\d+的(?:平方|立方|平方根|\d+%)(?:是|等于)?(?:多少|几)?
"""),
    ),
    (
        Task.CLOCK,
        any_of(rf"""
    (?:do you know |tell me |can you tell me )?what(?:'s| is)? ?(?:the )?(?:current |exact )?time(?: is it
      | it is)?{_PLACE}{_THEN}
    (?:do you know |tell me )?what (?:day|date|month|year) (?:is it|it is|is today|are we in){_THEN}{_PLACE}
    what(?:'s| is) (?:today's|tomorrow's|the current|the) (?:date|day|year|month){_THEN}|what is today|what's today
    (?:请问)?(?:现在|北京时间|目前)?(?:是)?(?:几点|什么时间|几时)(?:钟)?了?|现在(?:是)?(?:什么时候|几号|哪一年|几月)
    (?:请问)?(?:今天|明天|昨天)(?:是)?(?:几号|几月几[号日]|星期几|周几|礼拜几|什么日子|什么日期|哪一天)
"""),
    ),
    (
        Task.WEATHER,
        any_of(rf"""
    (?:what(?:'s| is| will)? ?)?(?:the |be the )*weather(?: forecast| report)?(?: like| be like
      | going to be like)?{_PLACE}{_THEN}{_PLACE}
    (?:how(?:'s| is) the weather|what will the weather be like|what's it like outside){_PLACE}{_THEN}{_PLACE}
    (?:will|is|does) it (?:going to |gonna )?(?:rain|snow|be (?:sunny|cold|hot|warm|windy)|raining
      |snowing){_PLACE}{_THEN}{_PLACE}
    (?:how (?:hot|cold|warm) is it|what(?:'s| is) the temperature)(?: outside| today| now| right now
      | in [\w ]+ (?:today|now|right now))+
    (?:do i need|should i take) an umbrella{_THEN}
    (?:请问)?[\w]{{0,6}}?{_TODAY}[\w]{{0,4}}?(?:的)?天气(?:怎么样|如何|好吗|好不好|预报|情况)?
    {_TODAY}[\w]{{0,4}}?会?(?:不会)?(?:下雨|下雪)吗?
    {_TODAY}(?:热|冷)(?:吗|不热|不冷)|今天(?:多少度|气温多少|几度)
"""),
    ),
    (
        Task.NEWS,
        any_of(rf"""
    (?:what(?:'s| is| are)|tell me|show me|any)? ?(?:in )?(?:the |today's |some )?(?:latest |current |breaking )?
      (?:news|headlines){_THEN}
    what(?:'s| is) (?:happening|going on) in (?:the world|the news){_THEN}
    (?:what(?:'s| is) )?(?:the )?(?:current |latest )?(?:price of )?(?:bitcoin|ethereum|gold|oil)(?: price
      | worth)?{_THEN}
    (?:what(?:'s| is) )?(?:the )?(?:current |latest )?(?:stock|share) price of \w+{_THEN}
    (?:the )?(?:current )?exchange rate.*
    (?:who won|what(?:'s| is| was) the score)(?: \w+){{0,4}} (?:last night|yesterday|today|tonight)
    (?:今天|最新|今日|最近)?(?:有)?(?:的|什么)*(?:新闻|头条)
    (?:现在|今天|今日)?(?:的)?(?:股价|金价|油价|汇率|比特币价格)(?:是)?(?:多少)?
"""),
    ),
)
_COMPILED_BEGINS = tuple((task, re.compile(pattern, re.IGNORECASE)) for task, pattern in _BEGINS)
_COMPILED_WHOLE = tuple((task, re.compile(pattern, re.IGNORECASE)) for task, pattern in _WHOLE)
_NO_SUM = re.compile(r".*(?:\b9/11|\b7/7|\b24/7|\b\d{4} ?[-–/] ?\d{2,4}|\d{3,} ?x ?\d{3,})\D*")
"""Dates, spans of years and sizes only look like sums."""
_LOOKED_AT = 100


def task(message: str) -> Task | None:
    """What is asked for that no quotation can give; None for anything else."""
    text = plain(message[: 2 * _LOOKED_AT])
    begun = next((kind for kind, pattern in reversed(_COMPILED_BEGINS) if pattern.match(text)), None)
    if begun or len(text) > _LOOKED_AT:
        return begun
    whole = next((kind for kind, pattern in _COMPILED_WHOLE if pattern.fullmatch(text)), None)
    return None if whole is Task.CALCULATE and _NO_SUM.fullmatch(text) else whole
