"""A sentence in English that knows its Chinese: progress, forecasts and notices are told like an `AppError`.

    says = Bilingual("Loading owner/name into memory", zh="正在把 owner/name 载入内存")
    told(says, "zh")

It is a `str`, the English one, so it goes wherever a sentence goes. What is made of it (a slice, an f-string) is
English alone, unless both languages are written again.
"""

from __future__ import annotations

from collections.abc import Sequence

from errors import AppError

LANGUAGES = ("en", "zh")


class Bilingual(str):
    """`str(sentence)` in English, `told` in the language of whoever reads it."""

    __slots__ = ("_zh",)
    _zh: str

    def __new__(cls, english: str, *, zh: str = "") -> Bilingual:
        """`zh` may be left out only in a copy: a test asks for it everywhere else."""
        sentence = super().__new__(cls, english)
        sentence._zh = zh
        return sentence

    def told(self, language: str) -> str:
        """The sentence in this language (ISO 639-1); English where there is no other."""
        return self._zh if language == "zh" and self._zh else str(self)

    def filled(self, **values: object) -> Bilingual:
        """The sentence with these values in place of its `{names}`; a value may be bilingual too."""
        chinese = {name: told(value, "zh") if isinstance(value, str) else value for name, value in values.items()}
        return Bilingual(str(self).format(**values), zh=self._zh.format(**chinese))


def told(text: str, language: str) -> str:
    """`text` in this language where it knows it; any other text as it is."""
    return text.told(language) if isinstance(text, Bilingual) else text


def said(error: AppError) -> Bilingual:
    """What an error says, where it is no failure but something to be told."""
    return Bilingual(str(error), zh=error.told("zh"))


def listed(parts: Sequence[str], joint: str, zh_joint: str) -> Bilingual:
    """At least one part, joined: `a, b or c`, `a、b或c`."""
    *rest, last = parts
    zh_rest, zh_last = "、".join(told(part, "zh") for part in rest), told(last, "zh")
    if not rest:
        return Bilingual(last, zh=zh_last)
    return Bilingual(f"{', '.join(rest)} {joint} {last}", zh=f"{zh_rest}{zh_joint}{zh_last}")


def page_language(accept_language: str) -> str:
    """The page's language for an Accept-Language header (RFC 9110, 12.5.4; the order is taken as preference)."""
    for part in accept_language.lower().split(","):
        code = part.strip()[:2]
        if code in LANGUAGES:
            return code
    return "en"
