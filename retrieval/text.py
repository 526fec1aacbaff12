"""One analysis for every BM25: text in, index terms out; and the language a text is written in.

The same function analyses documents and questions, so a word meets itself whatever its form:

1. Unicode NFKC, case folding; “U.S.” is one word, “1,000” is one number, a possessive 's falls off. Traditional
   Chinese becomes simplified, character by character, and everyday words become those that books use (月亮, 月球).
2. Words are stemmed with the Snowball stemmer of `language` (English where the language has none), those in another
   script with that script's, so that a passage in Arabic is found in an English report; then stripped of accents.
   British and American spellings of a word are one.
3. Scripts that do not mark off words by spaces become overlapping pairs of characters; a Chinese character also
   stands alone.
4. Words that carry no topic fall out of questions (`STOPWORDS`), unless nothing else is left; so do pairs that straddle
   a Chinese particle or question word.

A document's language is detected from its whole text, which is reliable; a question's is not. Therefore an index
stems each document in the document's language, and a question in *every* language that its documents have.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any

ANALYSIS = 3
"""Number of this analysis. An index made with another one must be made anew: its terms are not these."""

HAN = "\u3005-\u3007\u3021-\u3029\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Chinese characters, as the inside of a regex class."""
CJK = HAN + "\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u1100-\u11ff\u3130-\u318f\uac00-\ud7af"
"""Chinese characters, kana and hangul, as the inside of a regex class."""


def word_set(words: str) -> frozenset[str]:
    """The words of a string, e.g. `word_set("a an the")`."""
    return frozenset(words.split())


STOPWORDS = word_set(
    """a about also am an and any are as at be became because been being but by can could did do does doing for from
    had has have having he her hers him his how i if in into is it its me might must my of on or our ours shall she
    should so some such than that the their theirs them then there these they this those to was we were what when
    where which while who whom whose why will with would you your yours
    whats wheres whos hows whens whys wich im dont doesnt didnt isnt arent wasnt werent"""
)
HAN_STOPWORDS = frozenset(
    "的了是在和與与為为有之于於也而及其這这那哪何么麼什甚谁誰吗嗎呢中被由以一個个們们他她它就都上下到多几幾怎样樣如则則所从從對对可会會能并並"
)
"""Chinese characters that carry no topic by themselves: articles, pronouns, question words, prepositions."""

_DEFAULT = "en"
_STEMMERS = {
    "ar": "arabic",
    "ca": "catalan",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "et": "estonian",
    "eu": "basque",
    "fi": "finnish",
    "fr": "french",
    "ga": "irish",
    "hi": "hindi",
    "hu": "hungarian",
    "hy": "armenian",
    "id": "indonesian",
    "it": "italian",
    "lt": "lithuanian",
    "ne": "nepali",
    "nl": "dutch",
    "no": "norwegian",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sr": "serbian",
    "sv": "swedish",
    "ta": "tamil",
    "tr": "turkish",
}
_SCRIPT_STEMMERS = (
    ("\u0370", "\u03ff", "el"),
    ("\u0400", "\u052f", "ru"),
    ("\u0530", "\u058f", "hy"),
    ("\u0600", "\u06ff", "ar"),
    ("\u0900", "\u097f", "hi"),
    ("\u0b80", "\u0bff", "ta"),
    ("\u1f00", "\u1fff", "el"),
)
"""(first letter, last letter, stemmer) of scripts other than the Latin one."""
_SCRIPT_OF = {"el": "el", "ru": "ru", "sr": "ru", "hy": "hy", "ar": "ar", "hi": "hi", "ne": "hi", "ta": "ta"}
"""Stemmers of languages that are not written in Latin letters, and the stemmer of their script."""
_MARKS = "\u0300-\u036f\u0483-\u0487\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u0900-\u0963\u0971-\u0dff"
_UNSPACED = CJK + "\u0e01-\u0eff\u1000-\u109f\u1780-\u17ff"  # and Thai, Lao, Burmese, Khmer
_RUN = re.compile(rf"[{_UNSPACED}]+|(?:[^\W_{_UNSPACED}]|[{_MARKS}])+")
_ASCII_RUN = re.compile(r"[a-z0-9]+")
_IS_UNSPACED = re.compile(rf"[{_UNSPACED}]")
_HAN_CHAR = re.compile(rf"[{HAN}]")
_HAN_QUESTION = re.compile(
    "请问|有?(?:什么|甚么)|为(?:什么|何)|有?多少[个位座条只件颗名]?|有?多[长大高远久深重快宽]|怎么样?|怎样|如何|哪[里些个一位年座条颗种]?|是?谁|是否"
    "|有?几[个种只位座条颗本次年]|[的了是吗呢们吧啊呀]"
)
"""Question phrases and particles: what stands before and after them makes no pair."""
_LONGEST_TERM = 64
_APOSTROPHE = re.compile("[\u2019\u02bc\uff07`]")
_POSSESSIVE = re.compile(r"(?<=\w)'s\b")
_ACRONYM = re.compile(r"\b(?:[^\W\d_]\.){2,}")
_CONTRACTED = re.compile(r"(?<=\w)(?:n't|'(?:m|re|ve|ll|d))\b")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")


