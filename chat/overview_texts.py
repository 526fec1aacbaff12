"""An overview in words, English and Chinese: what a document is, its sentences and parts; and why there is none."""

from __future__ import annotations

import re
from collections.abc import Sequence

from chat.excerpt import excerpt
from retrieval.base import Passage
from retrieval.documents import About
from retrieval.overview import Overview, Quote
from retrieval.overview_choice import Choice, Why
from retrieval.overview_request import Naming, OverviewRequest

_LONGEST_QUOTE = 45
"""Words of a sentence."""
_LISTED, _LONGEST_NAME = 12, 80
"""Headings, columns or names in a list; characters of one."""

_KINDS = {
    "md markdown": ("a Markdown file", "Markdown 文件"),
    "txt text log": ("a text file", "文本文件"),
    "pdf": ("a PDF", "PDF 文件"),
    "docx doc odt rtf": ("a text document", "文字文档"),
    "xlsx xls ods": ("a spreadsheet", "电子表格"),
    "csv tsv": ("a table", "表格文件"),
    "pptx ppt odp": ("a presentation", "演示文稿"),
    "epub": ("an e-book", "电子书"),
    "html htm": ("a web page", "网页"),
    "py js ts java c cc cpp h go rs rb php sh sql r": ("source code", "源代码"),
}
"""What a file is, by its suffix."""
_SOURCES = {
    "library": ("an article in the starter library", "入门资料库中的文章"),
    "wikipedia": ("a Wikipedia article", "维基百科条目"),
}
_LANGUAGES = {
    "en": ("English", "英文"),
    "zh": ("Chinese", "中文"),
    "de": ("German", "德文"),
    "fr": ("French", "法文"),
    "es": ("Spanish", "西班牙文"),
    "it": ("Italian", "意大利文"),
    "pt": ("Portuguese", "葡萄牙文"),
    "nl": ("Dutch", "荷兰文"),
    "ru": ("Russian", "俄文"),
    "ja": ("Japanese", "日文"),
    "ko": ("Korean", "韩文"),
    "ar": ("Arabic", "阿拉伯文"),
}
_PLACES = {"page": ("about {n} pages", "约 {n} 页"), "slide": ("{n} slides", "{n} 张幻灯片")}
_PLACE = re.compile(r"(?P<kind>page|slide) (?P<n>\d+)")

_SAID = (
    {
        "own": "{title} is one of your documents",
        "is": "{title} is {kind}",
        "document": "a document",
        "facts": "{said}: {facts}.",
        "some": "about {n}",
        "words": "about {n} words",
        "characters": "about {n} characters",
        "parts": "{n} parts",
        "rows": "a table of {n} rows with the columns {columns}",
        "language": "in {language}",
        "outline": "Its parts: {outline}",
        "documents": "{n} documents, in a few words each:",
        "more": "and {n} more",
        "further": "And {n} more: {names}.",
        "about": "What is {title} about?",
        "newest": "You have {n} documents, and this is the newest. For another one, name it: “Summarise {other}”.",
        "cited": "This is the document that was quoted last. For another one, name it: “Summarise {other}”.",
        "tied": "{n} documents fit that name, and this is the newest. The others: {names}. Name one in full for it.",
        "sampled": "{title} is long: its beginning, its end and places spread over it were read, {read} of {count} "
        "passages.",
        "off": "Retrieval is off, so there is no document to sum up. Turn it on and choose {off}.",
        "switched off": "The source “{off}” is not switched on: switch it on, and ask again.",
        "could switch on": "You could switch on {off}, and ask again.",
        "not there": "There is no document called {title} in {on}.",
        "no own": "You have not uploaded a document yet: upload one, then ask what it is about.",
        "article": "You can also name an article: “Summarise the article on penicillin”.",
        "these": "Your documents: {names}.",
    },
    {
        "own": "{title}是你的文档",
        "is": "{title}是{kind}",
        "document": "文档",
        "facts": "{said}：{facts}。",
        "some": "约 {n}",
        "words": "约 {n} 词",
        "characters": "约 {n} 字",
        "parts": "共 {n} 部分",
        "rows": "{n} 行的表格，列为{columns}",
        "language": "{language}",
        "outline": "各部分：{outline}",
        "documents": "{n} 个文档，各摘几句：",
        "more": "另有 {n} 个",
        "further": "另有 {n} 个：{names}。",
        "about": "{title}讲了什么？",
        "newest": "你有 {n} 个文档，这里说的是最新的一个。要看别的，请说出名字，例如“总结{other}”。",
        "cited": "这里说的是上次引用的文档。要看别的，请说出名字，例如“总结{other}”。",
        "tied": "有 {n} 个文档符合这个名字，这里说的是最新的一个。其他的是：{names}。请用全名指明。",
        "sampled": "{title}很长：读了开头、结尾和均匀分布的各处，共 {count} 段中的 {read} 段。",
        "off": "检索已关闭，没有可以概括的文档。请打开检索并选择{off}。",
        "switched off": "“{off}”没有打开：请先打开它再问。",
        "could switch on": "可以打开{off}再问。",
        "not there": "{on}里没有叫{title}的文档。",
        "no own": "你还没有上传文档：请先上传，再问它讲了什么。",
        "article": "也可以说出一篇文章的名字，例如“总结关于青霉素的文章”。",
        "these": "你的文档有：{names}。",
    },
)


