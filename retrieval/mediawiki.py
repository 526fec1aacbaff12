"""A MediaWiki article as the API gives it (TextExtracts), in readable blocks with the anchors of their headings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

_MAX_CHARS = 100_000  # of an article; ranking four of this length takes half a second
_MAX_DEPTH = 5  # headings above one another; HTML has six levels
_FORMULA = ("{\\displaystyle ", "{\\textstyle ")
_SAFE = ";@$!*(),/~:"  # what MediaWiki's wfUrlencode leaves as it is
_LISTS = """
references|external links|see also|further reading|notes|bibliography|sources|citations|footnotes|works cited
notes and references|参考文献|參考文獻|参考资料|參考資料|参考来源|參考來源|外部链接|外部連結|外部連接|参见|參見
参看|參看|相关条目|相關條目|注释|註釋|备注|備註|脚注|腳註|延伸阅读|延伸閱讀|资料来源|資料來源|外部リンク|関連項目|出典|注釈
einzelnachweise|weblinks|literatur|siehe auch|anmerkungen|belege|quellen
notes et références|références|liens externes|voir aussi|articles connexes|bibliographie|annexes
referencias|enlaces externos|véase también|bibliografía|notas|bibliografia|collegamenti esterni|voci correlate
altri progetti|referências|ligações externas|ver também|externe links|zie ook
"""
_LEFT_OUT = frozenset(re.split(r"[|\n]", _LISTS.strip()))
"""Headings (case-folded) of sections that list links and sources."""


def blocks(summary: str, sections: list[Any]) -> Iterator[tuple[str, str, str]]:
    """(headings joined by ` › `, anchor, text) of an article's parts in order, without lists of links and sources."""
    left = _MAX_CHARS
    anchors = _Anchors()
    waiting: list[tuple[tuple[str, ...], bool, Any]] = [((), False, section) for section in reversed(sections)]
    parts: list[tuple[str, str, str]] = [("", "", summary)]
    while waiting:
        above, dropped, section = waiting.pop()
        path = (*above[-_MAX_DEPTH:], section.title)
        dropped = dropped or lists_links(section.title)
        anchor = anchors.next(section.title)
        waiting.extend((path, dropped, inner) for inner in reversed(section.sections))
        if not dropped:
            parts.append((" › ".join(path), anchor, section.text))
    for section, anchor, text in parts:
        text = _readable(text[:left])
        left -= len(text)
        if text:
            yield section, anchor, text


def lists_links(heading: str) -> bool:
    """Whether a section of this heading lists links and sources."""
    return heading.casefold() in _LEFT_OUT


class _Anchors:
    """The anchors MediaWiki gives to an article's headings, in order (Sanitizer::escapeIdInternal, mode html5)."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def next(self, heading: str) -> str:
        """White space becomes `_`; a heading that was there before, in any case, gets `_2`, `_3`, …"""
        anchor = re.sub(r"[\s_]+", "_", heading.strip())
        unique, number = anchor, 2
        while unique.lower() in self._taken:
            unique, number = f"{anchor}_{number}", number + 1
        self._taken.add(unique.lower())
        return unique


def encoded(part: str) -> str:
    """Percent-encoded as in Wikipedia's own addresses."""
    return quote(part.replace(" ", "_"), safe=_SAFE)


def _readable(text: str) -> str:
    """The text with an empty line between paragraphs, and each formula once, as TeX.

    An extract holds a formula twice: as deeply indented lines of single symbols, then as `{\\displaystyle …}`.
    """
    paragraphs: list[list[str]] = []
    symbols: list[list[str]] = []
    goes_on = False
    for line in text.split("\n"):
        words = line.strip()
        if words.startswith(_FORMULA) and words.endswith("}"):
            symbols = []
            tex = words.partition(" ")[2][:-1].strip()
            if paragraphs:
                paragraphs[-1] += [" ", tex]
            else:
                paragraphs.append([tex])
            goes_on = True
        elif not words:
            goes_on = goes_on and line != ""
        elif line.startswith(" " * 6):
            symbols.append([words])
        elif goes_on and not symbols:
            paragraphs[-1].append(line.removeprefix("  ").rstrip())
            goes_on = False
        else:
            paragraphs += [*symbols, [words]]
            symbols, goes_on = [], False
    return "\n\n".join("".join(paragraph) for paragraph in paragraphs + symbols)