def analyse(text: str, language: str = "", stopwords: bool = False) -> list[str]:
    """Index terms of `text`, in order and with repeats; `language` (ISO 639-1) chooses the stemmer.

    Words without a topic are left out, unless there is nothing else or `stopwords` asks for them: an index holds
    them, so that “The Who” can be found, but a question looks for them only where it has nothing else.
    """
    runs = _runs(text)
    stemmer = stemmed_alike(language)
    terms = [] if stopwords else _terms(runs, stemmer, STOPWORDS)
    return terms or _terms(runs, stemmer, frozenset())


def stemmed_alike(language: str) -> str:
    """The code of the stemmer that `analyse` uses for this language: equal codes mean equal terms."""
    return language if language in _STEMMERS else _DEFAULT


def _runs(text: str) -> list[str]:
    """The words of `text`, normalised; and the stretches of scripts that do not mark off words."""
    text = unicodedata.normalize("NFKC", text).casefold()
    if not text.isascii():
        text = _ALIKE_IN_HAN.sub(_in_books, simplified(text))
    text = _POSSESSIVE.sub("", _APOSTROPHE.sub("'", text))
    text = _CONTRACTED.sub("", text)
    text = _THOUSANDS.sub("", _ACRONYM.sub(lambda match: match[0].replace(".", ""), text))
    return (_ASCII_RUN if text.isascii() else _RUN).findall(text)


_EVERYDAY = """
月亮 月球|珠峰 珠穆朗玛峰|火车 列车|爆竹 鞭炮|心跳 心率|阿尔法狗 alphago|盘尼西林 青霉素|计算机 电脑|飞机票 机票
逝世 去世|病逝 去世|过世 去世|辞世 去世|死于 去世|死在 去世|卒于 去世|诞生 出生|生于 出生
多少人口 的人口|有多少人口 的人口|多少人民币 多少人民币|多少人次 多少人次|有多少人 的人口|多少人 的人口
多远 的距离|多重 的重量|最热 温度最高|最冷 温度最低
怎么做 的制作|怎样做 的制作|如何制作 的制作|做法 的制作|修筑 修建|建造 修建|兴建 修建
首次 第一的|首位 第一的|首个 第一的|第一个 第一的|第一位 第一的
妈妈 母亲|爸爸 父亲|老婆 妻子|老公 丈夫|孩子 子女|医生 医师|老师 教师|土豆 马铃薯|番茄 西红柿|自行车 单车
"""
_IN_BOOKS = dict(pair.split() for pair in _EVERYDAY.replace("\n", "|").split("|") if pair)
_ALIKE_IN_HAN = re.compile("|".join(sorted(_IN_BOOKS, key=len, reverse=True)))
"""Chinese words that mean the same, or that a question and its answer use for the same."""


