"""Is a message small talk, or a question about the app itself? English and Chinese, by patterns.

Small talk is recognised only when it is the whole message: “Hello!” is, “Hello Kitty was created by whom?” is not.
"""

from __future__ import annotations

import re
from enum import Enum

from chat.phrases import plain
from chat.talk_phrases import HELLO, PATTERNS, Talk, answered
from chat.talk_words import by_words
from chat.talk_words import remark as _remark
from retrieval.patterns import any_of

__all__ = ["Scope", "Talk", "scope", "talk", "without_greeting"]


class Scope(Enum):
    """How much a question is about the app: where the guide may answer."""

    WORLD = 0
    MAYBE = 1
    """“You”, “my document”, “citation”: the guide competes with the other sources."""
    APP = 2
    """It names the app or what one does with it: the guide goes first."""


_LONGEST = 80
_BETWEEN = re.compile(r"\s*[,;.!?，；。！？~～…-]+\s*|(?<=ha) (?=\w)|(?<=lol) (?=\w)|\s+(?:and|but)\s+")
_OPENING = re.compile(
    rf"^\s*{HELLO}(?:[ ,，]+(?:there|groundchat|again|everyone))?\s*[,，!！.。:：~]+\s*(?=\S)", re.IGNORECASE
)

_APP = re.compile(
    any_of(r"""
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
    any_of(r"""
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
    bare = plain(message)
    whole = _kind(bare)
    if whole is not None:
        return whole
    parts = [_kind(part) for part in _BETWEEN.split(bare) if part]
    said = [kind for kind in parts if kind is not None]
    if len(said) == len(parts) > 1:
        return answered(said)
    return by_words(bare)


def remark(message: str) -> bool:
    """Whether the message tells something instead of asking; what is found for it must be very likely meant."""
    return len(message) <= _LONGEST and _remark(plain(message))


def _kind(said: str) -> Talk | None:
    return next((kind for kind, pattern in PATTERNS if pattern.fullmatch(said)), None)


def without_greeting(message: str) -> str:
    """“Hello! Who was Marie Curie?” without its “Hello!”."""
    return _OPENING.sub("", message, count=1)


def scope(question: str) -> Scope:
    """How much a question is about the app."""
    question = question[:_LOOKED_AT]
    if _APP.search(question) or talk(question) in (Talk.IDENTITY, Talk.ABILITY):
        return Scope.APP
    return Scope.MAYBE if _MAYBE.search(question) else Scope.WORLD
