"""Dumps as Wikimedia publishes them, made up: the head, articles and everything else that stands between them.

python -m tests.dumps FILE --megabytes 100 --seed 1    # .xml, .xml.bz2, .xml.gz; with -multistream in its name: streams
"""

from __future__ import annotations

import argparse
import bz2
import gzip
import itertools
import random
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

PAGES_A_STREAM = 100
_NAMESPACES = {
    "en": {-2: "Media", -1: "Special", 0: "", 1: "Talk", 6: "File", 10: "Template", 14: "Category"},
    "zh": {-2: "媒体", -1: "Special", 0: "", 1: "Talk", 6: "File", 10: "Template", 14: "Category"},
    "de": {-2: "Medium", -1: "Spezial", 0: "", 1: "Diskussion", 6: "Datei", 10: "Vorlage", 14: "Kategorie"},
}
_CJK = "河流经过城市的中心并在那里汇入湖泊早期居民修建了桥梁学校和图书馆每年春天都有节日"


@dataclass(frozen=True, slots=True)
class Made:
    """A page of a made-up dump."""

    id: int
    title: str
    text: str
    namespace: int = 0
    redirect: str = ""
    model: str = "wikitext"


def head(language: str = "en", wiki: str | None = None) -> str:
    """The beginning of a dump, up to its first page."""
    spaces = "".join(
        f'      <namespace key="{key}" case="first-letter">{name}</namespace>\n'
        if name
        else f'      <namespace key="{key}" case="first-letter" />\n'
        for key, name in _NAMESPACES[language].items()
    )
    schema = "http://www.mediawiki.org/xml/export-0.11"
    return (
        f'<mediawiki xmlns="{schema}/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        f'xsi:schemaLocation="{schema}/ {schema}.xsd" version="0.11" xml:lang="{language}">\n'
        f"  <siteinfo>\n    <sitename>Wikipedia</sitename>\n    <dbname>{wiki or f'{language}wiki'}</dbname>\n"
        f"    <base>https://{language}.wikipedia.org/wiki/Main_Page</base>\n"
        "    <generator>MediaWiki 1.45.0-wmf.20</generator>\n    <case>first-letter</case>\n"
        f"    <namespaces>\n{spaces}    </namespaces>\n  </siteinfo>\n"
    )


TAIL = "</mediawiki>\n"


def page(made: Made) -> str:
    """A page as it stands in a dump."""
    text = escape(made.text)
    redirect = f"    <redirect title={quoteattr(made.redirect)} />\n" if made.redirect else ""
    size = len(made.text.encode())
    return (
        f"  <page>\n    <title>{escape(made.title)}</title>\n    <ns>{made.namespace}</ns>\n    <id>{made.id}</id>\n"
        f"{redirect}    <revision>\n      <id>{made.id * 7 + 1}</id>\n      <parentid>{made.id * 7}</parentid>\n"
        "      <timestamp>2026-08-01T12:00:00Z</timestamp>\n      <contributor>\n        <username>Anna</username>\n"
        "        <id>3</id>\n      </contributor>\n      <comment>links &amp; commas</comment>\n"
        f"      <origin>{made.id * 7 + 1}</origin>\n      <model>{made.model}</model>\n"
        f'      <format>text/x-wiki</format>\n      <text bytes="{size}" sha1="0" xml:space="preserve">{text}</text>\n'
        "      <sha1>0</sha1>\n    </revision>\n  </page>\n"
    )


def streams(
    pages: Iterable[Made], language: str = "en", wiki: str | None = None, each: int = PAGES_A_STREAM
) -> Iterator[str]:
    """The dump in the pieces that a multistream dump compresses one by one."""
    yield head(language, wiki)
    rest = iter(pages)
    while block := list(itertools.islice(rest, each)):
        yield "".join(map(page, block))
    yield TAIL


def write(
    path: Path, pages: Iterable[Made], language: str = "en", wiki: str | None = None, each: int = PAGES_A_STREAM
) -> Path:
    """Write a dump in the form that its name says."""
    pieces = (piece.encode() for piece in streams(pages, language, wiki, each))
    if path.suffix == ".bz2" and "multistream" in path.name:
        with path.open("wb") as file:
            for piece in pieces:
                file.write(bz2.compress(piece))
        return path
    with _OPENED.get(path.suffix, _plain)(path) as file:
        for piece in pieces:
            file.write(piece)
    return path


def _plain(path: Path) -> BufferedIOBase:
    return path.open("wb")


