"""How well a sentence stands where it is quoted alone: what it is made of, how it begins, what it says it does.

Patterns for English and Chinese, and the commonest pronouns and conjunctions of German, French and Spanish. Weights
are in likeness to the most central sentence, which is 1.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from retrieval.base import Passage
from retrieval.patterns import any_of
from retrieval.split import Span
from retrieval.text import CJK
from retrieval.vectors import units

_IS_CJK = re.compile(f"[{CJK}]")
_FENCED = re.compile(r"^[ \t]*(```|~~~).*?(?:^[ \t]*\1|\Z)", re.MULTILINE | re.DOTALL)
_ABOVE = re.compile(
    rf"(?:[^\n.!?。！？:：{CJK}]{{1,40}}\n|\[[^\[\]\n]{{0,80}}\]\([^()\s]{{0,300}}\))\s*(?:[-*+•>][ \t]+)*(?=\S)"
)
"""A short line above a sentence, or a link before it: they are no part of it."""
_LEADERS = re.compile(r"(?:\. ?){4,}|…{2,}|_{4,}|\.{2,}\s*\d+\s*$")
_QUESTION = re.compile(r"[?？][\"'”’»）)]*\s*\Z")
_ENDED = re.compile(r"[.!…。！；;][\"'”’»）)\]]*\s*\Z")
_ROW = re.compile(r"[^:;\n]{1,60}: [^;\n]*(?:; [^:;\n]{1,60}: [^;\n]*)+")
_CODE = re.compile(r"[{}\[\]<>=|$]|\w\(|::|\w\.\w+\(|\S {3,}\S")
_LETTERS, _MOST_CODE = 0.6, 3
_SHORT, _SHORT_CJK = 5, 8
_CURTEST, _LONGEST = 8, 45
"""Words between which a sentence has a good length."""

_OF_A_DOCUMENT = any_of("""
    report|paper|document|article|guide|policy|study|agreement|contract|notice|handbook|manual|thesis|letter|note|text
    library|package|project|tool|book|chapter
""")
_POINTERS = any_of(rf"""
    he|she|it|they|his|her|its|their|this (?!{_OF_A_DOCUMENT}\b)|that|these|those|such|but|and|or|so|however|therefore
    moreover|furthermore|also|then|thus|hence|instead|otherwise|there|here|in addition|for example|for instance|both
    as a result|on the other hand|meanwhile|nevertheless|still|yet|another|others?|too|again|finally|similarly
    er|sie|es|dies|diese|dieser|aber|und|doch|il|elle|ils|elles|mais|et|cela|él|ella|pero
""")
_POINTERS_ZH = any_of("""
    [他她它这這那其此但而也还還]|因此|所以|然而|另外|同时|同時|并且|並且|不过|不過|于是|於是|例如|比如|最后|最後|接着|接著
    然后|然後
