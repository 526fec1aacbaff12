"""Text written as bytes or signs: base64, base32, hexadecimal, binary, decimal codes, escapes, Morse.

Covered: UTF-8 and UTF-16 bytes; payloads in the middle of a text and on several lines; the URL-safe alphabet.
Not covered: base58, base85, uuencode, compressed or encrypted bytes.

Every pattern is linear: what repeats is told apart from what separates it by its characters.
"""

from __future__ import annotations

import base64
import binascii
import html
import re
from collections.abc import Callable, Iterator
from urllib.parse import unquote

from moderation.lexicon import Lexicon, Writing
from moderation.spans import Span

_MOST_BYTES = 12_000
"""Bytes decoded of one stretch."""

_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{2,}={0,2}")
_TURN = re.compile(r"[a-z0-9+/_-][A-Z]")
"""Without it, or padding, there is no base64: of six letters in a row some are capitals."""
_DIGIT = re.compile(r"\d")
_BETWEEN_LINES = re.compile(r"[\s>]{0,8}")
_LONGEST_WORD = 6
"""Letters of base64 from which a stretch of it may begin."""
_BASE32 = re.compile(r"(?<![A-Za-z0-9])[A-Z2-7]{12,}={0,6}(?![A-Za-z0-9])")
_HEX = re.compile(r"(?<![A-Za-z0-9])(?:0x|\\x)?[0-9A-Fa-f]{2}(?:[\s:,;-]{0,2}(?:0x|\\x)?[0-9A-Fa-f]{2}){3,}")
_BINARY = re.compile(r"(?<!\d)[01][01\s,]{14,}[01](?!\d)")
_DECIMAL = re.compile(r"(?<!\d)\d{2,3}(?:[ ,;]{1,3}\d{2,3}){4,}(?!\d)")
_MORSE = re.compile(r"[.·•_\-–—−]{1,7}(?:[\s/|]{1,7}[.·•_\-–—−]{1,7}){3,}")
_ENTITY = re.compile(r"&(?:amp;)*(?:#(?:[xX][0-9A-Fa-f]{1,6}|\d{1,7});?|\w{2,10};)")
_ESCAPE = re.compile(r"\\u\{?[0-9A-Fa-f]{4,6}\}?|\\x[0-9A-Fa-f]{2}|[Uu]\+[0-9A-Fa-f]{4,6}")
_CODE_POINT = re.compile(r"[0-9A-Fa-f]{2,6}")
_SOLID = re.compile(r"\S+")
_ADDRESS = re.compile(r"\w+://|www\.")
_ESCAPED_LETTER = re.compile(r"%(?:4[1-9A-Fa-f]|5[0-9Aa]|6[1-9A-Fa-f]|7[0-9Aa])")
_PHRASE = 4
"""Words in an address that are a message rather than a name."""

MORSE = {
    ".-": "a", "-...": "b", "-.-.": "c", "-..": "d", ".": "e", "..-.": "f", "--.": "g", "....": "h", "..": "i",
    ".---": "j", "-.-": "k", ".-..": "l", "--": "m", "-.": "n", "---": "o", ".--.": "p", "--.-": "q", ".-.": "r",
    "...": "s", "-": "t", "..-": "u", "...-": "v", ".--": "w", "-..-": "x", "-.--": "y", "--..": "z", "-----": "0",
    ".----": "1", "..---": "2", "...--": "3", "....-": "4", ".....": "5", "-....": "6", "--...": "7", "---..": "8",
    "----.": "9", ".-.-.-": ".", "--..--": ",", "..--..": "?", ".----.": "'", "-.-.--": "!", "-....-": "-",
}  # fmt: skip
"""International Morse code, ITU-R M.1677-1."""
_DOTS = str.maketrans("·•_–—−", "..----")


