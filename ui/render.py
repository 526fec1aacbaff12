"""Turns as the chat pane shows them. Every text of a person, a model or a document is shown as text, never run.

A turn is two entries: the question, exactly as it was typed, and the reply: its text, which the pane renders as
Markdown, and a block with its sources. All but the reply's text is HTML written here, with everything escaped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import gradio as gr

from chat.conversation import Kind, Outcome, Turn, new_id
from chat.flags import Flag, category_name, how_sure
from chat.quotes import Mark, marks
from chat.rating import Keep
from chat.reader import Reader
from chat.screening import contestable
from chat.sources import Source
from moderation.base import Action
from retrieval.base import Passage
from ui.ratings import panel, thumbs
from ui.texts import ENDINGS, OUTCOMES, place_name, say

Entry = gr.MessageDict
Named = Mapping[str, Source]

_WITHDRAWN = (Outcome.QUESTION_REFUSED, Outcome.ANSWER_REFUSED)
_JOINER = "\u2060"
_SEPARATOR = "\u2063"
"""Invisible, around words that assets/page.js makes a mark of."""
# What Markdown or HTML would act upon: a tag, an entity, an image (which would be fetched from anywhere).
_ICONS = {
    "copy": '<rect x="9" y="9" width="11" height="11" rx="2"/><path d="M5 15V6a2 2 0 0 1 2-2h8"/>',
    "edit": '<path d="M16.5 4.5l3 3L8.5 18.5 4.5 19.5l1-4z"/>',
    "retry": '<path d="M19.5 12a7.5 7.5 0 1 1-2.200-5.300"/><path d="M20 3v4.5h-4.5"/>',
    "undo": '<path d="M9 14L4.5 9.5 9 5"/><path d="M4.5 9.5h9a5.5 5.5 0 0 1 0 11H10"/>',
}
_ACTIVE = re.compile(r"(?<=<)(?=[A-Za-z/!?])|(?<=&)(?=#?[A-Za-z0-9]+;)|(?<=!)(?=\[)")


def shielded(text: str) -> str:
    """`text` with an invisible joiner where HTML or an image would begin: the pane then shows it as it was typed."""
    return _ACTIVE.sub(_JOINER, text)


def entries(
    turn: Turn,
    language: str,
    sources: Named | None = None,
    *,
    status: str = "",
    keeps: Keep | None = None,
) -> list[Entry]:
    """The two entries of a turn.

    `sources` are those of its passages; `status` is what is happening while it is pending.
    `keeps` says what happens to the text of rated answers; None where answers cannot be rated.
    """
    return [
        {"role": "user", "content": [gr.HTML(_question(turn, language), js_on_load=None)]},
        {"role": "assistant", "content": _reply(turn, language, status, sources or {}, keeps)},
    ]


def _question(turn: Turn, language: str) -> str:
    """The message, and buttons to copy and to edit it."""
    send, leave = say(language, "send"), say(language, "cancel")
    edit = _button("edit", say(language, "edit"), turn=turn.id, send=send, leave=leave)
    return (
        f'<div class="gc-asked" data-gc-turn="{escape(turn.id)}"><div class="gc-typed" dir="auto">'
        f'{escape(turn.question)}</div></div><div class="gc-acts">{_copy(turn.question, language)}{edit}</div>'
    )


def _button(act: str, label: str, **data: str) -> str:
    """A button with an icon; what a click does, and to what, is in its data attributes."""
    given = "".join(f' data-gc-{name}="{escape(value)}"' for name, value in data.items())
    name = escape(label)
    return (
        f'<button type="button" class="gc-act" data-gc-act="{act}"{given} aria-label="{name}" title="{name}">'
        f'<svg viewBox="0 0 24 24" aria-hidden="true">{_ICONS[act]}</svg></button>'
    )


def _copy(text: str, language: str) -> str:
    return _button("copy", say(language, "copy"), text=text, done=say(language, "copied"))


def _reply(turn: Turn, language: str, status: str, sources: Named, keeps: Keep | None) -> list[Any]:
    content: list[Any] = []
    if turn.answer and turn.outcome not in _WITHDRAWN:
        content.append(_answer(turn, language))
    pending = turn.outcome is Outcome.PENDING
    block = _so_far(turn, status) if pending else _after(turn, language, sources, keeps)
    if block:
        content.append(gr.HTML(block, js_on_load=None))
    return content


def _answer(turn: Turn, language: str) -> Any:
    """Markdown in an answer is rendered; what a command says, and raw text, is shown as it stands."""
    if turn.kind is Kind.MESSAGE:
        return {"type": "text", "text": shielded(_doubted(turn, language))}
    return gr.HTML(f'<pre class="gc-said" dir="auto">{escape(turn.answer)}</pre>', js_on_load=None)


def _doubted(turn: Turn, language: str) -> str:
    """The answer with a few plain words behind each citation that its source does not support."""
    says = f"{_SEPARATOR} ({say(language, 'unsupported')}){_SEPARATOR}"
    shown: list[str] = []
    at = 0
    for end in dict.fromkeys(doubt.end for doubt in turn.doubts):
        shown += [turn.answer[at:end], says]
        at = end
    return "".join([*shown, turn.answer[at:]])


def _so_far(turn: Turn, status: str) -> str:
    """What stands under a reply that is being written: where to find help must not wait for its end."""
    notices = "".join(f'<div class="gc-notice">{escape(text)}</div>' for text in turn.notices)
    return notices + _status(status)


def _status(status: str) -> str:
    return f'<div class="gc-status" role="status"><span class="gc-dot"></span>{escape(status)}</div>' if status else ""


def _after(turn: Turn, language: str, sources: Named, keeps: Keep | None) -> str:
    """What stands under a reply: why there is none, notices, sources."""
    if turn.outcome in OUTCOMES:
        return _card(turn, language) + _notices(turn, language) + _foot(turn, language, keeps)
    parts = [_notices(turn, language), _cited(turn, language, sources), _also_read(turn, language, sources)]
    parts += [_foot(turn, language, keeps), panel(turn, language, keeps)]
    return "".join(parts)


def _card(turn: Turn, language: str) -> str:
    title = escape(say(language, OUTCOMES[turn.outcome]))
    hint = "" if turn.outcome is Outcome.FAILED else f'<p class="gc-hint">{escape(say(language, "hint_retry"))}</p>'
    flag = next((one for one in reversed(turn.flags) if one.decision.action is Action.REFUSE), None)
    tags = _tags(flag, language) if flag else _tag(category_name(language, turn.category)) if turn.category else ""
    return (
        f'<div class="gc-card gc-{turn.outcome.value}" role="alert"><strong>{title}</strong>{tags}'
        f"<p>{escape(turn.reason)}</p>{hint}{_contest(turn, flag, language) if flag else ''}</div>"
    )


def _tag(text: str, more: str = "") -> str:
    title = (
        f' title="{escape(more)}" aria-label="{escape(text)}. {escape(more)}" role="note" tabindex="0"' if more else ""
    )
    return f'<span class="gc-tag"{title}>{escape(text)}</span>'


def _tags(flag: Flag, language: str) -> str:
    """Which category, and how sure; the number is told on hover."""
    category, sure = flag.decision.category, how_sure(language, flag.decision)
    number = say(language, "sure_number", percent=f"{100 * flag.decision.score:.0f}")
    return (_tag(category_name(language, category)) if category else "") + (_tag(sure, number) if sure else "")


def _contest(turn: Turn, flag: Flag, language: str) -> str:
    """A way to say that a decision is wrong; thanks once that was said."""
    if not contestable(flag):
        return ""
    if flag.contested:
        thanks = say(language, "contest_thanks_text" if flag.text_kept else "contest_thanks")
        return f'<p class="gc-thanks" role="status">{escape(thanks)}</p>'
    words = {name: escape(say(language, f"contest_{name}")) for name in ("keeps", "text", "send")}
    return (
        f'<details class="gc-contest"><summary>{escape(say(language, "contest"))}</summary><p>{words["keeps"]}</p>'
        f'<label><input type="checkbox"> {words["text"]}</label><button type="button" class="gc-plain" '
        f'data-gc-act="contest" data-gc-turn="{escape(turn.id)}" data-gc-side="{flag.side.value}">{words["send"]}'
        "</button></details>"
    )


def _notices(turn: Turn, language: str) -> str:
    """Lines under an answer; those of moderation with what they rest on and a way to contest them."""
    texts = list(turn.notices)
    if turn.outcome in ENDINGS:
        texts.append(say(language, ENDINGS[turn.outcome]))
    # Both sides may be warned about in the same words: each line takes the next flag.
    flags = [] if turn.outcome in _WITHDRAWN else list(turn.flags)
    lines: list[str] = []
    for text in texts:
        flag = next((one for one in flags if one.decision.reason in text), None)
        if flag is not None:
            flags.remove(flag)
        more = f"{_tags(flag, language)}{_contest(turn, flag, language)}" if flag is not None else ""
        lines.append(f'<div class="gc-notice">{escape(text)}{more}</div>')
    return "".join(lines) + _continue(turn, language)


def _continue(turn: Turn, language: str) -> str:
    """A button that goes on with an answer that was cut; the reader's are never to be gone on with."""
    if not turn.cut or turn.model == Reader.name:
        return ""
    return (
        f'<button type="button" class="gc-link gc-continue" data-gc-act="continue" data-gc-turn="{escape(turn.id)}">'
        f"{escape(say(language, 'continue'))}</button>"
    )


