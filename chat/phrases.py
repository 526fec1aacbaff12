"""What people type, in one plain form for patterns: no smileys or full stops around it, “r u” spelt out, 繁 as 简."""

from __future__ import annotations

import re

from retrieval.text import simplified

_MARKS = r"[\s!?.,~。！？，～…:;=)(\-\U0001f300-\U0001faff\u2600-\u27bf\ufe0f\u200d]+"
_START = re.compile(r"^[\s!?.,~。！？，～…:;\U0001f300-\U0001faff\u2600-\u27bf\ufe0f\u200d]+")
_END = re.compile(rf"{_MARKS}$")
_STRETCHED = re.compile(r"([a-z])\1{2,}", re.IGNORECASE)
_SHORT = {
    "r": "are",
    "u": "you",
    "ur": "your",
    "y": "why",
    "pls": "please",
    "plz": "please",
    "whats": "what's",
    "wats": "what's",
    "whts": "what's",
    "whos": "who's",
    "hows": "how's",
    "im": "i'm",
    "youre": "you're",
    "thats": "that's",
    "dont": "don't",
    "doesnt": "doesn't",
    "didnt": "didn't",
    "cant": "can't",
    "isnt": "isn't",
    "wat": "what",
    "wht": "what",
    "waht": "what",
    "hwo": "how",
    "helo": "hello",
    "hllo": "hello",
    "thanx": "thanks",
    "thnks": "thanks",
    "tnx": "thanks",
    "gona": "going to",
    "gonna": "going to",
}
_WORD = re.compile(r"[a-z]+", re.IGNORECASE)


def plain(message: str) -> str:
    """The message in the form that patterns are written for; empty where it holds no word."""
    text = simplified(message.replace("’", "'").replace("‘", "'"))
    text = " ".join(_END.sub("", _START.sub("", text)).split())
    text = _STRETCHED.sub(r"\1", text)
    return _WORD.sub(lambda match: _SHORT.get(match[0].lower(), match[0]), text)