def encoded(writing: Writing) -> Iterator[list[Span]]:
    """Stretches that are another text in bytes or signs, all kinds together.

    What is decoded to printable characters that are no language is told too: it may be encoded twice.
    """
    text, lexicon = writing.text, writing.lexicon
    spans = [
        Span(match.start(), match.end(), plain)
        for pattern, decode in (*_SIGNS, *(_DIGITS if _DIGIT.search(text) else ()))
        for match in pattern.finditer(text)
        if (plain := decode(match[0], lexicon))
    ]
    if _TURN.search(text) or "=" in text:
        for group in _base64_groups(text, lexicon):
            spans += _from_base64(group, lexicon)
    if spans:
        yield spans


def escaped(writing: Writing) -> Iterator[list[Span]]:
    """Letters written as HTML entities or escapes, and percent encoding; an address only where it holds a message."""
    text, lexicon = writing.text, writing.lexicon
    spans = []
    if "&" in text:
        entities = [Span(*match.span(), _entity(match[0])) for match in _ENTITY.finditer(text)]
        # One letter that nobody has to write so, and all are read; else ordinary entities stay.
        spans += entities if any(text[span.start + 1] in "#a" and _needless(span.plain) for span in entities) else []
    if "\\" in text or "+" in text:
        spans += [span for span in _runs(text) if len(span.plain) > 2 and lexicon.reads(span.plain)]
    if "%" in text:
        solid = ((match, _percent(match[0], lexicon)) for match in _SOLID.finditer(text))
        spans += [Span(*match.span(), plain) for match, plain in solid if plain]
    if spans:
        yield spans


def _runs(text: str) -> list[Span]:
    """Escapes of programming languages that stand next to each other, as one text each."""
    runs: list[Span] = []
    for match in _ESCAPE.finditer(text):
        if runs and not text[runs[-1].end : match.start()].strip():
            runs[-1] = Span(runs[-1].start, match.end(), runs[-1].plain + _letter(match[0]))
        else:
            runs.append(Span(*match.span(), _letter(match[0])))
    return runs


def _entity(escape: str) -> str:
    plain = escape
    for _ in range(3):
        plain = html.unescape(plain)
    return plain


def _letter(escape: str) -> str:
    code = _CODE_POINT.search(escape, 2)
    letter = chr(int(code[0], 16)) if code and int(code[0], 16) < 0x110000 else ""
    return letter if letter.isprintable() else " "


def _needless(letter: str) -> bool:
    """Whether nobody has to escape it: a letter or digit of ASCII, or one of another script than Latin."""
    return len(letter) == 1 and (letter.isalnum() if letter.isascii() else ord(letter) > 0x24F and letter.isalpha())


def _percent(solid: str, lexicon: Lexicon) -> str:
    """What percent encoding hides; empty for an address that only names something."""
    if "%" not in solid:
        return ""
    plain = unquote(solid[: 3 * _MOST_BYTES], errors="replace")
    if _ADDRESS.search(solid, 0, 40):
        plain = plain.replace("+", " ")
        told = len(plain.split()) > _PHRASE or _ESCAPED_LETTER.search(solid) is not None
    else:
        told = lexicon.reads(plain)
    return plain if told and plain != solid and "\ufffd" not in plain else ""


def _text(data: bytes, lexicon: Lexicon) -> str:
    """Bytes as text; empty when they are none that anybody could read, or encode once more."""
    if len(data) < 3:
        return ""
    wide = len(data) >= 8 and (not any(data[1:40:2]) or not any(data[:40:2]))
    try:
        plain = data.decode(("utf-16-be" if not data[0] else "utf-16-le") if wide else "utf-8").strip("\ufeff\0\r\n ")
    except UnicodeDecodeError:
        return ""
    if lexicon.reads(plain):
        return plain
    twice = len(plain) >= 8 and plain.isascii() and "".join(plain.split()).isprintable()
    return plain if twice else ""


def _base64_groups(text: str, lexicon: Lexicon) -> Iterator[list[re.Match[str]]]:
    """Stretches in base64's letters with nothing but white space between them: the lines of one payload."""
    group: list[re.Match[str]] = []
    for match in _BASE64.finditer(text):
        blank = group and _BETWEEN_LINES.fullmatch(text, group[-1].end(), match.start())
        if group and not (blank and _follows(match[0], lexicon)):
            yield group
            group = []
        if group or (len(match[0]) >= _LONGEST_WORD and _mixed(match[0])):
            group.append(match)
    if group:
        yield group


