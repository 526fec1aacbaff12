"""Wikitext into Markdown: the words of an article without its markup, in time linear to its length.

What is hidden goes first (comments, notes, galleries, formulas), then templates and links from the outside in, then
the lines become headings, paragraphs, lists and tables (`retrieval.wikitext_blocks`). Templates are not expanded; a few
carry words of a sentence and keep them (`retrieval.wikitext_templates`). What is never closed is text, as in MediaWiki.

Format: https://www.mediawiki.org/wiki/Help:Formatting, …/Help:Links, …/Help:Tables, …/Writing_systems/Syntax.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass

from retrieval.formats.blocks import code, one_line
from retrieval.wikitext_blocks import BAR, blocks
from retrieval.wikitext_templates import called, function_words, template_name, words_of

LONGEST = 1_000_000
"""Characters of an article that are read; the rest is left out."""
_DEEPEST = 30
"""Templates and links within one another; what is deeper is dropped."""

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f]")
_KEPT_TAGS = ("nowiki", "pre", "syntaxhighlight", "source")
_DROPPED_TAGS = (
    "ref", "gallery", "math", "chem", "ce", "timeline", "score", "imagemap", "templatestyles", "graph", "hiero",
    "mapframe", "maplink", "includeonly", "inputbox", "categorytree", "indicator", "style", "script",
)  # fmt: skip
_TAG = r"<{}(?:\s[^<>]{{0,2000}}?)?{}>"
_HIDES = re.compile(rf"<!--|<({'|'.join((*_KEPT_TAGS, *_DROPPED_TAGS))})(?:\s[^<>]{{0,2000}}?)?(/?)>", re.IGNORECASE)
_NEXT = {
    tag: re.compile(rf"(</{tag}\s{{0,20}}>)|<{tag}(?:\s[^<>]{{0,2000}}?)?(?<!/)>", re.IGNORECASE)
    for tag in (*_KEPT_TAGS, *_DROPPED_TAGS)
}
"""The end of a tag, or another of its kind, which means that the end was forgotten."""
_ASIDE = "\x02"
"""Stands around the number of a text that is kept as it is."""
_ASIDE_ALONE = re.compile(f"^{_ASIDE}(\\d+){_ASIDE}$", re.MULTILINE)
_ASIDE_WITHIN = re.compile(f"{_ASIDE}(\\d+){_ASIDE}")

_PAIR = re.compile(r"\{\{|\}\}|\[\[|\]\]|^\|\}(?=\}\})", re.MULTILINE)
_CLOSES = {"}}": "{{", "]]": "[["}
_OPENS = re.compile(r"\{\{|\[\[")
_OPENS_OR_BAR = re.compile(r"\{\{|\[\[|\|")
_PREFIX = re.compile(r"\s*(:?)\s*([^\[\]{}|:#\n]{1,40}?)[ _]*:")
_OTHER_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[a-z-]{2,10})?|simple")
_IN_BRACKETS = re.compile(r"\s*[(（][^()（）]{1,80}[)）]$")

_VARIANT = re.compile(r"-\{([^{}]{0,2000})\}-")
_FLAG = re.compile(r"\s*([A-Za-z;-]{0,40})\s*\|")
_BY_VARIANT = re.compile(r"([a-z-]{2,12})\s*:\s*([^;]*)")
_HIDING_FLAGS = frozenset("THD-")
_VARIANTS = ("zh-hans", "zh-cn", "zh", "zh-sg", "zh-my", "zh-hant", "zh-tw", "zh-hk", "zh-mo")


_EVERYWHERE = frozenset(["file", "image", "category", "media"])


@dataclass(frozen=True, slots=True)
class Markup:
    """What differs from wiki to wiki."""

    wordless: frozenset[str] = _EVERYWHERE
    """Prefixes, in lower case, of links that show no words: files and categories."""


def markup(namespaces: Sequence[str]) -> Markup:
    """The markup of a wiki that calls its namespaces of files and categories so."""
    return Markup(_EVERYWHERE | {name.lower() for name in namespaces if name})


def plain(text: str, wiki: Markup) -> str:
    """An article as Markdown. Never fails, whatever the text is."""
    kept: list[str] = []
    text = _without_hidden(_CONTROL.sub("", text[:LONGEST]), kept)
    if "-{" in text:
        text = _VARIANT.sub(_variant, text)
    shown = blocks(_Writer(text, wiki).written())
    if kept:
        shown = _ASIDE_ALONE.sub(lambda match: kept[int(match[1])], shown)
        shown = _ASIDE_WITHIN.sub(lambda match: one_line(kept[int(match[1])].strip("`")), shown)
    return shown.replace(BAR, "|").replace(_ASIDE, "").strip()


def _without_hidden(text: str, kept: list[str]) -> str:
    """The text without comments and what tags hide; what is kept as it is goes into `kept`, its number stands there."""
    written: list[str] = []
    at = 0
    while match := _HIDES.search(text, at):
        written.append(text[at : match.start()])
        at = match.end()
        if match[0] == "<!--":
            end = text.find("-->", at)
            at = end + 3 if end >= 0 else len(text)
        elif not match[2]:
            tag = match[1].lower()
            end_tag = _NEXT[tag].search(text, at)
            if end_tag is not None and end_tag[1]:
                if tag in _KEPT_TAGS:
                    written.append(_kept(tag, text[at : end_tag.start()], kept))
                at = end_tag.end()
    written.append(text[at:])
    return "".join(written)


def _kept(tag: str, text: str, kept: list[str]) -> str:
    """What stands for a text that is kept: programs become blocks of code, other text stays in its line."""
    text = html.unescape(text)
    if tag == "nowiki" or "\n" not in text.strip():
        kept.append(one_line(text))
        return f"{_ASIDE}{len(kept) - 1}{_ASIDE}"
    kept.append(code(text))
    return f"\n\n{_ASIDE}{len(kept) - 1}{_ASIDE}\n\n"


def _variant(match: re.Match[str]) -> str:
    """One of the forms that `-{zh-hans:计算机; zh-hant:電腦}-` gives, simplified where there is one."""
    inside = match[1]
    flag = _FLAG.match(inside)
    if flag:
        if _HIDING_FLAGS & set(flag[1].upper()):
            return ""
        inside = inside[flag.end() :]
    forms = {code: words.strip() for code, words in _BY_VARIANT.findall(inside)}
    return next((forms[code] for code in _VARIANTS if code in forms), inside)


class _Writer:
    """Writes an article without templates and links. Every stretch is looked at once for each template around it."""

    def __init__(self, text: str, wiki: Markup) -> None:
        self._text = text
        self._wordless = wiki.wordless
        self._ends = _pairs(text)

    def written(self) -> str:
        return self._range(0, len(self._text), 0)

    def _range(self, start: int, end: int, depth: int) -> str:
        text, written, at = self._text, list[str](), start
        while match := _OPENS.search(text, at, end):
            opening = match.start()
            written.append(text[at:opening])
            at = match.end()
            after = self._ends.get(opening, end + 1)
            if after > end:  # it is not closed here: only the brackets go
                continue
            if depth < _DEEPEST:
                inner = self._link if match[0] == "[[" else self._template
                words = inner(at, after - 2, depth + 1)
                written.append(words.replace("|", BAR))
            at = after
        written.append(text[at:end])
        return "".join(written)

    def _link(self, start: int, end: int, depth: int) -> str:
        text = self._text
        bar = text.find("|", start, end)
        prefix = _PREFIX.match(text, start, bar if bar >= 0 else end)
        if prefix and not prefix[1]:
            name = prefix[2].replace("_", " ").lower()
            if name in self._wordless or (bar < 0 and _OTHER_LANGUAGE.fullmatch(name)):
                return ""
        shown = self._range(bar + 1, end, depth).strip() if bar >= 0 else ""
        if shown:
            return shown
        target = self._range(start, bar if bar >= 0 else end, depth).strip().removeprefix(":").replace("_", " ")
        return _IN_BRACKETS.sub("", target) if bar >= 0 else target

    def _template(self, start: int, end: int, depth: int) -> str:
        text = self._text
        bar = text.find("|", start, end)
        name = template_name(text[start : bar if bar >= 0 else end][:100])
        words = words_of(name)
        if words is not None:
            bars = self._bars(bar, end) if bar >= 0 else []
            ends = [*bars[1:], end]
            arguments = [self._range(one + 1, after, depth) for one, after in zip(bars, ends, strict=False)]
            return words(called(arguments))
        function = function_words(name)
        if not function:
            return ""
        words_at = text.find(":", start, end) + 1
        return self._range(words_at, bar if bar >= 0 else end, depth).strip()

    def _bars(self, first: int, end: int) -> list[int]:
        """Where the bars are that part the arguments of a template, `first` among them."""
        found, at = [first], first + 1
        while match := _OPENS_OR_BAR.search(self._text, at, end):
            at = match.end()
            if match[0] == "|":
                found.append(match.start())
            else:
                after = self._ends.get(match.start(), end + 1)
                at = after if after <= end else at
        return found


def _pairs(text: str) -> dict[int, int]:
    """Where each `{{` and `[[` that is closed begins, and where the text goes on after its end."""
    ends: dict[int, int] = {}
    open_: dict[str, list[int]] = {"{{": [], "[[": []}
    for match in _PAIR.finditer(text):
        token = match[0]
        if token in open_:
            open_[token].append(match.start())
        elif token in _CLOSES and open_[_CLOSES[token]]:
            ends[open_[_CLOSES[token]].pop()] = match.end()
    return ends
