"""Role tags that a chat template writes as plain text, found by letting it write a probe conversation.

Special tokens cannot be typed: the tokenizer makes them plain text. But many templates open a turn with ordinary text
(`[INST]`, `<|user|>`, `USER:`, `### Response:`), which anyone can type and any document can hold. What a template
writes between the contents of the probe, and what is no special token, is such a tag. In a text it is set in single
guillemets (`[INST]` becomes `‹INST›`), and where the model writes one its answer ends.

What counts as a tag: anything in brackets, wherever it stands and in any case; a label (`USER:`, `### Response:`) at
the beginning of a line, in any case, and also inside a line exactly as written where the template writes it there; a
bare word (`assistant`) alone on its line. Not covered: look-alikes in other letters, and a template that marks its
turns by nothing but spaces and line breaks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from errors import ModelError

_BREAKS = r"\n\r\v\f\x1c-\x1e\x85\u2028\u2029"
LINE_START = rf"(?:^|(?<=[{_BREAKS}]))"
_INDENT = rf"(?:[^\S{_BREAKS}]|[\u200b-\u200f\ufeff])*"
_MARKERS = tuple(f"probe9e1f{letter}" for letter in "abcd")
"""Contents of the probe: harmless text that no template holds."""
_SPECIAL = "\0"
"""Stands for a special token in what a template wrote."""
_BRACKETED = re.compile(r"<{1,3}[^<>\n\0]{1,60}>{1,3}|\[{1,3}[^\[\]\n\0]{1,60}\]{1,3}|【[^【】\n\0]{1,60}】")
_LONGEST, _MOST_WORDS = 40, 4
"""Characters and words of a tag; what is longer is a sentence."""
_ROLES = ("system", "user", "assistant", "human", "bot"), ("instruction", "input", "response")
"""A template that writes one of these as a role might be taken to write the others."""


class Kind(StrEnum):
    """How a tag is told from ordinary text."""

    BRACKETED = "bracketed"
    LABEL = "label"
    INLINE = "inline"
    """A label that the template also writes inside a line."""
    ALONE = "alone"
    """A word that is a tag only where nothing else stands on its line."""
    OPENING = "opening"
    """A word that is a tag wherever it begins a line."""


@dataclass(frozen=True, slots=True)
class Tag:
    text: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class RoleTags:
    """The tags of one template."""

    patterns: tuple[re.Pattern[str], ...] = ()
    """Group `tag` of each is quoted."""
    stop: tuple[str, ...] = ()
    """What the model would write if it went on with the next turn."""

    def count(self, text: str) -> tuple[int, ...]:
        """How often each tag stands in the text."""
        return tuple(sum(1 for _ in pattern.finditer(text)) for pattern in self.patterns)

    def quoted(self, text: str) -> str:
        """The text with its role tags in single guillemets."""
        for pattern in self.patterns:
            text = pattern.sub(_in_guillemets, text)
        return text


def _in_guillemets(match: re.Match[str]) -> str:
    """The match with its tag in guillemets; the brackets around it fall away."""
    start, end = match.span("tag")
    before, after = match.string[match.start() : start], match.string[end : match.end()]
    return f"{before.strip('<[【')}‹{match['tag']}›{after.strip('>]】')}"


Render = Callable[[Sequence[dict[str, str]], bool], str]
"""Messages, and whether an answer is to follow, as a template writes them. Raises `ModelError` when it refuses them."""


def tags_of(render: Render, special: Sequence[str]) -> RoleTags:
    """The tags of the template behind `render`; `special` are the tokens that no text can hold."""
    boundaries = sorted(set(_boundaries(render, special)))
    found = dict.fromkeys(tag for boundary in boundaries for tag in boundary.tags())
    stops = dict.fromkeys(stop for boundary in boundaries for tag in boundary.openers() for stop in _stops(tag))
    return RoleTags(tuple(dict.fromkeys(map(_pattern, found))), tuple(stops))


@dataclass(frozen=True, slots=True, order=True)
class _Boundary:
    """What a template writes between two contents."""

    before: str
    """The role before it; empty at the beginning."""
    after: str
    text: str
    """With `_SPECIAL` for each special token."""

    def tags(self) -> list[Tag]:
        lines = self.text.split("\n")
        return [
            tag
            for number, line in enumerate(lines)
            for place, part in enumerate(line.split(_SPECIAL))
            for tag in self._in(
                part,
                behind_special=place > 0,
                inside=number == 0 and place == 0 and bool(self.before),
                whole=number < len(lines) - 1,
            )
        ]

    def openers(self) -> list[Tag]:
        """The tags that an answer would go on with where it should end.

        Of those before an answer only the first: behind it may stand what the answer itself begins with.
        """
        tags = self.tags()
        if (self.before, self.after) == ("user", "assistant"):
            return [tag for tag in tags if tag.text == tags[0].text]
        return tags if (self.before, self.after) == ("assistant", "user") else []

    def _in(self, part: str, behind_special: bool, inside: bool, whole: bool) -> Iterator[Tag]:
        """The tags in a piece of a line. `inside`: content stands before it; `whole`: no content follows it."""
        at = 0
        for match in _BRACKETED.finditer(part):
            yield from self._label(part[at : match.start()], behind_special, inside, whole)
            if re.search(r"\w", match[0]):
                yield Tag(match[0], Kind.BRACKETED)
            at, behind_special, inside = match.end(), True, False  # what is quoted is as good as a special token
        yield from self._label(part[at:], behind_special, inside, whole)

    def _label(self, text: str, behind_special: bool, inside: bool, whole: bool) -> Iterator[Tag]:
        text = text.strip()
        if not re.search(r"[^\W\d_]", text) or len(text) > _LONGEST or len(text.split()) > _MOST_WORDS:
            return
        if not text[0].isalnum() or not text[-1].isalnum():
            yield Tag(text, Kind.LABEL)
            if inside:
                yield Tag(text, Kind.INLINE)
        elif self.before and not behind_special:  # a word behind a special token opens nothing without that token
            yield Tag(text, Kind.ALONE if whole or not self.after else Kind.OPENING)


def _boundaries(render: Render, special: Sequence[str]) -> Iterator[_Boundary]:
    """What the template writes between contents, in conversations with and without a system turn."""
    tokens = re.compile("|".join(map(re.escape, sorted(special, key=len, reverse=True))) or r"(?!)")
    for roles in (("user", "assistant", "user"), ("system", "user", "assistant", "user"), ("user",)):
        chat = [{"role": role, "content": marker} for role, marker in zip(roles, _MARKERS, strict=False)]
        try:
            written = tokens.sub(_SPECIAL, render(chat, True))
        except ModelError:
            continue
        role_of = dict(zip(_MARKERS, roles, strict=False))
        *parts, end = re.split(f"({'|'.join(_MARKERS)})", written)
        before = ""
        for text, marker in zip(parts[::2], parts[1::2], strict=True):
            # What stands before the first user turn is mostly a system text; a system turn tells its own tags.
            if before or role_of[marker] == "system":
                yield _Boundary(before, role_of[marker], text)
            before = role_of[marker]
        yield _Boundary(before, "assistant", end)


def _pattern(tag: Tag) -> re.Pattern[str]:
    """Where the tag stands in a text."""
    if tag.kind is Kind.BRACKETED:
        inner = _loose(tag.text.strip("<>[]【】").lstrip("/"), r"\s*")
        size = len(tag.text) - len(tag.text.lstrip("<[【"))
        opened, closed = map(re.escape, (tag.text[:size], tag.text[-size:]))
        return re.compile(rf"{opened}(?P<tag>\s*/?\s*{inner}\s*){closed}", re.IGNORECASE)
    if tag.kind is Kind.INLINE:
        return re.compile(rf"(?<!\w)(?P<tag>{re.escape(tag.text.rstrip(':：'))}){_colon(tag.text)}")
    loose = _loose(tag.text.rstrip(":："), r"[ \t]*")
    if tag.kind is Kind.LABEL:
        return re.compile(rf"{LINE_START}{_INDENT}(?P<tag>{loose}){_INDENT}{_colon(tag.text)}", re.IGNORECASE)
    if tag.kind is Kind.ALONE:
        return re.compile(rf"{LINE_START}{_INDENT}(?P<tag>{loose}){_INDENT}(?=$|[{_BREAKS}])", re.IGNORECASE)
    return re.compile(rf"{LINE_START}{_INDENT}(?P<tag>{re.escape(tag.text)})(?=\s)")


def _colon(text: str) -> str:
    """What must follow a label that ends in a colon, of either width."""
    return r"(?=[:：])" if text.endswith((":", "：")) else ""


def _loose(text: str, space: str) -> str:
    """A pattern for `text` with other spaces, numbers and roles in it."""
    return space.join(_word(word) for word in re.findall(r"\d+|[^\W\d]+|[^\w\s]+", text))


def _word(word: str) -> str:
    alike = next((roles for roles in _ROLES if word.lower() in roles), ())
    return rf"(?:{'|'.join(alike)})" if alike else r"\d+" if word.isdigit() else re.escape(word)


def _stops(tag: Tag) -> Iterator[str]:
    if tag.kind is Kind.BRACKETED:
        yield re.split(r"\d", tag.text)[0].rstrip() if re.search(r"\d", tag.text) else tag.text
    elif tag.kind is Kind.ALONE:
        yield f"\n{tag.text}\n"
    elif tag.kind is Kind.LABEL:
        yield f"\n{tag.text}"
    elif tag.kind is Kind.INLINE:
        yield f" {tag.text}"