def _in_books(everyday: re.Match[str]) -> str:
    return _IN_BOOKS[everyday[0]]


def simplified(text: str) -> str:
    """The text with its traditional Chinese characters simplified, one for one."""
    return text.translate(_simple_characters())


@cache
def _simple_characters() -> dict[int, str]:
    """Every traditional character with a simplified one of its own, by OpenCC's table."""
    from opencc import OpenCC

    characters = [chr(code) for block in _HAN_BLOCKS for code in block]
    simple = OpenCC("t2s").convert("\n".join(characters)).split("\n")
    return {ord(old): new for old, new in zip(characters, simple, strict=True) if old != new}


_HAN_BLOCKS = (range(0x3400, 0x4DC0), range(0x4E00, 0xA000))


def _terms(runs: list[str], stemmer: str, left_out: frozenset[str]) -> list[str]:
    terms = []
    for run in runs:
        if run.isascii() or not _IS_UNSPACED.match(run):
            if run not in left_out:
                terms.append(_stemmed(run[:_LONGEST_TERM], stemmer))
        else:
            terms.extend(_pairs(run, bool(left_out)))
    return terms


def _pairs(run: str, content_only: bool) -> Iterator[str]:
    """Overlapping pairs of characters; Chinese characters also stand alone, for many are words."""
    empty = HAN_STOPWORDS if content_only else frozenset()
    for part in _HAN_QUESTION.split(run) if content_only else (run,):
        yield from (part if len(part) == 1 else "".join(c for c in _HAN_CHAR.findall(part) if c not in empty))
        for pair in map(str.__add__, part, part[1:]):
            if pair[0] not in empty or pair[1] not in empty:
                yield pair


def fold_accents(text: str) -> str:
    """`text` with Latin and Greek letters bare of accents; other scripts' marks are part of their spelling."""
    return text if text.isascii() else text.translate(_accents())


@cache
def _accents() -> dict[int, str]:
    table = {ord("ł"): "l", ord("ø"): "o", ord("đ"): "d", ord("ı"): "i", ord("æ"): "ae", ord("œ"): "oe"}
    for code in (*range(0xC0, 0x250), *range(0x386, 0x3CF), *range(0x1E00, 0x2000)):
        decomposed = unicodedata.normalize("NFD", chr(code))
        if len(decomposed) > 1:
            table[code] = "".join(char for char in decomposed if not unicodedata.combining(char))
    return table | dict.fromkeys(range(0x300, 0x370), "")


_SPELLINGS = """
aeroplan airplan|aluminium aluminum|analys analyz|armour armor|behaviour behavior|catalogu catalog|centr center
colour color|defenc defens|dialogu dialog|favourit favorit|flavour flavor|fulfil fulfill|grey gray|harbour harbor
honour honor|humour humor|kilometr kilomet|labour labor|licenc licens|litr liter|metr meter|mould mold
neighbour neighbor|odour odor|organis organiz|plough plow|programm program|recognis recogn|rumour rumor
sulphur sulfur|theatr theater|travel travel|tyre tire|vapour vapor|yoghurt yogurt
"""
_AMERICAN = dict(pair.split() for pair in _SPELLINGS.replace("\n", "|").split("|") if pair)
"""British stems and the American ones."""


@lru_cache(maxsize=50_000)
def _stemmed(word: str, language: str) -> str:
    script = _script(word)
    if script != _SCRIPT_OF.get(language, _DEFAULT):
        language = script
    stem = fold_accents(_stemmer(language, threading.get_ident()).stemWord(word))
    return _AMERICAN.get(stem, stem) if language == _DEFAULT else stem


def _script(word: str) -> str:
    """The stemmer of the script that a word is written in."""
    if word.isascii():
        return _DEFAULT
    return next((stemmer for first, last, stemmer in _SCRIPT_STEMMERS if first <= word[0] <= last), _DEFAULT)


