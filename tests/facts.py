"""What a sentence states, whatever its language: numbers, quoted and technical names, settings.

assert facts(str(error)) == facts(error.told("zh"))
"""

from __future__ import annotations

import re

from errors import AppError

CHINESE = re.compile(r"[\u4e00-\u9fff]")
_FACT = re.compile(
    r"“[^”]*”|`[^`]*`|\{[^{}]*\}|\[[\d{}a-z]+\]|--[a-z-]+"  # quoted, commands, placeholders, citations, settings
    r"|https?://[^\s，。；）]+|[A-Za-z0-9_.-]+/[A-Za-z0-9_./-]+"  # addresses, hub ids, files
    r"|(?<![A-Za-z0-9_])[a-z_]+\.(?:json|bin|md)|\*\.[a-z]+"  # files
    r"|(?<![A-Za-z0-9_])[A-Z][A-Z0-9_]{2,}(?=s?(?![a-z]))|\d[\d,.]*\d|\d"  # variables, numbers
)
_TRANSLATED = {"RAM"}
"""Names for which Chinese has a word of its own."""


def facts(text: str) -> set[str]:
    return {fact.rstrip(".") for fact in _FACT.findall(text)} - _TRANSLATED


def check_told(error: AppError, *named: str) -> None:
    """`error` is one sentence that names what is `named` and says what to do, and says the same in Chinese."""
    english, chinese = str(error), error.told("zh")
    for text in (english, chinese):
        assert "\n" not in text
        assert all(name in text for name in named)
    assert english.endswith(".")
    assert re.search(r"[;:] \w|, so ", english), f"nothing to do: {english}"
    unquoted = re.sub("“[^”]*”", "“”", english)
    assert not re.search(r"[.!?] [A-Z“]", unquoted), f"more than one sentence: {english}"
    assert not CHINESE.search(english)
    assert CHINESE.search(chinese)
    assert chinese.endswith("。") and chinese.count("。") == 1
    assert facts(english) == facts(chinese)