def _follows(letters: str, lexicon: Lexicon) -> bool:
    return letters.endswith("=") or not lexicon.knows(letters.lower())


def _from_base64(group: list[re.Match[str]], lexicon: Lexicon) -> list[Span]:
    """All lines as one payload, else all but the last, else each by itself."""
    for lines in (group, group[:-1]) if len(group) > 1 else ():
        plain = _text(_bytes("".join(line[0] for line in lines)), lexicon)
        if plain:
            return [Span(lines[0].start(), lines[-1].end(), plain)]
    alone = [(line, _text(_bytes(line[0]), lexicon)) for line in group if len(line[0]) >= _LONGEST_WORD]
    return [Span(line.start(), line.end(), plain) for line, plain in alone if plain]


def _bytes(letters: str) -> bytes:
    """Base64 of either alphabet into bytes; a last lone character, which stands for no byte, is left out."""
    letters = letters.replace("=", "").lstrip("_-").replace("-", "+").replace("_", "/")[: _MOST_BYTES * 4 // 3]
    letters = letters[: len(letters) - (len(letters) % 4 == 1)]
    try:
        return base64.b64decode(letters + "=" * (-len(letters) % 4), validate=True)
    except binascii.Error:
        return b""


def _mixed(letters: str) -> bool:
    """Whether capitals stand among small letters as in base64, and not as in words or numbers."""
    return letters.endswith("=") or not (letters[1:].islower() or letters.isupper() or letters[1:].isdigit())


def _from_base32(stretch: str, lexicon: Lexicon) -> str:
    letters = stretch.rstrip("=")[: _MOST_BYTES * 8 // 5]
    letters = letters[: len(letters) - (len(letters) % 8 in (1, 3, 6))]
    try:
        return _text(base64.b32decode(letters + "=" * (-len(letters) % 8)), lexicon)
    except binascii.Error:
        return ""


def _from_hex(stretch: str, lexicon: Lexicon) -> str:
    digits = re.sub(r"0x|\\x|[\s:,;-]", "", stretch[: 6 * _MOST_BYTES])
    return _text(bytes.fromhex(digits[: len(digits) // 2 * 2]), lexicon)


def _from_binary(stretch: str, lexicon: Lexicon) -> str:
    groups = stretch[: 10 * _MOST_BYTES].replace(",", " ").split()
    if not all(len(group) in (7, 8) for group in groups):
        bits = "".join(groups)
        groups = [bits[start : start + 8] for start in range(0, len(bits) - 7, 8)]
    return _text(bytes(int(group, 2) for group in groups), lexicon)


def _from_decimal(stretch: str, lexicon: Lexicon) -> str:
    codes = [int(code) for code in re.findall(r"\d+", stretch[: 5 * _MOST_BYTES])]
    plain = "".join(map(chr, codes))
    plainly = sum(c.isalnum() or c in " .,?!'" for c in plain) >= 0.85 * len(plain)
    return plain if plain.isascii() and plainly and lexicon.reads(plain) else ""


def _from_morse(stretch: str, lexicon: Lexicon) -> str:
    words = re.split(r"[ \t]*[/|\n]+\s*|\s{2,}", stretch.translate(_DOTS)[: 6 * _MOST_BYTES])
    plain = " ".join("".join(MORSE.get(sign, "\ufffd") for sign in word.split()) for word in words)
    if " " not in plain and plain.isalpha() and plain.isascii():
        found, odds = lexicon.segmented(plain)
        plain = " ".join(found) if odds > 0 else ""
    return plain if lexicon.reads(plain) else ""


_SIGNS: tuple[tuple[re.Pattern[str], Callable[[str, Lexicon], str]], ...] = (
    (_MORSE, _from_morse),
    (_BASE32, _from_base32),
)
_DIGITS: tuple[tuple[re.Pattern[str], Callable[[str, Lexicon], str]], ...] = (
    (_HEX, _from_hex),
    (_BINARY, _from_binary),
    (_DECIMAL, _from_decimal),
)
"""What cannot be written without digits."""