@lru_cache(maxsize=256)
def _stemmer(language: str, thread: int) -> Any:
    """A stemmer for one thread: they keep state and must not be shared."""
    import Stemmer

    return Stemmer.Stemmer(_STEMMERS[language])


_SCRIPTS = (
    (rf"[{HAN}]", ("zh",)),
    (r"[\u3041-\u30ff\u31f0-\u31ff\uff66-\uff9f]", ("ja",)),
    (r"[\u1100-\u11ff\u3130-\u318f\uac00-\ud7af]", ("ko",)),
    (r"[\u0400-\u052f]", ("ru", "uk", "bg", "sr", "mk", "be", "kk")),
    (r"[\u0600-\u06ff]", ("ar", "fa", "ur")),
    (r"[\u0900-\u097f]", ("hi", "mr", "ne")),
    (r"[\u0370-\u03ff\u1f00-\u1fff]", ("el",)),
    (r"[\u0590-\u05ff]", ("he",)),
    (r"[\u0980-\u09ff]", ("bn",)),
    (r"[\u0b80-\u0bff]", ("ta",)),
    (r"[\u0e00-\u0e7f]", ("th",)),
    (r"[\u0530-\u058f]", ("hy",)),
    (r"[\u10a0-\u10ff]", ("ka",)),
)
"""(one letter of a script, languages written in it)."""
_LATIN = (
    "en",
    "ca",
    "cs",
    "da",
    "de",
    "es",
    "et",
    "fi",
    "fr",
    "hr",
    "hu",
    "id",
    "it",
    "lt",
    "lv",
    "nl",
    "no",
    "pl",
    "pt",
    "ro",
    "sk",
    "sl",
    "sv",
    "tr",
    "vi",
)
_LATIN_WORD = re.compile(r"[A-Za-z\u00c0-\u024f\u1e00-\u1eff]+")
_ENGLISH_WORDS = word_set("what when where which who whose why how does did is are were the of and explain with")
_ENGLISH_MARGIN, _ENGLISH_BONUS = 6.0, 4.0
_LOOKED_AT = 4000


def language(text: str) -> str:
    """ISO 639-1 code of the language of `text`; `en` where nothing speaks for another one.

    The script decides first: three words of Chinese are enough. Between languages that share a script py3langid
    decides (a naive Bayes model over byte n-grams, Lui & Baldwin 2011), but a short question in Latin letters is
    English unless another language is clearly more likely: names (“Who was Frédéric Chopin?”) mislead the model.
    """
    text = text[:_LOOKED_AT]
    if text.isascii():
        return _latin(text)
    words = [word.lower() for word in _LATIN_WORD.findall(text)]
    latin = len(words) + sum(word in _ENGLISH_WORDS for word in words)
    letters = [len(re.findall(letter, text)) for letter, _ in _SCRIPTS]
    han, kana = letters[0], letters[1]
    if kana and kana * 10 >= han:
        letters[0], letters[1] = 0, kana + han
    most = max(letters)
    if most == 0 or most < latin:
        return _latin(text)
    candidates = _SCRIPTS[letters.index(most)][1]
    return _likeliest(text, candidates)[0]


def _latin(text: str) -> str:
    code, margin = _likeliest(text, _LATIN)
    words = {word.lower() for word in _LATIN_WORD.findall(text)}
    return code if margin > _ENGLISH_MARGIN + _ENGLISH_BONUS * len(words & _ENGLISH_WORDS) else _DEFAULT


def _likeliest(text: str, candidates: tuple[str, ...]) -> tuple[str, float]:
    """The likeliest of `candidates`, and by how many nats it beats the first of them."""
    if len(candidates) == 1:
        return candidates[0], 0.0
    with _LOADING:  # which takes a second; a cache alone would let threads that come at once load it each
        identifier = _identifier()
    scores = dict(identifier.rank(text))
    best = max(candidates, key=lambda code: scores[code])
    return best, scores[best] - scores[candidates[0]]


_LOADING = threading.Lock()


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE)
