"""The words that small talk is made of: a message that has no others, and asks nothing, is small talk.

“oh, I didn't know that”, “brilliant, cheers”, “okay, I have to go now”: nobody can list such messages, but none of
their words names anything that could be searched for.
"""

from __future__ import annotations

import re

from chat.talk_phrases import Talk, answered

_SAYING = (
    (Talk.THANKS, "thanks thank thankyou thx cheers appreciate appreciated grateful"),
    (Talk.PRAISE, "lovely great good nice cool awesome amazing brilliant perfect super fantastic wow neat sweet"),
    (Talk.PRAISE, "fascinating interesting helpful useful wonderful excellent impressive enjoyed fun clever smart"),
    (Talk.GOODBYE, "bye goodbye ciao cya leaving"),
    (Talk.LAUGHTER, "ha haha hahaha hehe lol"),
    (Talk.ASSENT, "ok okay hmm hm mhm sure fine yeah yes yep yup nope alright understood testing knew"),
)
_SAYS = {word: kind for kind, words in _SAYING for word in words.split()}
"""Words that say something by themselves."""
_SPOKEN_WORDS = "i i'd i'll i'm i've me my we let's you you'd you'll you're you've your oh ah aha hey well"
_SPOKEN = frozenset(_SPOKEN_WORDS.split())
"""Words of somebody who talks, not searches."""
_COMMON_WORDS = """
a about actually again ago all already also always am an and another answer answers any anything anyway are as at back
bad be been being believe best better bit both buddy busy but can can't come could couldn't day did didn't do does
doesn't doing don't done dude either else enough even ever everyone everything explaining explanation feel for forget
forgot friend from get getting go going gonna got guess had happy has have haven't having hear heard hello help
helping here hi home hope idea if in indeed info information is isn't it it'll it's job just keep know later learn
learned learnt leave let like little long look looking lot lots love man mate maybe mean might mind moment much must
myself need never new next no not nothing now of off on only or others out perhaps please point pretty probably
question questions quite read reading really remember right said say see seems shall should so some somebody someone
something soon still stuff stupid surprised take talk talking that that'll that's the then there these they thing
things think thinking this those though thought to today tomorrow tonight too tried true try trying until up use very
wait waiting want wanted was wasn't way week were weren't will with won't wonder work working would wouldn't wow wrong
yesterday yet yourself
"""
_COMMON = frozenset(_COMMON_WORDS.split())
_WORD = re.compile(r"[^\W_]+(?:'[a-z]+)?")
_ASKS = re.compile(
    r"[?？]|^(?:who|whom|whose|which|where|when|why|how|what(?! an? ))\b|"
    r"^(?:do|does|did|is|are|was|were|can|could|would|will|have|has|should) (?!not)|"
    r"[吗呢嗎谁誰哪几幾怎]|多[高长長大远遠重深久快宽寬厚]|什么|什麼|多少|为何|是否",
    re.IGNORECASE,
)
_REMARKS = re.compile(
    r"(?:(?:well|so|but|and|ok|okay|yeah|wow|whoa|actually|honestly)[ ,]+)?"
    r"(?:i|i'm|i've|i'd|my \w+ (?:is|was|were|has|had|did|told|said|says|also|just|used|loves?|likes?|thinks?)|"
    r"you're|she|he|it|it's|that|that's|this|they|we|we're|makes?|looks?|sounds?)\b"
    r"|(?:whoa|wow|oh|ah|aw+|ha+|hm+|yay|ugh|oops|damn|gosh|omg)\b"
    r"|[我你您他她它这這那好太真嗯哦哈]",
    re.IGNORECASE,
)
_WANTS = re.compile(
    r"\b(?:tell|show|give|explain|describe|list|find|compare|summari[sz]e|write|translate|search|define|wonder|need|want"
    r"|would like|looking for|know)\b"
    r"|想|要|请|請|告诉|告訴|介绍|介紹|解释|解釋|说说|說說|讲讲|講講|列出|总结|總結|比较|翻译",
    re.IGNORECASE,
)
_SPOKEN_CHINESE = re.compile(r"[我你您了啊呀哦嗯吧啦哈嘿噢喔]|原来|如此|谢|拜|见|晚安")
_COMMON_CHINESE = re.compile(
    r"[我你您他她它这那的了啊呀哦嗯好是不没有很太真多谢知道明白懂学到会去走先就再见天晚早安想一下看吧还可以行对错啦哈嘿喔噢"
    r"原来如此样觉得试慢等拜今明后回头说话听过些也都又才刚算别急休息睡吃饭忙错意思]{2,14}"
)


def remark(said: str) -> bool:
    """Whether a message, in `chat.phrases.plain` form, tells something instead of asking: “my dad was there too”."""
    return _REMARKS.match(said) is not None and not _ASKS.search(said) and not _WANTS.search(said)


def by_words(said: str) -> Talk | None:
    """The kind of a message, in `chat.phrases.plain` form, that names nothing and asks nothing; else None."""
    if _ASKS.search(said):
        return None
    bare = re.sub(r"[\s,;.!，；。！~～…-]+", "", said)
    if _COMMON_CHINESE.fullmatch(bare):
        return Talk.ASSENT if _SPOKEN_CHINESE.search(bare) else None
    words = _WORD.findall(said.lower())
    kinds = [_SAYS[word] for word in words if word in _SAYS]
    if not all(word in _SAYS or word in _SPOKEN or word in _COMMON for word in words):
        return None
    if kinds:
        return answered(kinds)
    return Talk.ASSENT if any(word in _SPOKEN for word in words) else None