_OPENED: dict[str, Callable[[Path], BufferedIOBase]] = {
    ".bz2": lambda path: bz2.BZ2File(path, "wb"),
    ".gz": lambda path: gzip.GzipFile(path, "wb", mtime=0),
}


_WORDS = re.findall(
    r"\w+",
    "river city station county railway school church museum market valley bridge harbour village castle garden library "
    "century council festival island mountain forest population district engineer painter composer battle treaty "
    "built opened founded moved joined described became remained crossed designed north south eastern western old new "
    "small large first second early late public royal local the of and in by with from near after before during",
)


def articles(count: int, seed: int = 0, language: str = "en") -> Iterator[Made]:
    """So many pages, a third of them no articles; each article says its own name and number in words of its own."""
    drawn = random.Random(seed)
    for number in range(1, count + 1):
        yield _any_page(number, drawn, language)


def _any_page(number: int, drawn: random.Random, language: str) -> Made:
    kind = drawn.random()
    if kind < 0.2:
        target = f"Place{max(1, number - 1)}"
        return Made(number, f"Name{number}", f"#REDIRECT [[{target}]]", redirect=target)
    if kind < 0.25:
        return Made(number, f"Talk:Place{number}", "Is this so? ~~~~", namespace=1)
    if kind < 0.3:
        return Made(number, f"Template:Box{number}", "{{{1}}}<noinclude>{{doc}}</noinclude>", namespace=10)
    if kind < 0.34:
        return Made(
            number, f"Place{number} (disambiguation)", f"'''Place{number}''' may be:\n* [[A]]\n{{{{disambig}}}}"
        )
    return Made(number, f"Place{number}", article(number, drawn, language))


def _sentence(drawn: random.Random, language: str) -> str:
    if language == "zh":
        return "".join(drawn.choices(_CJK, k=drawn.randint(8, 30))) + "。"
    words = drawn.choices(_WORDS, k=drawn.randint(7, 22))
    for at in range(len(words)):
        marked = drawn.random()
        if marked < 0.05:
            words[at] = f"[[{words[at].capitalize()} {at}|{words[at]}]]"
        elif marked < 0.07:
            words[at] = f"[[{words[at]}]]s"
        elif marked < 0.08:
            words[at] = f"{{{{convert|{at + 2}|km|mi|abbr=on}}}}"
    note = "<ref>{{cite web |url=http://example.org/ |title=A [[title]] |date=2001}}</ref>" * (drawn.random() < 0.2)
    return " ".join(words).capitalize() + "." + note


def article(number: int, drawn: random.Random, language: str = "en") -> str:
    """The wikitext of an article."""
    paragraphs = [
        " ".join(_sentence(drawn, language) for _ in range(drawn.randint(2, 7))) for _ in range(drawn.randint(1, 9))
    ]
    broken = drawn.choice(["", "", "", "{{unclosed|a=[[b\n\n", "[[File:x.jpg|thumb|''a caption\n\n", "{|\n| open\n\n"])
    rows = "".join(f"|-\n| {year} || {drawn.randint(1, 99999)}\n" for year in range(2000, 2000 + drawn.randint(0, 12)))
    return (
        f"{{{{Short description|A place}}}}\n{{{{Infobox settlement\n| name = Place{number}\n"
        f"| area = {{{{val|{number}}}}}\n}}}}\n"
        f"'''Place{number}''' is told of in article{number}x. " + "\n\n".join(paragraphs) + "\n\n"
        f"== History ==\n[[File:Map.png|thumb|A map of [[Place{number}]]]]\n{_sentence(drawn, language)}\n\n{broken}"
        f'== People ==\n{{| class="wikitable"\n! Year !! Number\n{rows}|}}\n\n'
        "== References ==\n{{reflist}}\n[[Category:Places]]\n"
    )


def of_size(megabytes: float, seed: int = 0) -> Iterator[Made]:
    """Pages of about so many megabytes of XML together."""
    size = 0
    for made in articles(10**9, seed):
        size += len(made.text.encode()) + 900
        yield made
        if size >= megabytes * 1_000_000:
            return


def taken(pages: Sequence[Made]) -> list[Made]:
    """Those of them that are articles to be searched."""
    return [
        made for made in pages if made.namespace == 0 and not made.redirect and "(disambiguation)" not in made.title
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description="Write a made-up dump.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--megabytes", type=float, default=100)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    write(given.file, of_size(given.megabytes, given.seed))


if __name__ == "__main__":
    main()
