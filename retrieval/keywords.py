"""A question as a web-style search engine wants it: its key terms, all of them or any of them.

Engines such as Wikipedia's CirrusSearch look for pages that hold *every* word, so question words and articles must
go; and they read quotes, colons, minus signs and upper-case OR, AND, NOT as operators, so only words are passed on.
"""

from __future__ import annotations

import re
from itertools import pairwise

from retrieval.text import CJK, HAN_STOPWORDS, STOPWORDS

_WORD = re.compile(r"\w+(?:[.'’&/-]\w+)*[+#]*")
_IS_CJK = re.compile(f"[{CJK}]")
_ASKING = {
    "de": "wer wen wem wessen was wann wo wohin woher warum weshalb wieso wie welche welcher welches welchen ist "
    "sind war waren wird wurde wurden hat hatte haben gibt es der die das dem den des ein eine einen einem "
    "einer eines und oder von vom im in am zu",
    "fr": "qui que quoi quel quelle quels quelles quand où pourquoi comment combien est ce qu'est qu'est-ce c'est "
    "sont était étaient a-t-il fut le la les un une des du de au aux et en dans",
    "es": "quién quiénes qué cuál cuáles cuándo dónde cómo cuánto cuánta cuántos cuántas por para es son fue fueron "
    "está están era el la los las un una unos unas y de del en hay",
    "it": "chi che cosa cos'è quale quali quando dove dov'è perché come quanto quanta quanti quante è sono era "
    "furono il lo la i gli le un uno una e di del della dei in",
    "pt": "quem que qual quais quando onde como quanto quanta quantos quantas por é são foi foram era o a os as um "
    "uma e de do da dos das em no na",
    "nl": "wie wat wanneer waar waarom hoe hoeveel welke welk is zijn was waren werd de het een en van in op er",
}
_QUESTION_WORDS = {"en": STOPWORDS} | {code: frozenset(words.split()) for code, words in _ASKING.items()}
"""By language: words that a question holds and its answer need not."""
_HOW = re.compile(r"(?i)\bhow (?:many|much|long|far|old|tall|big|large|high|deep|wide|fast|heavy|often)\b")
_HAN_QUESTION = re.compile(
    "请问|請問|[?？]|(?:[是叫在有]|位于|位於)?(?:什么时候|什麼時候|为什么|為什麼|为何|為何|什么|什麼|怎么样|怎麼樣|怎么|怎麼|怎样|怎樣"
    "|如何|何时|何時|哪里|哪裡|哪裏|哪儿|哪兒|哪(?!吒)[一个個些位年国國家种種座条條]*|谁|誰|多少|[几幾][个個年月日号號次岁歲座条條位])"
    r"|有?多[长長高远遠重深久宽寬快大](?=\W|$)|[吗嗎呢](?=\W|$)|是否|有没有|有沒有"
)
"""Chinese question phrases, with the verb that would be left dangling."""


def key_terms(question: str, language: str, limit: int = 300) -> list[str]:
    """The words to search for, at most `limit` characters of them when joined; all words if none is a key term."""
    words = _words(question)
    if language == "zh":
        terms = [term for word in _words(_HAN_QUESTION.sub(" ", question)) if (term := word.strip("的了"))]
    else:
        left_out = _QUESTION_WORDS.get(language, frozenset())
        terms = [word for word in _words(_HOW.sub(" ", question)) if word not in left_out]
    return _fitting(terms or words, 1, limit)


def any_of(terms: list[str], limit: int = 300) -> str:
    """A search for pages that hold any of the terms; a run of Chinese counts as its pairs of characters."""
    joiner = " OR "
    parts = dict.fromkeys(part for term in terms for part in _parts(term))
    return joiner.join(_fitting(list(parts), len(joiner), limit))


def _words(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(text)]


def _parts(term: str) -> list[str]:
    if len(term) < 4 or not _IS_CJK.match(term):
        return [term]
    return [pair for pair in map("".join, pairwise(term)) if not HAN_STOPWORDS & set(pair)]


def _fitting(terms: list[str], gap: int, limit: int) -> list[str]:
    """As many of the terms, from the first, as fit into `limit` characters."""
    kept, size = [], -gap
    for term in terms:
        size += gap + len(term)
        if size > limit:
            break
        kept.append(term)
    return kept
