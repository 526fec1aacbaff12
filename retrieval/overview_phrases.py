"""What requests for an overview have in common, whatever their language: how they name a document, kinds of files.

How they are worded stands in `retrieval.overview_phrases_en` and `retrieval.overview_phrases_zh`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from retrieval.patterns import any_of


class Naming(Enum):
    """How a request says which document it means."""

    THIS = "this"
    """“This”, “it”, or nothing at all."""
    DOCUMENT = "document"
    """“The file I uploaded”, “my report”: a word for documents, which a document's name may hold."""
    ALL = "all"
    """“My documents”."""
    FILE = "file"
    """A file's name."""
    QUOTED = "quoted"
    """A title in quotation marks."""
    DESCRIBED = "described"
    """“The article on penicillin”."""
    PERHAPS = "perhaps"
    """Anything else: a document only where one has that name."""


EVERY = frozenset(Naming)
SURE = EVERY - {Naming.THIS, Naming.PERHAPS}


@dataclass(frozen=True, slots=True)
class Frames:
    """Ways of asking that are understood alike, one a line; `{x}` stands for the words that name the document."""

    sums: bool
    """Whether a summary is asked for, and not what the words say of a thing: “What is Hamlet about?” asks a source."""
    named: frozenset[Naming]
    """With which names they ask for an overview."""
    lines: str
    """A line must cover the whole request. Of one without `{x}` the document is the one at hand."""


@dataclass(frozen=True, slots=True)
class Phrases:
    """How one language words a request and names a document. All but `frames` and `lists` are patterns."""

    frames: tuple[Frames, ...]
    lists: dict[str, str]
    """What stands for the other names in braces in the lines of the frames."""
    before: str
    """A courtesy before a request; several may follow one another."""
    after: str
    """And behind one."""
    preamble: str
    """A sentence before a request that only leads to it."""
    this: str
    all: str
    never: str
    """What is no document, whatever the request around it looks like."""
    nouns: dict[str, str]
    """Words for a document: `strong` ones mean nothing else, `article` and `generic` ones what was quoted as well,
    `weak` ones also things in the world."""
    own: str
    """What makes a document the visitor's own."""
    named: tuple[tuple[Naming, str], ...]
    """How a name may be given, in the order to try. `{title}` stands for a title in quotation marks, `{file}` for a
    file's name; groups: `noun`, and the name as `called` (“the report on …”) or `before` (“the … report”)."""


SUFFIX = any_of("""
    pdf|docx?|pptx?|xlsx?|odt|odp|ods|rtf|epub|html?|md|markdown|txt|text|csv|tsv|json|xml|ya?ml|toml|log|tex|ipynb
    py|js|ts|java|c|cc|cpp|h|go|rs|rb|php|sh|sql|r|eml|msg|srt
""")
KINDS = {
    "pdf": "pdf",
    "spreadsheet|excel|xlsx|表格|电子表格|试算表": "xlsx xls ods csv tsv",
    "csv": "csv tsv",
    "slide|deck|presentation|powerpoint|pptx?|幻灯片|演示文稿|课件|简报|投影片": "pptx ppt odp",
    "word|docx": "docx doc odt",
    "epub|e-?book|电子书": "epub",
    "markdown": "md markdown",
    "text file|text document|文本文件": "txt text",
    "html|网页": "html htm",
}
"""What a word for a document says about its file's suffix."""
WHICH = {
    "oldest": any_of(r"""
        \b(?:first|oldest|earliest)\b
        第一|最早
    """),
    "other": any_of(r"""
        \bother\b
        另一|另外一|别的
    """),
}
"""Words that choose among several documents. The newest is taken without any."""
IDIOM = any_of(r"""
    .*\bwhat(?:'s| is) in it for .*
    .*\bwhat(?:'s| is) (?:it|this|that) all for
""")
"""A message that only looks like a request."""
DETAILED = any_of(r"""
    \b(?:longer|detailed|in detail|thorough|extensive|comprehensive)\b
    详细|具体|长一点|长一些
""")
"""Where more sentences are wanted than usual."""
FOLLOW_UP = any_of(r"""
    (?:and |but |ok(?:ay)?,? |now |then )*(?:what|how) about (?P<about>.+)
    (?:and|now|then|also) (?P<and>.+)
    (?:那么?|还有|然后|再看看?)?(?P<zh>.+?)呢
""")
"""After an overview: another one, of what is named."""
