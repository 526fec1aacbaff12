"""A visitor's documents as the page shows them: the list, what is being read, and the panel with a whole document."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape
from itertools import pairwise

from chat.quotes import Mark, marks
from retrieval.backfill import BackfillProgress
from retrieval.base import Passage
from retrieval.stored import DocumentInfo
from retrieval.uploads import State, Upload
from retrieval.window import Window
from ui.render import marked
from ui.texts import place_name, say

_SIGN = re.compile(r"(?P<heading>#{1,6} +)(?=\S)|(?P<indent>[ \t]*)[-*+] +(?=\S)")
"""What begins a heading or an item of a list in Markdown."""


def document_list(documents: Sequence[DocumentInfo], language: str) -> str:
    """A visitor's documents, each with a button that deletes it."""
    if not documents:
        return f'<p class="gc-empty">{escape(say(language, "documents_none"))}</p>'
    return '<ul class="gc-documents">' + "".join(_document(document, language) for document in documents) + "</ul>"


def _document(document: DocumentInfo, language: str) -> str:
    count = document.passages
    size = say(language, "documents_one_passage") if count == 1 else say(language, "documents_passages", count=count)
    title = escape(document.title)
    tooltip = escape(document.title if document.name in ("", document.title) else f"{document.title} ({document.name})")
    name = f" · {escape(document.name)}" if document.name not in ("", document.title) else ""
    return (
        f'<li><button type="button" class="gc-open" data-gc-open="{escape(document.id)}#" '
        f'aria-label="{escape(say(language, "open", title=document.title))}" title="{tooltip}">'
        f'<span class="gc-title">{title}</span><span class="gc-size">{escape(size)}{name}</span></button>'
        f'<button type="button" class="gc-delete" data-gc-delete="{escape(document.id)}" '
        f'data-gc-sure="{escape(say(language, "delete_sure"))}" '
        f'aria-label="{escape(say(language, "delete", title=document.title))}">✕</button></li>'
    )


def document_page(window: Window, quoted: Passage | None, turn_id: str, answer: str, language: str) -> str:
    """A stretch of a document as text. In `quoted`, where given, the words that the answer took over are marked."""
    info, text = window.info, window.text
    start, end = (quoted.start - window.start, quoted.end - window.start) if quoted else (0, 0)
    taken = [Mark(start + mark.start, start + mark.end) for mark in marks(answer, text[start:end])] if quoted else []
    # What is only a place to look at, not quoted, is shown as such; a document opened from the list has neither.
    place = [Mark(start, end)] if quoted and not taken else []
    places = {offset - window.start: place_name(language, name) for offset, name in window.places}
    shown, at = [], 0
    for line in _lines(text, sorted(places)):
        if at in places:
            shown.append(f'<span class="gc-place">{escape(places[at])}</span>')
        shown.append(_viewed(line, at, taken, "gc-quoted") if taken else _viewed(line, at, place, "gc-passage"))
        at += len(line)
    heading = "" if window.before or text.startswith("# ") else f"<h2>{escape(info.title)}</h2>"
    earlier = _turn_to(info.id, window.first - 1, turn_id, say(language, "earlier")) if window.before else ""
    later = _turn_to(info.id, window.last + 1, turn_id, say(language, "later")) if window.after else ""
    return (
        f"{_viewer_head(info.name or say(language, 'viewer'), language)}"
        f'<article class="gc-document" data-gc-document="{escape(info.id)}" data-gc-first="{window.first}">{heading}'
        f'{earlier}<div class="gc-text">{"".join(shown)}</div>{later}</article>'
    )


def _lines(text: str, cuts: Sequence[int]) -> Iterator[str]:
    """The lines of a text, which is cut at some offsets, too."""
    for start, end in pairwise(dict.fromkeys((0, *cuts, len(text)))):
        yield from text[start:end].splitlines(keepends=True)


