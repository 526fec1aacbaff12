"""Is a message small talk, or a question about the app itself? English and Chinese, by patterns.

Small talk is recognised only when it is the whole message: “Hello!” is, “Hello Kitty was created by whom?” is not.
"""

from __future__ import annotations

import re
from enum import Enum


class Talk(Enum):
    """What can be said without asking about the world."""

    GREETING = "greeting"
    WELLBEING = "wellbeing"
    THANKS = "thanks"
    PRAISE = "praise"
    GOODBYE = "goodbye"
    IDENTITY = "identity"
    ABILITY = "ability"


class Scope(Enum):
    """How much a question is about the app: where the guide may answer."""

    WORLD = 0
    MAYBE = 1
    """“You”, “my document”, “citation”: the guide competes with the other sources."""
    APP = 2
    """It names the app or what one does with it: the guide goes first."""


def _any(lines: str) -> str:
    """One pattern for any of the patterns that stand on the lines."""
    return "(?:" + "|".join(line.strip() for line in lines.strip().splitlines()) + ")"


_STOP = r"[ ,，!！.。~～]*"
_HELLO = _any(r"""
    hi+|hello+|hey+|hiya|howdy|yo|greetings|hallo|good (?:morning|afternoon|evening|day)
    [你您]好[啊呀吗嗎]?|大家好|嗨|哈[喽囉啰]|早上好|下午好|晚上好|早安|早|晚安|在[吗嗎]
""")
_WHOM = (
    rf"(?:(?:there|all|everyone|everybody|again|friend|buddy|team|groundchat|bot|assistant|to you|朋友|助手){_STOP})*"
)
_HOW_ARE_YOU = _any(r"""
    how(?: are|'re|’re) (?:you|u|things)(?: doing| going| today| now)*|how(?:'s| is) it going|how do you do
    what(?:'s|’s| is) up|(?:nice|pleased|good|great) to (?:meet|see) you
    [你您](?:最近)?[还還]?(?:怎么样|怎麼樣|好吗|好嗎)|很?高[兴興](?:认识|認識|见到|見到)[你您]
""")
_THANK_YOU = _any(r"""
    (?:many |much )?thanks?(?: you| u)?|thx|ty|cheers|much appreciated|i appreciate (?:it|that)
    [谢謝]{1,4}[你您]?|多[谢謝]|感[谢謝][你您]?
""")
_SO_MUCH = _any(r"""
    (?:so|very) much|a (?:lot|million|bunch|ton)|again|indeed|for (?:your |the |all your )?(?:help|answers?|time)
    that (?:was|is) (?:helpful|great|useful|perfect)|groundchat|了|啦|[你您]的[帮幫]助
""")
_FINE = _any(r"""
    ok(?:ay)?|great|perfect|cool|nice|good|wow|awesome|yes|ah|oh|好的?|太好了
""")
_PRAISE = _any(r"""
    (?:that(?:'s| is| was) )?(?:very |really |so )?(?:great|good|nice|cool|awesome|perfect|amazing|helpful|interesting)
    (?:wonderful|excellent|brilliant|impressive|great|good|nice) (?:answer|job|work|one|bot)|well done|got it|i see
    wonderful|excellent|brilliant|impressive|i (?:like|love) (?:it|this|you)|ok(?:ay)?
    [你您]?(?:真|好|很|太)(?:棒|厉害|厲害|聪明|聰明)了?|不错|不錯|好的?|明白了?|知道了|我懂了|太好了
""")
_BYE = _any(r"""
    (?:good)?bye(?:[ -]?bye)?|good night|see (?:you|ya)(?: later| soon| tomorrow)?|farewell|so long|take care|cya
    have a (?:nice|good|great) (?:day|evening|weekend|one)|再[见見]|拜拜|回[头頭][见見]|下次[见見]|晚安
""")
_IDENTITY = _any(r"""
    (?:who|what)(?: exactly)?(?: are|'re|’re) (?:you|u)(?: exactly| really)?|(?:what(?:'s| is)|tell me) your name
    (?:please )?(?:introduce yourself|tell me (?:something )?about yourself)|do you have a name|what is groundchat
    are you (?:an? )?(?:robot|bot|human|person|real|ai|machine|chat ?gpt|language model)(?: or .*)?
    who (?:made|built|created|developed) you
    [你您](?:到底)?是(?:[谁誰]|什[么麼](?:东西|東西|人|模型)?)|[你您]叫什[么麼](?:名字)?|[你您]的名字是什[么麼]
    [请請]?(?:自我介[绍紹](?:一下)?|介[绍紹]一下[你您]自己)|[你您]是(?:机器人|機器人|人[吗嗎]|真人).{0,3}
    [谁誰](?:创造|創造|开发|開發|做)了?[你您]|什[么麼]是groundchat|groundchat是什[么麼]
""")
_ABILITY = _any(r"""
    (?:so |and )?what (?:can|could|do) (?:you|u|groundchat|it|this(?: app)?) (?:do|help(?: me)? with|know)(?: for me)?
    what (?:can|could) i (?:do|ask)(?: you| here)*|what are you (?:able to do|capable of|good at|for)
    how can you help(?: me)?|how (?:do|can) i use (?:you|this|groundchat)(?: app)?|how do you work
    (?:(?:can|could) you )?(?:please )?help(?: me)?(?: please)?|what are your (?:abilities|capabilities|features|skills)
    [你您]都?(?:能|会|會|可以)(?:帮我|幫我|为我)?[做干幹]?[些点點]?什[么麼]|[你您]有(?:什[么麼]|哪些)(?:功能|用|本[领領])
    (?:怎[么麼]|如何)使?用(?:[你您]|这个应用|groundchat)?|我?(?:可以|能)[问問][你您]?[些点點]?什[么麼]|[帮幫]助|[帮幫]帮?我
""")
_TASK = re.compile(
    rf"(?:{_HELLO}{_STOP})?"
    + _any(r"""
    (?:(?:can|could|would|will) you )?(?:please )?(?:write|compose|draft|translate|summari[sz]e|paraphrase|rephrase)\b
    (?:(?:can|could|would|will) you )?(?:please )?(?:rewrite|calculate|compute|proofread|brainstorm|generate)\b
    (?:(?:can|could|would|will) you )?(?:please )?tell (?:me|us) (?:a|another) (?:joke|story)\b
    [请請]?(?:[帮幫][我忙])?(?:写|寫)(?:一|篇|首|个|個|封|段)|[请請]?(?:[帮幫][我忙])?(?:翻[译譯]|总结|總結|改写|改寫|[计計]算(?![机機]))
"""),
    re.IGNORECASE,
)
_TALK = tuple(
    (kind, re.compile(pattern, re.IGNORECASE))
    for kind, pattern in (
        (Talk.WELLBEING, rf"(?:{_HELLO}{_STOP}{_WHOM})?{_HOW_ARE_YOU}{_STOP}{_WHOM}"),
        (Talk.GREETING, rf"(?:{_HELLO}{_STOP}{_WHOM}){{1,4}}"),
        (Talk.THANKS, rf"(?:{_FINE}{_STOP})?{_THANK_YOU}(?:{_STOP}{_SO_MUCH})*"),
        (Talk.PRAISE, rf"(?:{_FINE}{_STOP})?{_PRAISE}"),
        (Talk.GOODBYE, rf"(?:(?:{_FINE}|{_THANK_YOU}){_STOP})?{_BYE}{_STOP}(?:for now|then|all|groundchat|{_BYE})?"),
        (Talk.IDENTITY, rf"(?:(?:so|and|{_HELLO}){_STOP})?{_IDENTITY}"),
        (Talk.ABILITY, rf"(?:{_HELLO}{_STOP})?{_ABILITY}"),
    )
)
_MARKS = r"[\s!?.,~。！？，～…:;)(\-\U0001f300-\U0001faff\u2600-\u27bf\ufe0f]+"
_AROUND = re.compile(rf"^{_MARKS}|{_MARKS}$")
_LONGEST = 80