""")
_LEANS = re.compile(rf"\A(?:{_POINTERS}\b|{_POINTERS_ZH})", re.IGNORECASE)
"""A beginning that points to what stands before."""
_LEANING = -0.3
_CUES = (
    (
        rf"""
        \b(?:in (?:summary|conclusion|short)|to (?:sum up|conclude)|overall|this {_OF_A_DOCUMENT})\b
        \bwe (?:conclude|propose|present|show|find|found|recommend)\b
        \b(?:aim|purpose|goal|objective)s? (?:of|is|are|was)\b
        """,
        0.2,
    ),
    (
        r"""
        \b(?:decided|agreed|resolved|approved|rejected|decision|we (?:will|launch)|must|shall)\b
        \bi (?:therefore )?(?:ask|request|demand|suggest|propose)\b
        """,
        0.2,
    ),
    (
        """
        本(?:文|报告|報告|研究|通知|办法|規則|规则|规定|合同|手册|项目|条例|总结)|旨在|目的是|总之|综上|总的来说
        结论|決定|决定|建议|建議|应当|必须|須
        """,
        0.2,
    ),
    (r"\b(?:from|to|cc|sent|date|subject|von|an|betreff|gesendet|datum): |发件人|收件人|主题：", -0.5),
    (
        r"""
        \b(?:for (?:more|further) information|if you have (?:any )?questions)\b|如有疑问|请联系|請聯絡|联系电话
        https?://|www\.|@\w+\.|©|\ball rights reserved\b|\bISBN\b|\bcookies?\b|版权所有|\bclick here\b
        """,
        -0.4,
    ),
    (r"\A(?!q:|a:|q：|a：|问|答|問)\w[\w ()/]{0,24}[:：] ?", -0.2),
    (r"[?？][ \t]*\n", 0.2),
    (_ROW.pattern, -0.3),
    (
        r"""
        \A["“«「『]|\b(?:yours (?:faithfully|sincerely|truly)|best (?:wishes|regards)|kind regards)\b
        敬请谅解|此致|敬礼
        """,
        -0.3,
    ),
)
"""What in a sentence speaks for or against quoting it: any of the patterns on the lines."""
_HEADINGS = (
    (
        r"summary|abstract|conclusions?|introduction|overview|about|purpose|摘要|结论|结语|总结|概述|概要|引言|前言|简介|目的",
        0.2,
    ),
    (
        r"references|bibliography|appendix|annex|acknowledge?ments?|contact|licen[cs]e|further reading|index|imprint|"
        r"contributing|changelog|附录|参考文献|致谢|联系|版权|许可",
        -0.4,
    ),
)
_WEIGHED = tuple((re.compile(any_of(patterns), re.IGNORECASE), weight) for patterns, weight in _CUES)
_WEIGHED_HEADINGS = tuple((re.compile(patterns, re.IGNORECASE), weight) for patterns, weight in _HEADINGS)
_UNENDED, _TOO_LONG, _CURT = -0.2, -0.2, -0.15


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sentence of a passage, or a question with its answer."""

    span: Span
    """In the passage's text."""
    text: str
    fit: bool
    """Whether it reads like a sentence at all."""
    weight: float
    """What speaks for and against it, but for where it stands in its document."""
    leans: bool
    """Whether it begins as something does that goes on from what stands before it."""

    @property
    def worth(self) -> float:
        return self.weight + _LEANING * self.leans

    @property
    def is_row(self) -> bool:
        """Whether it is a row of a table, “Header: cell; Header: cell”."""
        return _ROW.fullmatch(self.text) is not None


def candidates(passage: Passage) -> list[Candidate]:
    """The sentences of a passage in order, without its code, and without a short line that stands above a sentence."""
    code = [match.span() for match in _FENCED.finditer(passage.text)]
    behind = (_behind(code, span) for span in units(passage.text))
    return [_candidate(passage, _begun(passage.text, span)) for span in behind if span.start < span.end]


def _behind(code: Sequence[tuple[int, int]], span: Span) -> Span:
    """The part of a span behind the code that it begins with."""
    within = [end for start, end in code if start <= span.start < end]
    return Span(min(within[0], span.end), span.end) if within else span


def _candidate(passage: Passage, span: Span) -> Candidate:
    text = passage.text[span.start : span.end]
    weight = sum(weight for pattern, weight in _WEIGHED if pattern.search(text))
    weight += sum(weight for pattern, weight in _WEIGHED_HEADINGS if pattern.search(passage.section))
    weight += _UNENDED * (_ENDED.search(text) is None)
    weight += _TOO_LONG * (size(text) > _LONGEST) + _CURT * (size(text) < _CURTEST)
    return Candidate(span, text, _fit(text), weight, text[:1].islower() or _LEANS.match(text) is not None)


def _begun(text: str, span: Span) -> Span:
    """A span from where its sentence begins."""
    start = span.start
    while above := _ABOVE.match(text, start, span.end):
        start = above.end()
    blank = len(text[start : span.end]) - len(text[start : span.end].lstrip())
    return Span(start + blank, span.end)


def _fit(text: str) -> bool:
    """Whether a text has words enough, mostly letters, and is no question and no line of a table of contents."""
    bare = "".join(text.split())
    letters = sum(char.isalpha() for char in bare)
    return (
        (len(_IS_CJK.findall(text)) >= _SHORT_CJK or len(text.split()) >= _SHORT)
        and letters >= _LETTERS * len(bare)
        and not text.rstrip().endswith((":", "：", ",", "，"))
        and not _QUESTION.search(text)
        and not _LEADERS.search(text)
        and not text.isupper()
        and len(_CODE.findall(text)) <= _MOST_CODE
    )


def size(text: str) -> float:
    """Length in words, where two Chinese, Japanese or Korean characters count as one."""
    cjk = len(_IS_CJK.findall(text))
    return cjk / 2 + len(_IS_CJK.sub(" ", text).split())


_TITLE_LINE = re.compile(r"\s*(?P<title>[^\n]{2,120}?)[ \t]*(?P<after>\n[ \t]*\n|\n|\Z)")
_NO_TITLE = re.compile(
    any_of(r"""
        [.!?。！？,，;；:：][ \t]*\Z
        \A\d{4}-\d\d|\A\w[\w ]{0,24}[:：]
        \A(?:dear|hello|hi|sehr geehrte|尊敬的|各位|亲爱的)\b
    """),
    re.IGNORECASE,
)
_WORDS_OF_TITLE = range(4, 16)


def headline(passage: Passage) -> Span | None:
    """The line that a plain text begins with, if it looks like its title: short, without a mark at its end."""
    line = _TITLE_LINE.match(passage.text)
    if line is None or passage.section or _NO_TITLE.search(line["title"]):
        return None
    length = size(line["title"])
    if length >= _WORDS_OF_TITLE.stop or (length < _WORDS_OF_TITLE.start and not line["after"].startswith("\n\n")):
        return None
    return Span(line.start("title"), line.end("title"))
