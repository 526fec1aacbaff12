"""Thumbs beside the buttons under an answer, and what can be said of it once one was pressed; as HTML, all escaped."""

from __future__ import annotations

from html import escape

from chat.conversation import Turn
from chat.rating import LONGEST_IDEAL, Keep, Rating, Reason, Thumb, reasons_in_words
from chat.ratings import rateable
from ui.texts import say

_HAND = (
    '<path d="M7 10.500h-2.500a1 1 0 0 0-1 1v7.500a1 1 0 0 0 1 1h2.500z"/>'
    '<path d="M7 10.500l3.600-6.600c.5-.9 1.900-.8 2.400.2.3.6.4 1.300.2 2l-.700 3.400h5.200a2 2 0 0 1 2 2.400'
    'l-1.300 6.500a2 2 0 0 1-2 1.600h-9.400"/>'
)
_ICONS = {Thumb.UP: _HAND, Thumb.DOWN: f'<g transform="rotate(180 12 12)">{_HAND}</g>'}


def thumbs(turn: Turn, language: str, keeps: Keep | None) -> str:
    """The two buttons; nothing where answers cannot be rated (`keeps` is None) or this is none."""
    if keeps is None or not rateable(turn):
        return ""
    return "".join(_thumb(turn, thumb, language) for thumb in Thumb)


def _thumb(turn: Turn, thumb: Thumb, language: str) -> str:
    pressed = turn.rating is not None and turn.rating.thumb is thumb
    name = escape(say(language, f"rate_{thumb}"))
    return (
        f'<button type="button" class="gc-act" data-gc-act="rate" data-gc-turn="{escape(turn.id)}" '
        f'data-gc-thumb="{thumb}" aria-pressed="{"true" if pressed else "false"}" aria-label="{name}" title="{name}">'
        f'<svg viewBox="0 0 24 24" aria-hidden="true">{_ICONS[thumb]}</svg></button>'
    )


def panel(turn: Turn, language: str, keeps: Keep | None) -> str:
    """Thanks for a rating, and inside it why the answer is bad, whether its text may be kept, and a better answer."""
    rating = turn.rating
    if rating is None or keeps is None:
        return ""
    down = rating.thumb is Thumb.DOWN
    inside = (_reasons(rating, language) if down else "") + _consent(rating, language, keeps)
    inside += _ideal(rating, language) if down and not rating.barred else ""
    if down or (keeps is Keep.ASK and not rating.barred):
        inside += (
            f'<div class="gc-send"><button type="button" class="gc-plain" data-gc-act="unrate" '
            f'data-gc-turn="{escape(turn.id)}">{escape(say(language, "rating_back"))}</button>'
            f'<button type="button" class="gc-strong" data-gc-act="rated" data-gc-turn="{escape(turn.id)}" '
            f'data-gc-thumb="{rating.thumb}">{escape(say(language, "rating_send"))}</button></div>'
        )
    thanks = escape(_thanks(rating, language, keeps))
    is_open = " open" if down and not rating.explained else ""
    return (
        f'<details class="gc-rating"{is_open}><summary><span role="status">{thanks}</span></summary>'
        f'<div class="gc-rated">{inside}</div></details>'
    )


def _thanks(rating: Rating, language: str, keeps: Keep) -> str:
    if rating.thumb is Thumb.DOWN and not rating.explained:
        return say(language, "rating_why")
    said = [say(language, f"rated_{rating.thumb}")]
    said += [reasons_in_words(rating.reasons, language)] if rating.reasons else []
    asks = keeps is Keep.ASK and not rating.barred and not rating.explained
    kept = "rating_kept" if rating.keep else "rating_may" if asks else "rating_counted"
    return " · ".join([*said, say(language, kept)])


def _reasons(rating: Rating, language: str) -> str:
    boxes = "".join(
        f'<label><input type="checkbox" name="{reason}"{_checked(reason in rating.reasons)}>'
        f"<span>{escape(reasons_in_words([reason], language))}</span></label>"
        for reason in Reason
    )
    return f'<div class="gc-reasons" role="group" aria-label="{escape(say(language, "rating_why"))}">{boxes}</div>'


def _consent(rating: Rating, language: str, keeps: Keep) -> str:
    """What happens to the text, and a box to agree with it where that is asked for."""
    if rating.barred:
        return f"<p>{escape(say(language, 'rating_barred'))}</p>"
    if keeps is Keep.ALWAYS:
        return f"<p>{escape(say(language, 'rating_always'))}</p>"
    return (
        f'<label class="gc-consent"><input type="checkbox" name="keep"{_checked(rating.keep)}>'
        f"<span>{escape(say(language, 'rating_keep'))}</span></label><p>{escape(say(language, 'rating_keeps'))}</p>"
    )


def _ideal(rating: Rating, language: str) -> str:
    name = escape(say(language, "rating_ideal"))
    return (
        f'<textarea class="gc-ideal" rows="3" maxlength="{LONGEST_IDEAL}" dir="auto" aria-label="{name}" '
        f'placeholder="{name}">\n{escape(rating.ideal)}</textarea>'
    )


def _checked(yes: bool) -> str:
    return " checked" if yes else ""


def told(language: str, keeps: Keep, texts: int) -> str:
    """What happens to ratings, in sentences; how many of the visitor's texts are kept, and a button to delete them."""
    kinds = ("rating_told", "rating_told_always" if keeps is Keep.ALWAYS else "rating_told_ask", "rating_told_not")
    lines = "".join(f"<li>{escape(say(language, key))}</li>" for key in kinds)
    mine = "rating_mine_one" if texts == 1 else "rating_mine" if texts else "rating_mine_none"
    sure, forget = (escape(say(language, key)) for key in ("rating_forget_sure", "rating_forget"))
    return (
        f'<ul class="gc-policy">{lines}</ul><p class="gc-mine">{escape(say(language, mine, count=texts))}</p>'
        f'<button type="button" class="gc-plain" data-gc-act="forget" data-gc-sure="{sure}">{forget}</button>'
    )
