"""Source code: one part for each function or class at the outermost level, under its name, fenced, with its line.

Definitions are found by their form, in the languages of `LANGUAGES`; what stands between them belongs to the one
above. A file without any is cut at blank lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from retrieval.base import Part
from retrieval.formats.base import File
from retrieval.formats.blocks import code, heading
from retrieval.formats.text import pieces

LANGUAGES = {
    ".py": "python",
    ".pyi": "python",
    ".js": "javascript",
    ".mjs": "javascript",
    ".jsx": "jsx",
    ".ts": "typescript",
    ".tsx": "tsx",
    ".java": "java",
    ".kt": "kotlin",
    ".scala": "scala",
    ".swift": "swift",
    ".c": "c",
    ".h": "c",
    ".cc": "cpp",
    ".cpp": "cpp",
    ".cxx": "cpp",
    ".hpp": "cpp",
    ".cs": "csharp",
    ".go": "go",
    ".rs": "rust",
    ".rb": "ruby",
    ".php": "php",
    ".pl": "perl",
    ".lua": "lua",
    ".r": "r",
    ".jl": "julia",
    ".sh": "bash",
    ".bash": "bash",
    ".ps1": "powershell",
    ".sql": "sql",
    ".css": "css",
    ".json": "json",
    ".jsonl": "json",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".toml": "toml",
    ".ini": "ini",
    ".cfg": "ini",
    ".xml": "xml",
}
_MODIFIERS = (
    r"(?:export|default|public|private|protected|internal|static|final|abstract|sealed|open|override|virtual|inline|"
    r"async|unsafe|extern|const|pub(?:\([\w:]+\))?|partial|data|case|local|suspend|template\s*<[^<>\n]{0,200}>)"
)
_DEFINITION = re.compile(
    rf"^(?:{_MODIFIERS}[ \t]+){{0,6}}"
    r"(?:(?:def|class|function\*?|fn|func|struct|enum|interface|trait|impl|module|namespace|record|object|protocol|"
    r"type|sub|macro_rules!|CREATE[ \t]+(?:OR[ \t]+REPLACE[ \t]+)?(?:TABLE|VIEW|FUNCTION|PROCEDURE|TRIGGER))\b[ \t]*"
    r"(?:IF[ \t]+NOT[ \t]+EXISTS[ \t]+|\([^()\n]{0,100}\)[ \t]*|<[^<>\n]{0,100}>[ \t]*)?(?P<name>[\w.:$\"`]+)"
    r"|(?:const|let|var)[ \t]+(?P<arrow>[\w$]+)[ \t]*=[ \t]*(?:async[ \t]*)?(?:function\b|\([^()\n]{0,300}\)[ \t]*=>)"
    r"|(?P<shell>[\w-]+)[ \t]*\(\)[ \t]*\{"
    r"|(?!(?:return|else|if|for|while|switch|typedef|using|goto|case)\b)[A-Za-z_][\w:<>*&, \t]{0,100}[ \t*&]"
    r"(?P<c>[\w:~]+)[ \t]*\([^;{}()\n]{0,300}\)[^;\n=]{0,60}\{?[ \t]*$)",
    re.MULTILINE,
)
_LEAD = re.compile(
    r"(?:^(?:@[^\n]*|#\[[^\n]*|//[^\n]*|#(?!include|define|if|endif)[^\n]*|/\*[^\n]*|[ \t]*\*[^\n]*)\n)+\Z", re.M
)
"""Decorators, attributes and comments that stand right above a definition belong to it."""
_LEAD_CHARS = 4000
_LONGEST = 2**14


def title(file: File) -> str:
    return ""


def parts(file: File, start: int) -> Iterator[Part]:
    return islice(_parts(file), start, None)


def _parts(file: File) -> Iterator[Part]:
    language = LANGUAGES.get(file.suffix, "")
    line, before = 1, 0.0
    for text, _, done in pieces(file):
        found = list(_stretches(text))
        for number, (name, stretch) in enumerate(found, start=1):
            if stretch.strip():
                fenced = code(stretch, language)
                shown = "\n\n".join(filter(None, (heading(2, name), fenced)))
                yield Part(
                    shown, f"line {line + _blank_lines(stretch)}", done=before + (done - before) * number / len(found)
                )
            line += stretch.count("\n")
        before = done


def _blank_lines(stretch: str) -> int:
    return len(stretch[: len(stretch) - len(stretch.lstrip("\n"))])


def _stretches(text: str) -> Iterator[tuple[str, str]]:
    """(name of the definition, its text with what stands above it); together they are the whole text."""
    start, name = 0, ""
    for match in _DEFINITION.finditer(text):
        lead = _LEAD.search(text, max(start, match.start() - _LEAD_CHARS), match.start())
        begins = lead.start() if lead else match.start()
        if begins > start:
            yield from _cut(name, text[start:begins])
        start = begins
        name = next(filter(None, match.groupdict().values()), "").strip('"`:.')
    yield from _cut(name, text[start:])


def _cut(name: str, stretch: str) -> Iterator[tuple[str, str]]:
    while len(stretch) > _LONGEST:
        cut = max(stretch.rfind("\n\n", _LONGEST // 2, _LONGEST), stretch.rfind("\n", _LONGEST // 2, _LONGEST)) + 1
        cut = cut or _LONGEST
        yield name, stretch[:cut]
        stretch = stretch[cut:]
    yield name, stretch
