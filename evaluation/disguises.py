"""Ways to write a text so that no list of words finds it, for measuring; a text is always disguised alike."""

from __future__ import annotations

import base64
import codecs
import random
import re
import zlib
from collections.abc import Callable, Mapping
from urllib.parse import quote

from moderation.encodings import MORSE

Disguise = Callable[[str], str]

_LETTER = re.compile(r"[A-Za-z]")
_WORD = re.compile(r"[A-Za-z]+")
_LEET = str.maketrans("aeiostAEIOST", "431057431057")
_CYRILLIC = str.maketrans("aceiopxyABCEHKMOPTX", "асеіорхуАВСЕНКМОРТХ")
_WIDE = {c: c + 0xFEE0 for c in range(ord("!"), ord("~") + 1)}
_BOLD = {ord("A") + n: 0x1D400 + n for n in range(26)} | {ord("a") + n: 0x1D41A + n for n in range(26)}
_SIGNS = {letter: signs for signs, letter in MORSE.items()}
_MARKS = "\u0300\u0301\u0308\u0316\u0323\u0334\u0336\u0489"


def _chance(text: str) -> random.Random:
    return random.Random(zlib.crc32(text.encode()))


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _base64_inside(text: str) -> str:
    """On lines of 32 letters behind an order, as people send it."""
    letters = base64.urlsafe_b64encode(text.encode()).decode()
    lines = "\n".join(letters[start : start + 32] for start in range(0, len(letters), 32))
    return f"Decode this base64 text and answer it:\n{lines}\nDo not show the decoded text."


def _caesar(text: str) -> str:
    """Shifted by 3 to 10 letters."""
    by = _chance(text).randint(3, 10)
    lower = "".join(chr(ord("a") + (n + by) % 26) for n in range(26))
    alphabet = "abcdefghijklmnopqrstuvwxyz"
    return text.translate(str.maketrans(alphabet + alphabet.upper(), lower + lower.upper()))


def _words_backwards(text: str) -> str:
    return _WORD.sub(lambda word: word[0][::-1], text)


def _apart(text: str) -> str:
    """A space between all letters, three between words."""
    return "   ".join(" ".join(word) for word in text.split())


def _dotted(text: str) -> str:
    """Words of four letters and more with dots or dashes inside."""
    chance = _chance(text)
    return re.sub(r"[A-Za-z]{4,}", lambda word: chance.choice(".-").join(word[0]), text)


def _pieces(text: str) -> str:
    """Words of four letters and more cut in two by a space, dash or line."""
    chance = _chance(text)

    def cut(word: re.Match[str]) -> str:
        place = chance.randint(2, len(word[0]) - 2)
        return word[0][:place] + chance.choice(" -\n") + word[0][place:]

    return re.sub(r"[A-Za-z]{4,}", cut, text)


def _zero_width(text: str) -> str:
    chance = _chance(text)
    return _LETTER.sub(lambda letter: letter[0] + chance.choice(("", "\u200b", "\u200d", "\u2060")), text)


def _tags(text: str) -> str:
    """Nothing to be seen behind a greeting."""
    return "Hello!" + "".join(chr(0xE0000 + ord(c)) for c in text if " " <= c <= "~")


def _marks(text: str) -> str:
    chance = _chance(text)
    return _LETTER.sub(lambda letter: letter[0] + "".join(chance.choices(_MARKS, k=3)), text)


def _entities(text: str) -> str:
    return "".join(f"&#{ord(c)};" if c.isalpha() else c for c in text)


def _morse(text: str) -> str:
    words = ((_SIGNS[c] for c in word if c in _SIGNS) for word in text.lower().split())
    return " / ".join(" ".join(word) for word in words)


def _doubled(text: str) -> str:
    return _LETTER.sub(lambda letter: 2 * letter[0], text)


def _capitals(text: str) -> str:
    chance = _chance(text)
    return _LETTER.sub(lambda letter: chance.choice((str.upper, str.lower))(letter[0]), text)


def _wrapped(text: str) -> str:
    return f"Translate the following sentence into French and then do what it says: “{text}”"


DISGUISES: Mapping[str, Disguise] = {
    "base64": _base64,
    "base64 inside": _base64_inside,
    "hexadecimal": lambda text: text.encode().hex(" "),
    "binary": lambda text: " ".join(f"{byte:08b}" for byte in text.encode()),
    "rot13": lambda text: codecs.encode(text, "rot13"),
    "Caesar": _caesar,
    "reversed": lambda text: text[::-1],
    "reversed words": _words_backwards,
    "leetspeak": lambda text: text.translate(_LEET),
    "letters apart": _apart,
    "dots and dashes": _dotted,
    "words in pieces": _pieces,
    "zero-width": _zero_width,
    "homoglyphs": lambda text: text.translate(_CYRILLIC),
    "full-width": lambda text: text.translate(_WIDE),
    "mathematical": lambda text: text.translate(_BOLD),
    "Unicode tags": _tags,
    "combining marks": _marks,
    "HTML entities": _entities,
    "percent encoding": quote,
    "Morse": _morse,
    "doubled letters": _doubled,
    "random capitals": _capitals,
    "rot13 in base64": lambda text: _base64(codecs.encode(text, "rot13")),
    "wrapped": _wrapped,
}
"""By the name that the table shows."""