def _spoken(language: str) -> int:
    return 1 if language == "zh" else 0


def written(overviews: Sequence[Overview], passages: Sequence[Passage], language: str) -> str:
    """The reader's answer: what the document is, sentences of it with their `[n]`, its parts; of several, one each."""
    if len(overviews) > 1:
        return _several(overviews, passages, language)
    (only,) = overviews
    said = _SAID[_spoken(language)]
    quotes = [_quoted(quote, passages) for quote in only.quotes]
    listed = [f"- {quote}" for quote in quotes] if len(quotes) > 1 else quotes
    outline = said["outline"].format(outline=_listed(only.outline, language, " · "))
    parts = [_what(only, language), "\n".join(listed), outline if len(only.outline) > 1 else ""]
    return "\n\n".join(part for part in parts if part)


def _several(overviews: Sequence[Overview], passages: Sequence[Passage], language: str) -> str:
    said = _SAID[_spoken(language)]
    lines = [said["documents"].format(n=len(overviews)), ""]
    for each in overviews:
        quotes = " ".join(_quoted(quote, passages) for quote in each.quotes)
        lines.append(f"- {_title(each, language)}{'：' if _spoken(language) else ': '}{quotes}")
    return "\n".join(lines)


def _quoted(quote: Quote, passages: Sequence[Passage]) -> str:
    text = passages[quote.passage].text[quote.span.start : quote.span.end]
    return f"{excerpt(' '.join(text.split()), _LONGEST_QUOTE, lambda part: 0.0)} [{quote.passage + 1}]"


def _what(one: Overview, language: str) -> str:
    """One line: title, kind, length, parts."""
    code = _spoken(language)
    said, about = _SAID[code], one.about
    kinds = (names[code] for ends, names in _KINDS.items() if _suffix(about) in ends.split())
    kind = next(kinds, said["document"])
    title = _title(one, language)
    if about.owner:
        said_first, facts = said["own"].format(title=title), [kind]
    else:
        named = _SOURCES[about.source][code] if about.source in _SOURCES else kind
        said_first, facts = said["is"].format(title=title, kind=named), []
    return said["facts"].format(said=said_first, facts=("，" if code else ", ").join([*facts, *_facts(one, language)]))


