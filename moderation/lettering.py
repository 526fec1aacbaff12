"""Letters that are not what they look like: foreign, ornamental, turned and hidden ones, and piled-up marks.

Covered: Cyrillic, Greek, Armenian and Cherokee look-alikes in Latin words; mathematical, full-width, circled, squared,
small-capital, superscript and upside-down letters; Unicode tags; zero-width and other invisible characters; combining
marks. Words of a language that is written so are left alone: Russian, Greek, phonetic script, accents, flags.
Not covered: letters drawn with several signs (|-| for H), bytes hidden in variation selectors.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from string import ascii_lowercase, ascii_uppercase

from moderation.lexicon import LETTER, Lexicon, Writing
from moderation.spans import Span

# Alphabets that Unicode itself calls Latin in another dress: the first code point, and the letters from there.
_ALPHABETS = (
    *((first, ascii_uppercase) for first in (0xFF21, 0x24B6, 0x1F110, 0x1F130, 0x1F150, 0x1F170, 0x1F1E6)),
    *((first, ascii_lowercase) for first in (0xFF41, 0x249C, 0x24D0)),
    *((0x1D400 + 52 * style, ascii_uppercase + ascii_lowercase) for style in range(13)),
)
_DRESSED = {
    "B": "ℬᴮ", "C": "ℂℭ", "D": "ᴰ", "E": "ℰᴱ", "F": "ℱ", "G": "ᴳ", "H": "ℋℌℍᴴ", "I": "ℐℑᴵ", "J": "ᴶ", "K": "ᴷ",
    "L": "ℒᴸ", "M": "ℳᴹ", "N": "ℕᴺ", "O": "ᴼ", "P": "ℙᴾ", "Q": "ℚ", "R": "ℛℜℝᴿ", "T": "ᵀ", "U": "ᵁ", "V": "ⱽ", "W": "ᵂ",
    "a": "ᴀᵃ", "b": "ʙᵇ", "c": "ᴄᶜ", "d": "ᴅᵈ", "e": "ᴇᵉℯ", "f": "ꜰᶠ", "g": "ɢᵍℊ", "h": "ʜʰℎ", "i": "ɪⁱ", "j": "ᴊʲ",
    "k": "ᴋᵏ", "l": "ʟˡ", "m": "ᴍᵐ", "n": "ɴⁿ", "o": "ᴏᵒℴ", "p": "ᴘᵖ", "r": "ʀʳ", "s": "ꜱˢ", "t": "ᴛᵗ", "u": "ᴜᵘ",
    "v": "ᴠᵛ", "w": "ᴡʷ", "x": "ˣ", "y": "ʏʸ", "z": "ᴢᶻ", "A": "ᴬ", "Z": "ℤℨ",
}  # fmt: skip
# Letters of other scripts, and rare Latin ones, by what they look like (a part of Unicode's confusables, UTS #39).
_LIKE = {
    "A": "АΑᎪ", "B": "ВΒᏴ", "C": "СϹᏟ", "D": "Ꭰ", "E": "ЕΕᎬ", "H": "НΗᎻ", "I": "ІΙ", "J": "ЈᎫ", "K": "КΚᏦ", "L": "ԼᏞ",
    "M": "МΜᎷ", "N": "Ν", "O": "ОΟՕ", "P": "РΡᏢ", "R": "ᏒЯ", "S": "ЅՏᏚ", "T": "ТΤᎢ", "U": "Ս", "V": "ᏙѴ", "W": "ԜᎳ",
    "X": "ХΧ", "Y": "ҮΥУ", "Z": "ΖᏃ", "a": "аαɑ", "b": "Ьвβ", "c": "сϲς", "d": "ԁժ", "e": "еєεəɛ", "f": "ғ", "g": "ɡց",
    "h": "һнհ", "i": "іιıɩї", "j": "јϳ", "k": "кκ", "l": "ӏ", "m": "м", "n": "пոηи", "o": "оοօσ", "p": "рρ", "q": "ԛզ",
    "r": "гяɾ", "s": "ѕʂ", "t": "тτ", "u": "υսцʋ", "v": "ѵν", "w": "ԝшωѡ", "x": "хχ", "y": "уүγ", "z": "ʐ",
}  # fmt: skip
_TURNED = {
    "a": "ɐ", "b": "q", "c": "ɔ", "d": "p", "e": "ǝ", "f": "ɟ", "g": "ƃɓ", "h": "ɥ", "i": "ᴉı", "j": "ɾ", "k": "ʞ",
    "m": "ɯ", "n": "u", "p": "d", "q": "b", "r": "ɹ", "t": "ʇ", "u": "n", "v": "ʌ", "w": "ʍ", "y": "ʎ", "l": "ʃן",
    "?": "¿", "!": "¡",
}  # fmt: skip


def _table(named: dict[str, str]) -> dict[int, str]:
    return {ord(sign): letter for letter, signs in named.items() for sign in signs}


_ORNAMENTAL = _table(_DRESSED) | {
    first + place: letter for first, letters in _ALPHABETS for place, letter in enumerate(letters)
}
_FOREIGN = _table(_LIKE)
_UPRIGHT = _table(_TURNED)

_MARKS = "\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20f0\ufe20-\ufe2f"
_CONTROLS = "\x00-\x08\x0e-\x1f\x7f"
_HIDDEN = _CONTROLS + (
    "\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0100-\U000e01ef"
)
_CONTROL = re.compile(f"[{_CONTROLS}]")
_UNUSUAL = re.compile(r"[^\t-\r -~]+")
_INSIDE = re.compile(f"(?<=[A-Za-z\u4e00-\u9fff])[{_HIDDEN}]+(?=[A-Za-z\u4e00-\u9fff])")
_BESIDE = re.compile(f"(?<=[A-Za-z])[{_HIDDEN}]+|[{_HIDDEN}]+(?=[A-Za-z])|^[{_HIDDEN}]+$")
_MARK = re.compile(f"[{_MARKS}]")
_PILED = re.compile(f"[A-Za-z\xc0-\u024f][{_MARKS}]")
_DRESS = re.compile("[{}]".format("".join(map(chr, _ORNAMENTAL))))
_LOOK_ALIKE = re.compile("[{}]".format("".join(map(chr, _FOREIGN))))
_SUSPECT = re.compile(f"[{_HIDDEN}{_MARKS}{''.join(map(chr, _ORNAMENTAL | _FOREIGN))}]")
# Letters, digits, marks and signs; no white space, and no punctuation of any script.
_RUN = re.compile(
    f"[{_HIDDEN}A-Za-z0-9\xaa\xb5\xba\xc0-\u1fff\u2060-\u218f\u2460-\u24ff\u2c00-\u2dff\u3040-\ufeff"
    "\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\uff66-\U0010ffff]+"
)
_LATIN = re.compile("[A-Za-z]")
_LETTER = re.compile(r"[^\W\d_]")
_TAGS = re.compile("(?<!\U0001f3f4)(?<![\U000e0020-\U000e007f])[\U000e0020-\U000e007e]{4,}")
_LINE = re.compile(r"[^\n]+")
_SOLID = re.compile(r"\S+")
_TURNED_ONLY = re.compile("[ɐɔǝɟƃɓɥᴉɾʞɯɹʇʌʍʎ]")
_FEWEST_MARKS = 2
_FEWEST_TURNED = 3


def tagged(writing: Writing) -> Iterator[list[Span]]:
    """What is written in Unicode tags, which nobody sees; not the flags of England, Scotland and Wales."""
    text = writing.text
    if text.isascii():
        return
    spans = [Span(*match.span(), _tags(match[0])) for match in _TAGS.finditer(text)]
    if spans:
        yield spans


def _tags(stretch: str) -> str:
    return f" {''.join(chr(ord(tag) - 0xE0000) for tag in stretch)} "


def disguised(writing: Writing) -> Iterator[list[Span]]:
    """Words in plain letters, where some are certainly disguised; the less certain ones follow them."""
    text, lexicon = writing.text, writing.lexicon
    if not (_CONTROL.search(text) if text.isascii() else _SUSPECT.search("".join(_UNUSUAL.findall(text)))):
        return
    certain: list[Span] = []
    likely: list[Span] = []
    marks = 0
    for match in _RUN.finditer(text):
        if _SUSPECT.search(match[0]):
            span, sure, piled = _run(match, lexicon)
            marks += piled
            if span.plain != match[0]:
                (certain if sure else likely).append(span)
    if not certain and marks < _FEWEST_MARKS and not _all_disguised(text, likely, lexicon):
        return
    if 2 * len(_LATIN.findall(text)) < len(_LETTER.findall(text)):  # amid another script its own words stay
        likely = [
            span
            for span in likely
            if _LATIN.search(text, span.start, span.end) or not _LOOK_ALIKE.search(text, span.start, span.end)
        ]
    yield sorted(certain + likely, key=lambda span: span.start)


def _run(match: re.Match[str], lexicon: Lexicon) -> tuple[Span, bool, int]:
    """The run in plain letters, whether that is certainly what it means, and how many marks belong to no letter."""
    run = match[0]
    sure = _INSIDE.search(run) is not None
    plain = _BESIDE.sub("", _INSIDE.sub("", run))
    piled = 0
    if _MARK.search(plain):
        piled = len(_PILED.findall(unicodedata.normalize("NFC", plain)))
        plain = _MARK.sub("", unicodedata.normalize("NFD", plain)) if piled else plain
    dressed = plain.translate(_ORNAMENTAL) if _DRESS.search(plain) else plain
    sure = sure or (dressed != plain and _known(dressed, lexicon))
    if _LOOK_ALIKE.search(dressed):
        alike = dressed.translate(_FOREIGN)
        mixed = any(c.isascii() and c.isalpha() for c in dressed)
        if alike.isascii():
            sure = sure or (mixed and _known(alike, lexicon))
            dressed = alike
    return Span(*match.span(), dressed), sure, piled


def _known(word: str, lexicon: Lexicon) -> bool:
    lowered = word.lower()
    return len(word) >= 3 and lowered.isascii() and lowered.isalpha() and lexicon.knows(lowered)


def _all_disguised(text: str, likely: list[Span], lexicon: Lexicon) -> bool:
    """Whether no word is certain, but all together are: letters apart, or every one a look-alike."""
    words = [span.plain.lower() for span in likely if span.plain.isascii() and span.plain.isalpha()]
    width = sum(map(len, words))
    known = sum(len(word) for word in words if len(word) > 2 and lexicon.knows(word))
    written = len(_LETTER.findall(text)) or width
    if any(len(word) > 3 for word in words):
        return known > 0.8 * width if 2 * width < written else known > 0.5 * written
    return len(words) > 3 and 2 * width > written and lexicon.segmented("".join(words)[:400])[1] > LETTER


def upside_down(writing: Writing) -> Iterator[list[Span]]:
    """What is written with turned letters, from its end."""
    text = writing.text
    if text.isascii() or len(_TURNED_ONLY.findall(text)) < _FEWEST_TURNED:
        return
    spans = []
    for line in _LINE.finditer(text):
        words = [word for word in _SOLID.finditer(text, *line.span()) if _TURNED_ONLY.search(word[0])]
        if words:
            start, end = words[0].start(), words[-1].end()
            spans.append(Span(start, end, text[start:end][::-1].translate(_UPRIGHT)))
    spans = [span for span in spans if writing.lexicon.reads(span.plain)]
    if spans:
        yield spans
