"""Turns as the chat pane shows them. Every text of a person, a model or a document is shown as text, never run.

A turn is two entries: the question, and the reply (its text, which the pane renders as Markdown, and a block with
its sources, which is HTML written here with everything escaped).
"""

from __future__ import annotations

import re
from html import escape
from typing import Any

import gradio as gr

from chat.conversation import Outcome, Turn
from chat.quotes import marks
from chat.reader import Reader
from retrieval.base import Passage
from ui.texts import OUTCOMES, say

Entry = gr.MessageDict

_HEADING = re.compile(r"^#{1,6} +(.+)$", re.MULTILINE)
_WITHDRAWN = (Outcome.QUESTION_REFUSED, Outcome.ANSWER_REFUSED)
_JOINER = "\u2060"
# What Markdown or HTML would act upon: a tag, an entity, an image (which would be fetched from anywhere).
_ACTIVE = re.compile(r"(?<=<)(?=[A-Za-z/!?])|(?<=&)(?=#?[A-Za-z0-9]+;)|(?<=!)(?=\[)")


def shielded(text: str) -> str:
    """`text` with an invisible joiner where HTML or an image would begin: the pane then shows it as it was typed."""
    return _ACTIVE.sub(_JOINER, text)


def unshielded(text: str) -> str:
    """What `shielded` was given."""
    return re.sub(f"(?<=[<&!]){_JOINER}", "", text)


def entries(turn: Turn, language: str, *, status: str = "", labels: dict[str, str] | None = None) -> list[Entry]:
    """The two entries of a turn. `status` is what is happening while it is pending; `labels` name the sources."""
    return [
        {"role": "user", "content": shielded(turn.question)},
        {"role": "assistant", "content": _reply(turn, language, status, labels or {})},
    ]


def _reply(turn: Turn, language: str, status: str, labels: dict[str, str]) -> list[Any]:
    content: list[Any] = []
    if turn.answer and turn.outcome not in _WITHDRAWN:
        content.append({"type": "text", "text": shielded(turn.answer)})
    block = _status(status) if turn.outcome is Outcome.PENDING else _after(turn, language, labels)
    if block:
        content.append(gr.HTML(block, js_on_load=None))
    return content


def _status(status: str) -> str:
    return f'<div class="gc-status" role="status"><span class="gc-dot"></span>{escape(status)}</div>' if status else ""


def _after(turn: Turn, language: str, labels: dict[str, str]) -> str:
    """What stands under a reply: why there is none, notices, sources."""
    if turn.outcome in OUTCOMES:
        return _card(turn, language) + _notices(turn, language)
    parts = [_notices(turn, language), _cited(turn, language, labels), _also_read(turn, language, labels)]
    parts.append(_foot(turn, language))
    return "".join(parts)


def _card(turn: Turn, language: str) -> str:
    title = escape(say(language, OUTCOMES[turn.outcome]))
    hint = "" if turn.outcome is Outcome.FAILED else f'<p class="gc-hint">{escape(say(language, "hint_retry"))}</p>'
    category = f'<span class="gc-tag">{escape(turn.category)}</span>' if turn.category else ""
    return (
        f'<div class="gc-card gc-{turn.outcome.value}" role="alert"><strong>{title}</strong>{category}'
        f"<p>{escape(turn.reason)}</p>{hint}</div>"
    )


def _notices(turn: Turn, language: str) -> str:
    texts = list(turn.notices)
    if turn.outcome is Outcome.LENGTH:
        texts.append(say(language, "length"))
    if turn.outcome is Outcome.STOPPED:
        texts.append(say(language, "stopped"))
    return "".join(f'<div class="gc-notice">{escape(text)}</div>' for text in texts)


def _cited(turn: Turn, language: str, labels: dict[str, str]) -> str:
    return "".join(_source(turn, number, language, labels) for number in sorted(turn.cited))


def _also_read(turn: Turn, language: str, labels: dict[str, str]) -> str:
    """Passages that were found and not cited; none where the reader said that nothing answers."""
    others = [n for n in range(1, len(turn.passages) + 1) if n not in turn.cited]
    if not others or turn.outcome is not Outcome.ANSWERED or not turn.cited:
        return ""
    inside = "".join(_source(turn, number, language, labels) for number in others)
    heading = f"{escape(say(language, 'also_read'))} ({len(others)})"
    return f'<details class="gc-also"><summary>{heading}</summary>{inside}</details>'