def _turn_to(document_id: str, ordinal: int, turn_id: str, label: str) -> str:
    return (
        f'<button type="button" class="gc-link gc-turn-to" data-gc-page="{escape(document_id)}#{ordinal}" '
        f'data-gc-from="{escape(turn_id)}">{escape(label)}</button>'
    )


def document_gone(language: str) -> str:
    """The panel for a document that is not there."""
    gone = escape(say(language, "viewer_gone"))
    return f'{_viewer_head(say(language, "viewer"), language)}<p class="gc-empty">{gone}</p>'


def _viewer_head(title: str, language: str) -> str:
    close = escape(say(language, "close"))
    return (
        f'<div class="gc-viewer-head"><span class="gc-title">{escape(title)}</span>'
        f'<button type="button" class="gc-close" data-gc-close aria-label="{close}" title="{close}">✕</button></div>'
    )


def _viewed(line: str, at: int, taken: Sequence[Mark], kind: str) -> str:
    """One line of a document that begins at `at`: Markdown's headings in bold, its bullets as such."""
    end = at + len(line.rstrip())
    inside = [Mark(max(mark.start, at), min(mark.end, end)) for mark in taken if mark.start < end and mark.end > at]
    sign = _SIGN.match(line)
    skipped = at + sign.end() if sign else at
    cut = [Mark(max(m.start, skipped) - skipped, m.end - skipped) for m in inside if m.end > skipped]
    shown = marked(line[skipped - at :], cut).replace("<mark>", f'<mark class="{kind}">')
    if sign is None:
        return shown
    return f'<span class="gc-h">{shown}</span>' if sign["heading"] else f"{escape(sign['indent'])}• {shown}"


def upload_list(uploads: Sequence[Upload], language: str) -> str:
    """Files on their way into the index, how far each is, and what can be done with it."""
    ready = [upload for upload in uploads if upload.state is State.READY]
    many = len(ready) > _MOST_READY
    lines = [_upload(upload, language) for upload in uploads if not (many and upload.state is State.READY)]
    if many:
        lines.append(f'<div class="gc-line gc-done">{escape(say(language, "uploads_ready", count=len(ready)))}</div>')
    return f'<div role="status">{"".join(lines)}</div>' if lines else ""


def _upload(upload: Upload, language: str) -> str:
    says = (
        upload.failure.told(language)
        if upload.failure
        else say(
            language,
            f"upload_{upload.state.value}",
            title=upload.title,
            percent=int(100 * upload.done),
            passages=f"{upload.passages:,}",
        )
    )
    bar = f'<progress max="1" value="{upload.done:.3f}"></progress>' if upload.state in _WITH_BAR else ""
    buttons = "".join(
        f'<button type="button" class="gc-link" data-gc-upload="{act}" data-gc-target="{escape(upload.id)}">'
        f"{escape(say(language, f'upload_{act}'))}</button>"
        for act in _ACTS[upload.state]
    )
    row = f'<div class="gc-row">{buttons}</div>' if buttons else ""
    return f'<div class="gc-line gc-{_LOOKS[upload.state]}">{escape(says)}{bar}{row}</div>'


def backfill_line(progress: BackfillProgress, language: str) -> str:
    """How far the vectors are, while some are missing."""
    if progress.done >= progress.total:
        return ""
    percent = int(100 * progress.done / progress.total)
    says = say(language, "backfill_stuck", problem=progress.problem) if progress.problem else ""
    return f'<div class="gc-line gc-busy">{escape(says or say(language, "backfill", percent=percent))}</div>'


_MOST_READY = 2
"""More than this are told together."""
_WITH_BAR = (State.READING, State.STOPPED)
_ACTS = {
    State.WAITING: ("drop",),
    State.READING: ("stop", "drop"),
    State.STOPPED: ("go_on", "drop"),
    State.READY: (),
    State.FAILED: ("dismiss",),
}
"""What can be done with an upload: names of acts, and with `upload_` before them of texts."""
_LOOKS = {
    State.WAITING: "busy",
    State.READING: "busy",
    State.STOPPED: "busy",
    State.READY: "done",
    State.FAILED: "failed",
}
