"""Tokens become text that may be shown: whole characters only, and nothing of a stop string.

A token is often part of a character (emoji, CJK) and decodes differently after another one, so a short window of
tokens is decoded again for each new one and what it adds is passed on, as far as no later token can change it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_BROKEN = "\ufffd"
"""What a decoder writes for bytes that are not (yet) a character."""
_WINDOW = 24
_KEPT = 6
"""Tokens that stay in the window for context when it is cut."""
_LONGEST_CHARACTER = 8
"""Tokens after which broken bytes are taken as they are: a character has 4 bytes, and a token at least one."""


class Detokenizer:
    """Decodes one answer, token by token."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._window: list[int] = []
        self._shown = 0
        """Characters of the window's text that were passed on."""
        self._waiting = 0
        """Tokens since the text last ended in a whole character."""
        self._ends = [0]
        """Places in the window where a whole character ends; only there may it be cut."""

    def push(self, token: int) -> str:
        """The text that `token` completes, often empty."""
        self._window.append(token)
        text = self._text()
        whole = text.rstrip(_BROKEN)
        self._waiting = self._waiting + 1 if whole != text else 0
        if self._waiting >= _LONGEST_CHARACTER:
            whole, self._waiting = text, 0
        piece = whole[self._shown :]
        self._shown = max(self._shown, len(whole))
        if self._waiting == 0:
            self._ends.append(len(self._window))
            if len(self._window) >= _WINDOW:
                self._cut()
        return piece

    def _cut(self) -> None:
        """Forget the older tokens. Some decoders spoil a whole run of bytes when it begins inside a character."""
        cut = max(end for end in self._ends if end <= max(0, len(self._window) - _KEPT))
        self._window = self._window[cut:]
        self._ends = [end - cut for end in self._ends if end >= cut]
        self._shown = len(self._text())

    def finish(self) -> str:
        """What is still held back: nothing, unless the answer really ends in U+FFFD; half a character is dropped."""
        held = self._text()[self._shown :]
        written = self._tokenizer.encode(held, add_special_tokens=False) if held else []
        return held if written and self._window[-len(written) :] == written else held.rstrip(_BROKEN)

    def _text(self) -> str:
        decoded: str = self._tokenizer.decode(
            self._window, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return decoded


class StopFilter:
    """Withholds stop strings: text that may be the beginning of one waits until the next text decides.

    `begun` is text that is shown already; a stop string that begins in it ends the answer too.
    """

    def __init__(self, stop: Sequence[str], begun: str = "") -> None:
        self._stop = tuple(stop)
        self._held = begun[self._decided(begun) :]
        self._shown = len(self._held)
        """Characters at the beginning of what is held that are shown already."""
        self.stopped = False

    def push(self, text: str) -> str:
        """The text that may be shown now. After a stop string has come nothing more is."""
        if self.stopped:
            return ""
        text = self._held + text
        found = [at for at in map(text.find, self._stop) if at >= 0]
        self.stopped = bool(found)
        end = min(found, default=self._decided(text))
        piece, self._held = text[self._shown : end], "" if found else text[end:]
        self._shown = max(0, self._shown - end)
        return piece

    def finish(self, cut: bool = False) -> str:
        """The text held back for a stop string that never came.

        Nothing of it where the answer was `cut`: the stop string might have come, and whoever goes on with the answer
        writes the held text anew, whole.
        """
        held, self._held = self._held[self._shown :], ""
        return "" if cut else held

    def _decided(self, text: str) -> int:
        """Where the end of `text` begins that may become a stop string."""
        return len(text) - max((_overlap(text, stop) for stop in self._stop), default=0)


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of `text` that is a beginning of `stop`, and not all of it."""
    return next((n for n in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:n])), 0)


class TextStream:
    """One answer on its way from tokens to the page. `begun` are the tokens of its beginning, shown before."""

    def __init__(self, tokenizer: Any, stop: Sequence[str] = (), lead: str = "", begun: Sequence[int] = ()) -> None:
        self._characters = Detokenizer(tokenizer)
        self._stops = StopFilter(stop, "".join(map(self._characters.push, begun[-_WINDOW:])))
        self._lead = lead

    @property
    def stopped(self) -> bool:
        """Whether a stop string has come: the answer is complete."""
        return self._stops.stopped

    def push(self, token: int) -> str:
        """The text that may be shown after `token`."""
        return self._stops.push(self._without_lead(self._characters.push(token)))

    def finish(self, cut: bool = False) -> str:
        """The text that was held back and may be shown now that no token follows; `cut`: though one would have."""
        return self._stops.push(self._without_lead(self._characters.finish())) + self._stops.finish(cut)

    def _without_lead(self, text: str) -> str:
        if not text:
            return text
        lead, self._lead = self._lead, ""
        return text.removeprefix(lead)