def _cited(turn: Turn, language: str, sources: Named) -> str:
    return "".join(_source(turn, number, language, sources) for number in sorted(turn.cited))


def _also_read(turn: Turn, language: str, sources: Named) -> str:
    """Passages that were found and not cited; none where the reader said that nothing answers."""
    others = turn.not_cited
    if not others or turn.outcome is not Outcome.ANSWERED or not turn.cited:
        return ""
    inside = "".join(_passage(turn, passage, language, sources) for passage in others)
    heading = f"{escape(say(language, 'also_read'))} ({len(others)})"
    return f'<details class="gc-also"><summary>{heading}</summary>{inside}</details>'


def _source(turn: Turn, number: int, language: str, sources: Named) -> str:
    return _passage(turn, turn.passage(number), language, sources, number)


def _passage(turn: Turn, passage: Passage, language: str, sources: Named, number: int = 0) -> str:
    """A passage that can be opened, behind its number where the answer cites it."""
    place = place_name(language, passage.place, passage.ends) if passage.place else ""
    where = [*([f"› {passage.section}"] if passage.section else []), *([f"· {place}"] if place else [])]
    heading = escape(passage.title) + (f'<span class="gc-section"> {escape(" ".join(where))}</span>' if where else "")
    source = sources.get(passage.source)
    label = escape(source.label(language) if source else passage.source)
    data, chip = (f' data-source="{number}"', f'<span class="gc-number">{number}</span>') if number else ("", "")
    unsaid = [doubt.sentence for doubt in turn.doubts if doubt.number == number]
    data += f' data-gc-doubt="{escape(say(language, "unsupported_more"))}"' if unsaid else ""
    doubts = "".join(
        f'<p class="gc-unsaid">{escape(say(language, "unsupported_says", sentence=sentence))}</p>'
        for sentence in dict.fromkeys(unsaid)
    )
    return (
        f'<details class="gc-source"{data}><summary>{chip}'
        f'<span class="gc-title">{heading}</span><span class="gc-label">{label}</span></summary>'
        f"{doubts}<blockquote>{_quoted(passage, turn.answer)}</blockquote>"
        f"{_links(passage, turn, language, kept=source is None or not source.remote)}</details>"
    )