def _source(turn: Turn, number: int, language: str, labels: dict[str, str]) -> str:
    passage = turn.passages[number - 1]
    heading = escape(passage.title) + (
        f'<span class="gc-section"> › {escape(passage.section)}</span>' if passage.section else ""
    )
    label = escape(labels.get(passage.source, passage.source))
    return (
        f'<details class="gc-source" data-source="{number}"><summary><span class="gc-number">{number}</span>'
        f'<span class="gc-title">{heading}</span><span class="gc-label">{label}</span></summary>'
        f"<blockquote>{_marked(passage.text, turn.answer)}</blockquote>{_links(passage, language)}</details>"
    )


def _marked(text: str, answer: str) -> str:
    """The passage, escaped, with the words that the answer took over marked."""
    shown: list[str] = []
    at = 0
    for mark in marks(answer, text):
        shown += [escape(text[at : mark.start]), "<mark>", escape(text[mark.start : mark.end]), "</mark>"]
        at = mark.end
    return "".join([*shown, escape(text[at:])])


def _links(passage: Passage, language: str) -> str:
    if passage.url.startswith(("https://", "http://")):
        text = escape(say(language, "open_original"))
        return f'<a href="{escape(passage.url)}" target="_blank" rel="noopener noreferrer">{text} ↗</a>'
    text = escape(say(language, "open_document"))
    return f'<button type="button" class="gc-link" data-gc-open="{escape(passage.id)}">{text}</button>'


def _foot(turn: Turn, language: str) -> str:
    """One line: where the answer comes from, what was searched for, and a button that copies the answer."""
    said: list[str] = []
    if turn.cited:
        count = len(turn.cited)
        said.append(say(language, "from_one_source") if count == 1 else say(language, "from_sources", count=count))
    elif turn.outcome in (Outcome.ANSWERED, Outcome.LENGTH) and turn.model != Reader.name:
        said.append(say(language, "from_memory"))
    if turn.query and turn.query.strip() != turn.question.strip():
        said.append(say(language, "searched_for", query=turn.query))
    if not turn.moderated:
        said.append(say(language, "unmoderated"))
    copy = (
        f'<button type="button" class="gc-link gc-copy" data-gc-copy="{escape(turn.answer)}" '
        f'data-gc-copied="{escape(say(language, "copied"))}">{escape(say(language, "copy"))}</button>'
        if turn.answer
        else ""
    )
    line = " · ".join(escape(text) for text in said)
    return f'<div class="gc-foot"><span>{line}</span>{copy}</div>' if line or copy else ""


def banner(kind: str, text: str) -> str:
    """A line above the chat: `loading`, `failed` or `off` (moderation)."""
    return f'<div class="gc-banner gc-{kind}" role="status">{escape(text)}</div>'


def document_list(documents: list[tuple[str, str, int]], language: str) -> str:
    """A visitor's documents, given as (id, title, number of passages), each with a button that deletes it."""
    if not documents:
        return f'<p class="gc-empty">{escape(say(language, "documents_none"))}</p>'
    return '<ul class="gc-documents">' + "".join(_document(*row, language) for row in documents) + "</ul>"


def _document(document_id: str, title: str, count: int, language: str) -> str:
    size = say(language, "documents_one_passage") if count == 1 else say(language, "documents_passages", count=count)
    return (
        f'<li><button type="button" class="gc-link gc-title" data-gc-open="{escape(document_id)}#0" '
        f'aria-label="{escape(say(language, "open", title=title))}">{escape(title)}</button>'
        f'<span class="gc-size">{escape(size)}</span>'
        f'<button type="button" class="gc-delete" data-gc-delete="{escape(document_id)}" '
        f'aria-label="{escape(say(language, "delete", title=title))}">✕</button></li>'
    )


def document_page(title: str, text: str, start: int, end: int) -> str:
    """A whole document as text, the passage from `start` to `end` marked."""
    heading = "" if text.startswith("# ") else f"<h2>{escape(title)}</h2>"
    return (
        f'<article class="gc-document">{heading}<div class="gc-text">{_lines(text[:start])}'
        f'<mark class="gc-passage">{_lines(text[start:end])}</mark>{_lines(text[end:])}</div></article>'
    )


def _lines(text: str) -> str:
    """Text as it stands, Markdown's headings in bold."""
    return _HEADING.sub(r'<span class="gc-h">\1</span>', escape(text))
