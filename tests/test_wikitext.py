"""Wikitext as Markdown: python -m pytest tests/test_wikitext.py"""

from __future__ import annotations

import time

import pytest

from retrieval.base import Document
from retrieval.split import passages
from retrieval.wikitext import LONGEST, markup, plain
from retrieval.wikitext_templates import tells_apart

_WIKI = markup(["Datei", "Kategorie", "文件"])


@pytest.mark.parametrize(
    ("wikitext", "markdown"),
    [
        ("'''Bold''' and ''italic'' and '''''both'''''.", "Bold and italic and both."),
        ("[[dog]]s of [[Paris|the city]], [[Berlin]].", "dogs of the city, Berlin."),
        ("a [[File:x.jpg|thumb|A caption with a [[link]] and {{circa|1900}}]]b", "a b"),
        ("a [[Datei:x.jpg]]b [[文件:y.png|缩略图]]c [[Category:Z]]d", "a b c d"),
        ("[[:Category:Rivers]], [[:de:Fluss|Fluss]], [[de:Fluss]][[wikt:run|run]], [[Mercury (planet)|]].",
         "Category:Rivers, Fluss, run, Mercury."),
        ("See [http://example.org the page] and [https://example.org] [sic].", "See the page and [sic]."),
        ("A fact.<ref name=\"a\">{{cite|[[T]]}}</ref><ref name=a /> More.<!-- hidden\n\n -->", "A fact. More."),
        ("x<math>\\frac{a}{b}</math>y<gallery>\nFile:a.jpg|b\n</gallery>z", "xyz"),
        ("H<sub>2</sub>O, 5&nbsp;km &ndash; &lt;b&gt;", "H2O, 5 km – <b>"),
        ("<nowiki>[[not]] a {{link}} &amp;</nowiki>", "[[not]] a {{link}} &"),
        ("one<br />two<br><br/>three", "one two\n\nthree"),
        ("__NOTOC__Text.\n----\nMore.", "Text.\n\nMore."),
        ("It lies ({{IPA|fr|x}}, in French) in ({{lang|fr}}) France .", "It lies (in French) in France."),
        ("* a\n** b\n# c\n; term\n: meaning", "- a\n  - b\n- c\n\nterm\nmeaning"),
        ("<syntaxhighlight lang=\"c\">\nint a[[1]];\n# b\n</syntaxhighlight>", "```\nint a[[1]];\n# b\n```"),
    ],
)  # fmt: skip
def test_markup_goes_and_words_stay(wikitext: str, markdown: str) -> None:
    assert plain(wikitext, _WIKI) == markdown


@pytest.mark.parametrize(
    ("wikitext", "markdown"),
    [
        ("{{convert|5|km|mi|abbr=on}}", "5 km"),
        ("{{Convert|5|-|10|km}}, {{cvt|6|ft|2|in|m}}", "5–10 km, 6 ft 2 in"),
        ("{{lang|fr|''mot''}}, {{lang-de|Wort}}, {{transl|ja|kotoba}}", "mot, Wort, kotoba"),
        ("{{nowrap|a {{nobr|b}}}} {{abbr|c.|circa}} {{val|5|u=kg}} {{frac|2|1|2}}", "a b c. 5 kg 2 1/2"),
        ("{{nihongo|Tokyo Tower|東京タワー|Tōkyō Tawā}}", "Tokyo Tower (東京タワー, Tōkyō Tawā)"),
        ("{{HMS|Victory}}, {{ship|French ship|Redoutable|1791}}", "HMS Victory, French ship Redoutable (1791)"),
        ("{{formatnum:1234}}{{,}} {{US$|5 million}} a{{snd}}b {{nowrap|c{{!}}d}}", "1234 US$5 million a – b c|d"),
        ("{{quote|To be|Hamlet}}", "To be"),
        ("{{hlist|a|b}}\n{{plainlist|\n* c\n* d\n}}", "a; b\n\n- c\n- d"),
        ("{{Infobox x\n| a = {{nowrap|b}}\n| c = {{{d|}}}\n}}Text{{Authority control}}", "Text"),
        ("-{zh-hant:電腦; zh-hans:电脑}-和-{计算}-机-{T|zh-hans:题}-", "电脑和计算机"),
        ("{{link-en|条目|Article}}，{{le|另一个|Other}}，{{tsl|en|Third|第三}}", "条目，另一个，第三"),
    ],
)
def test_templates_within_a_sentence_keep_their_words(wikitext: str, markdown: str) -> None:
    assert plain(wikitext, _WIKI) == markdown