def _quoted(passage: Passage, answer: str) -> str:
    """The passage with what was taken over; of what the model read around it, the side that it took something from."""
    sides = [(part, marks(answer, part)) for part in (passage.before, passage.after)]
    before, after = (f'<span class="gc-context">{marked(part, taken)}</span>' if taken else "" for part, taken in sides)
    shown = (before, marked(passage.text, marks(answer, passage.text)), after)
    return "\n\n".join(part for part in shown if part)


def marked(text: str, taken: Sequence[Mark]) -> str:
    """The text, escaped, with the words that an answer took over marked."""
    shown: list[str] = []
    at = 0
    for mark in taken:
        shown += [escape(text[at : mark.start]), "<mark>", escape(text[mark.start : mark.end]), "</mark>"]
        at = mark.end
    return "".join([*shown, escape(text[at:])])


def _links(passage: Passage, turn: Turn, language: str, kept: bool) -> str:
    """How to see more of a passage: on its own page, or in its document, where that is `kept` on this machine."""
    if passage.url.startswith(("https://", "http://")):
        text = escape(say(language, "open_original"))
        return f'<a href="{escape(passage.url)}" target="_blank" rel="noopener noreferrer">{text} ↗</a>'
    if not kept:
        return ""
    text = escape(say(language, "open_document"))
    return (
        f'<button type="button" class="gc-link" data-gc-open="{escape(passage.id)}" '
        f'data-gc-from="{escape(turn.id)}">{text}</button>'
    )


def _foot(turn: Turn, language: str, keeps: Keep | None) -> str:
    """One line: where the answer comes from, what was searched for; and buttons to copy, rate, ask again, take back."""
    said: list[str] = []
    if turn.outcome in OUTCOMES:
        pass
    elif turn.cited:
        count = len(turn.cited)
        said.append(say(language, "from_one_source") if count == 1 else say(language, "from_sources", count=count))
    elif turn.remembered and turn.model != Reader.name:
        said.append(say(language, "from_memory"))
    if turn.outcome not in OUTCOMES and turn.query and turn.query.strip() != turn.question.strip():
        said.append(say(language, "searched_for", query=turn.query))
    if turn.kind is Kind.RAW:
        said.append(say(language, "aside"))
    if not turn.moderated:
        said.append(say(language, "unmoderated"))
    copy = _copy(turn.answer, language) if turn.answer and turn.outcome not in _WITHDRAWN else ""
    again = _button("retry", say(language, "retry"), turn=turn.id)
    undo = _button("undo", say(language, "undo"), turn=turn.id)
    line = " · ".join(escape(text) for text in said)
    acts = f"{copy}{thumbs(turn, language, keeps)}{again}{undo}"
    return f'<div class="gc-foot"><span>{line}</span><div class="gc-acts">{acts}</div></div>'


def banner(kind: str, text: str) -> str:
    """A line above the chat: `loading`, `failed` or `off` (moderation)."""
    return f'<div class="gc-banner gc-{kind}" role="status">{escape(text)}</div>'


def note(text: str, *, moved: bool = False) -> str:
    """A quiet line beside the message box. `moved`: the turns that the page shows are no longer on the server."""
    # The id makes two equal lines two, so that the second is seen, too.
    return (
        f'<div class="gc-line-note" role="alert" data-gc-note="{new_id()}"{" data-gc-moved" if moved else ""}>'
        f"{escape(text)}</div>"
    )


def paragraphs(texts: Sequence[str]) -> str:
    """Sentences one below the other."""
    return '<ul class="gc-policy">' + "".join(f"<li>{escape(text)}</li>" for text in texts) + "</ul>"