_OPENING = re.compile(
    rf"^\s*{_HELLO}(?:[ ,，]+(?:there|groundchat|again|everyone))?\s*[,，!！.。:：~]+\s*(?=\S)", re.IGNORECASE
)

_APP = re.compile(
    _any(r"""
    \bground ?chat\b|\bopenchatkit\b|\bthe app\b
    \bthis (?:app|application|chat ?bot|assistant|page|website|program|software)\b
    \b(?:are|can|do|did|does|will|could|have) you (?:\w+ ){0,3}(?:stor|sav|keep|send|share|cit|quot|search|remember)\w*
    \b(?:are|can|do|did|does|will|could|have) you (?:\w+ ){0,2}(?:refus|support|speak|hallucinat|translat|summari)\w*
    \byour (?:sources?|answers?|model|library|citations?|limits?|limitations?|privacy|code|licen[cs]e|knowledge)\b
    \b(?:i|me|my|we|our)\b.{0,60}\b(?:upload|documents?|pdfs?|conversations?|chat model|own model|passphrase)\b
    \b(?:uploaded|my|pdf|text|markdown|word) files?\b|\bfile (?:types?|formats?)\b|\bupload\w*\b.{0,30}\bfiles?\b
    \b(?:i|me|my|we|our)\b.{0,60}\b(?:retrieval|moderation|citations?|starter library|messages?)\b
    \b(?:upload|load|delete|share|reset|undo|retry)\b.{0,30}\b(?:documents?|files?|models?|conversation|chat)\b
    \b(?:my|the) (?:questions?|answers?|data|messages?)\b.{0,30}\b(?:stored|saved|private|safe|sent|kept|refused)\b
    [你您]们?的?(?:来源|來源|模型|资料库|資料庫|隐私|隱私|局限|答案)
    [你您].{0,12}(?:保存|存[储儲]|发送|發送|引用|检索|檢索|搜索|支持|联网|聯網|翻[译譯])
    我.{0,12}(?:上传|上傳|文档|文檔|文件|对话|對話|聊天模型|自己的模型|口令|引用|隐私|隱私|数据|數據)
    (?:上传|上傳|删除|刪除|加载|加載|分享|重置|撤销|撤銷|编辑).{0,8}(?:文档|文檔|文件|模型|链接|鏈接|对话|對話|消息)
    (?:这个|這個|本)(?:应用|應用|程序|页面|頁面|聊天)
"""),
    re.IGNORECASE,
)
_MAYBE = re.compile(
    _any(r"""
    \b(?:you|your|yourself|i|my|citations?|moderat(?:or|ion)|retrieval|starter library|chat models?|the reader)\b
    \b(?:share link|passphrase|documents?|privacy|sentence encoder|upload\w*|files?|offline|gpu|it)\b
    [你您我]|引用|审核|審核|检索|檢索|入门资料库|聊天模型|阅读器|閱讀器|上传|上傳|文档|文檔|隐私|隱私
"""),
    re.IGNORECASE,
)
_LOOKED_AT = 500


def talk(message: str) -> Talk | None:
    """What kind of small talk the whole message is; None for anything else."""
    if len(message) > _LONGEST:
        return None
    bare = " ".join(_AROUND.sub("", message).split())
    return next((kind for kind, pattern in _TALK if pattern.fullmatch(bare)), None)


def is_task(message: str) -> bool:
    """Whether something is to be made rather than looked up: a poem, a translation, a summary."""
    return _TASK.match(message[:_LONGEST].lstrip()) is not None


def without_greeting(message: str) -> str:
    """“Hello! Who was Marie Curie?” without its “Hello!”."""
    return _OPENING.sub("", message, count=1)


def scope(question: str) -> Scope:
    """How much a question is about the app."""
    question = question[:_LOOKED_AT]
    if _APP.search(question) or talk(question) in (Talk.IDENTITY, Talk.ABILITY):
        return Scope.APP
    return Scope.MAYBE if _MAYBE.search(question) else Scope.WORLD