def test_headings_become_sections_and_lists_of_links_go() -> None:
    text = plain(
        "Lead.\n\n== History ==\n=== Early ===\nOld.\n== Empty ==\n== References ==\n{{reflist}}\n=== Web ===\nx\n"
        "== Culture ==\nNew.\n== 外部链接 ==\n* y",
        _WIKI,
    )
    assert text == "Lead.\n\n## History\n\n### Early\n\nOld.\n\n## Culture\n\nNew."
    found = passages(Document("d", "Title", text, "s", language="en"))
    assert [(one.section, one.text) for one in found] == [
        ("", "Lead."), ("History › Early", "Old."), ("Culture", "New."),
    ]  # fmt: skip


def test_tables_become_rows_with_their_headers() -> None:
    table = (
        '{| class="wikitable"\n|+ Cities\n|-\n! rowspan="2" | Name !! colspan=2 | Size\n|-\n! 1990 !! 2000\n'
        "|-\n| [[Aton|A]] || 1 || style=\"x\" | 2\n|-\n| rowspan=2 | '''B''' || 3 <ref>n</ref>\n| 4\n* more\n"
        "|-\n| 5 || 6\n|-\n| colspan=3 | South\n|}"
    )
    assert plain(f"Before.\n{table}\nAfter.", _WIKI) == (
        "Before.\n\nCities\nName: A; Size 1990: 1; Size 2000: 2\nName: B; Size 1990: 3; Size 2000: 4 more\n"
        "Name: B; Size 1990: 5; Size 2000: 6\nSouth\n\nAfter."
    )


def test_tables_within_tables_and_tables_of_layout() -> None:
    assert plain("{|\n| a ||\n{|\n| in || ner\n|}\n|}", _WIKI) == "a; in; ner"
    assert plain('{| class="infobox vcard"\n| a\n|}\n{| class="navbox"\n| b\n|}\nText', _WIKI) == "Text"


@pytest.mark.parametrize(
    ("wikitext", "kept"),
    [
        ("{{Infobox\n| a = [[b\n\n'''Text''' goes on.\n== H ==\nMore {{x}}.", ["Text goes on.", "## H", "More."]),
        ("{|\n| open\n\n== Next ==\nStill read.", ["open", "## Next", "Still read."]),
        ("One.<ref>forgotten\nTwo.<ref>closed</ref> Three.", ["One.", "Two.", "Three."]),
        ("a ]] b }} c [[ d |} e", ["a", "b", "c", "d", "e"]),
        ("[[File:x.jpg|thumb|open\n\nText after.", ["Text after."]),
        ("<div><span>never closed\n\nText.", ["never closed", "Text."]),
        ("Text.<!-- open\nhidden", ["Text."]),
        ("{{a|[[b}} c]] d", ["d"]),
    ],
)  # fmt: skip
def test_broken_markup_keeps_what_can_be_read(wikitext: str, kept: list[str]) -> None:
    text = plain(wikitext, _WIKI)
    at = -1
    for words in kept:
        at = text.find(words, at + 1)
        assert at >= 0, (words, text)


_PIECES = (
    *("{{", "}}", "[[a|", "]]", "{{a|b [[c ", "{{nowrap|a", "{{a|\n|}}}", "{|\n|\n", "! a !! b\n", "-{a:", "<!-- "),
    *("<ref>", "<ref <math>", "<b>", "<nowiki>", "<br ", "<", "''a '''b ", "[http://a ", "= = ", "&amp;", ":", "( "),
    *(" ", "\n", "x  , ", "|-\n| rowspan=9999 colspan=60 | x\n"),
)


@pytest.mark.parametrize("piece", _PIECES)
def test_time_grows_no_faster_than_the_text(piece: str) -> None:
    """Eight times the text in at most 24 times the time (64 were quadratic), where noise does not drown it."""

    def seconds(characters: int) -> float:
        text = piece * (characters // len(piece))
        began = time.process_time()
        plain(text, _WIKI)
        return time.process_time() - began

    short = min(seconds(LONGEST // 16) for _ in range(2))
    assert seconds(LONGEST // 2) <= 24 * max(short, 0.05)


def test_what_is_longer_than_any_article_is_cut() -> None:
    text = plain("word " * LONGEST, _WIKI)
    assert LONGEST - 10 < len(text) <= LONGEST


@pytest.mark.parametrize(
    ("title", "text", "told"),
    [
        ("Mercury", "'''Mercury''' may be:\n* [[a]]\n{{Disambiguation|geo}}", True),
        ("水星", "可以指：\n{{消歧义}}", True),
        ("Merkur", "{{Begriffsklärung}}", True),
        ("X (disambiguation)", "x", True),
        ("X", "x __DISAMBIG__", True),
        ("X", "{{about|the planet|other uses|X (disambiguation)}} [[disambiguation]]", False),
    ],
)
def test_pages_that_only_tell_names_apart(title: str, text: str, told: bool) -> None:
    assert tells_apart(title, text) is told
