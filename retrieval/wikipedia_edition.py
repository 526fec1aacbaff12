"""Which language's Wikipedia is asked: the question's, or the one that a visitor chose."""

from __future__ import annotations

import re

from errors import InputError
from retrieval.base import SearchRequest, Setting
from retrieval.text import language

LANGUAGE = Setting(
    name="language",
    labels={"en": "Language of Wikipedia", "zh": "维基百科的语言"},
    hints={
        "en": "Code of an edition, like en, zh or de. Empty: the language of the question",
        "zh": "版本代码，如 en、zh 或 de。留空则按提问的语言",
    },
)
_CODE = re.compile(r"[a-z]{2,3}(?:-[a-z]{2,8})*")
_LONGEST = 20
_EDITIONS = {"nb": "no"}
"""Language codes that differ from the name of Wikipedia's edition."""
_SCRIPTS = {"zh-hans": "zh-hans", "zh-cn": "zh-hans", "zh-hant": "zh-hant", "zh-tw": "zh-hant", "zh-hk": "zh-hant"}


def checked_language(text: str) -> str:
    """The code that was chosen, or nothing. Raises `InputError` where it is no code."""
    code = text.strip().lower()
    if code and (len(code) > _LONGEST or not _CODE.fullmatch(code)):
        shown = " ".join(code.split())[:_LONGEST]
        raise InputError(
            f"“{shown}” is not the code of a Wikipedia edition; use one such as en, zh or de, or leave it empty.",
            zh=f"“{shown}”不是维基百科的版本代码，请填写 en、zh 或 de 等代码，或留空。",
        )
    return code


def code_and_variant(request: SearchRequest) -> tuple[str, str | None]:
    """The edition to ask, and for Chinese a script: the one that was chosen or that of the question."""
    chosen = request.settings.get(LANGUAGE.name, "")
    code = (chosen or request.language or language(request.query)).lower()
    if len(code) > _LONGEST or not _CODE.fullmatch(code):  # it becomes part of a host name
        code = "en"
    if code.split("-")[0] != "zh":
        return _EDITIONS.get(code, code), None
    if chosen and code in _SCRIPTS:
        return "zh", _SCRIPTS[code]
    simplified, traditional = (
        sum(not _encodes(char, own) and _encodes(char, other) for char in request.query)
        for own, other in (("big5", "gb2312"), ("gb2312", "big5"))
    )
    return "zh", "zh-hant" if traditional > simplified else "zh-hans"


def _encodes(char: str, encoding: str) -> bool:
    try:
        char.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True