def _facts(one: Overview, language: str) -> list[str]:
    code = _spoken(language)
    said, facts = _SAID[code], []
    place = _PLACE.match(one.place)
    if place:
        facts.append(_PLACES[place["kind"]][code].format(n=place["n"]))
    if one.table is not None:
        number = f"{one.table.rows:,}" if one.whole else said["some"].format(n=f"{_rounded(one.table.rows):,}")
        rows = said["rows"].format(n=number, columns=_listed(one.table.columns, language))
        facts.append(rows)
    else:
        unit = "characters" if one.about.language in ("zh", "ja") else "words"
        facts.append(said[unit].format(n=f"{_rounded(one.words):,}"))
    if len(one.outline) > 1:
        facts.append(said["parts"].format(n=len(one.outline)))
    if one.about.language != language and one.about.language in _LANGUAGES:
        facts.append(said["language"].format(language=_LANGUAGES[one.about.language][code]))
    return facts


def _rounded(number: int) -> int:
    """To two significant digits."""
    scale: int = 10 ** max(len(str(number)) - 2, 0)
    return round(number / scale) * scale


def _suffix(about: About) -> str:
    return (about.name or about.title).rpartition(".")[2].lower()


def _title(one: Overview, language: str) -> str:
    """“Annual report” (report.pdf)."""
    title = one.headline or one.about.title or one.about.name
    name = one.about.name
    beside = "" if not name or name == title else f"（{_cut(name)}）" if _spoken(language) else f" ({_cut(name)})"
    return f"{_in_quotes(title, language)}{beside}"


def _in_quotes(title: str, language: str) -> str:
    return f"《{_cut(title)}》" if _spoken(language) else f"“{_cut(title)}”"


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_NAME else f"{text[: _LONGEST_NAME - 1]}…"


def _listed(items: Sequence[str], language: str, between: str = "") -> str:
    """The items, and how many more there are."""
    comma = between or ("、" if _spoken(language) else ", ")
    left = len(items) - _LISTED
    more = [_SAID[_spoken(language)]["more"].format(n=left)] if left > 0 else []
    return comma.join([*map(_cut, items[:_LISTED]), *more])


def question_about(one: Overview, language: str) -> str:
    """A question for the overview that names its document."""
    return _SAID[_spoken(language)]["about"].format(title=_in_quotes(one.headline or one.about.title, language))


def notices(choice: Choice, found: Sequence[Overview], language: str) -> list[str]:
    """What should be known beside an overview: that another document may have been meant, that not all was read."""
    said = _SAID[_spoken(language)]
    names = [about.name or about.title for about in choice.others]
    told = {Why.NEWEST: "newest", Why.CITED: "cited", Why.NAMED: "tied", Why.ALL: "further"}.get(choice.why)
    lines = []
    if names and told:
        quoted = [_in_quotes(name, language) for name in names]
        n = len(names) if choice.why is Why.ALL else len(names) + 1
        lines.append(said[told].format(n=n, other=_cut(names[0]), names=_listed(quoted, language)))
    lines += [
        said["sampled"].format(title=_in_quotes(each.about.title, language), read=each.read, count=each.count)
        for each in found
        if not each.whole
    ]
    return lines


def missing(
    request: OverviewRequest,
    language: str,
    *,
    own: Sequence[About],
    on: Sequence[str],
    off: Sequence[str],
    personal_off: Sequence[str],
) -> str:
    """That there is no such document, and what helps.

    `own` are the visitor's documents; `on` and `off` name the sources that hold documents, switched on and not,
    `personal_off` those of the latter that hold the visitor's own.
    """
    code = _spoken(language)
    said, either = _SAID[code], "或" if code else " or "
    if not on:
        return said["off"].format(off=either.join(off))
    lines = []
    if request.names:
        title = _in_quotes(request.names[0], language)
        lines.append(said["not there"].format(title=title, on=either.join(on)))
    if own:
        names = [_in_quotes(about.name or about.title, language) for about in own]
        lines.append(said["these"].format(names=_listed(names, language)))
    elif request.naming is Naming.DESCRIBED and off:
        lines.append(said["could switch on"].format(off=either.join(off)))
    elif personal_off:
        lines.append(said["switched off"].format(off=personal_off[0]))
    else:
        lines.append(said["no own"])
    if not request.names and not own:
        lines.append(said["article"])
    return ("" if code else " ").join(lines)
