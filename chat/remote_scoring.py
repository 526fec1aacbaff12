"""How likely a model on a server goes on with given labels: a `moderation.base.Scorer` over OpenAI's API.

    scorer = RemoteScorer("http://localhost:8000/v1", "meta-llama/Llama-Guard-3-1B")
    scorer.load(print)              # asks the server what it can

What a server must do, best first; one that does none of it is refused with a sentence:

    /tokenize and /v1/completions with echo and logprobs (vLLM): every label's likelihood, exactly. Only there a prompt
    may consist of tokens, and what the chat template writes stays the server's affair.
    /v1/chat/completions with logprobs and top_logprobs (vLLM, SGLang, llama-server, OpenAI): what stands among the
    likeliest tokens along the answer that the server writes. A label that leaves that answer with a part of it has the
    part's likelihood, shared with the labels that begin alike; one that is not among the likeliest is told as minus
    infinity. “safe” and “unsafe”, “Yes” and “No” part at their first token, so for them that suffices.
    /v1/completions with logprobs, alike, for prompts that are text (GPT-JT-Moderation).

Each request is closed after `limit_s` seconds, and so a server that hangs keeps no thread.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from chat.remote import RemoteModel
from chat.remote_http import Client, Head, Limits, base_of, check_key, refusal
from chat.remote_prompt import shielded
from errors import AppError, ModerationError
from moderation.base import LabelPrompt, Report

_LONGEST_REPLY = 2**26
"""Bytes; a prompt's tokens with their likelihoods take about 100 each."""
_AT_ONCE = 32
"""Prompts of one request."""
_TOP = 20
"""Likeliest tokens asked for; more are more than OpenAI and vLLM tell."""
_LONGEST_LABEL = 12
"""Tokens that a server writes where labels are read off its answer."""

Tokens = list[int]


@dataclass(frozen=True, slots=True)
class Step:
    """One token of the server's answer, and the likeliest ones in its place with their log-likelihoods."""

    token: str
    tops: Mapping[str, float]


class _Unable(Exception):
    """The server does not do what was asked of it; `why` is what it says itself."""

    def __init__(self, why: AppError | None = None) -> None:
        super().__init__()
        self.why = why


class RemoteScorer:
    """A model on a server. Safe to call from several threads.

    `model` may be empty where the server has only one. The light constructor raises `InputError` for an address or a
    key that cannot be one.
    """

    def __init__(self, base_url: str, model: str = "", key: str = "", limit_s: float = 10.0) -> None:
        limits = Limits(connect_s=min(10.0, limit_s), silence_s=limit_s, tries=2)
        self._found = RemoteModel(base_url, model, key, limits=limits)
        base = base_of(base_url)
        self.host = self._found.host
        self._base = str(base)
        self._root = self._base.removesuffix("/v1")
        self._key = check_key(key, self.host)
        self._limit_s = limit_s
        self._client = Client(self.host, self._key, limits, secure=base.scheme == "https")
        self._exact: bool | None = None
        """Whether it tells likelihoods of tokens that it was given; None until it was asked."""

    @property
    def name(self) -> str:
        """The model's at the server; the server's own until it was asked which it has."""
        return self._found.name

    def load(self, report: Report) -> None:
        """Ask the server what it has, and whether it scores exactly. Raises `ModelError`."""
        if self._exact is None:
            self._found.load(report)
            try:
                self._tokens({"prompt": "A"})
                self._echoed(["One two three"])
                self._exact = True
            except _Unable:
                self._exact = False

    def score(self, prompts: Sequence[LabelPrompt], labels: Sequence[str]) -> list[list[float]]:
        """See `Scorer`. Asks the server what it can on first use."""
        try:
            self.load(lambda _: None)
            with suppress(_Unable):  # some tokenize texts, and no messages
                if self._exact:
                    return self._exactly(prompts, labels)
            return [self._along(prompt, labels) for prompt in prompts]
        except _Unable as error:
            why = error.why or self._refused()
            raise ModerationError(str(why), zh=why.told("zh")) from error
        except ModerationError:
            raise
        except AppError as error:
            raise ModerationError(str(error), zh=error.told("zh")) from error

    # Exactly

    def _exactly(self, prompts: Sequence[LabelPrompt], labels: Sequence[str]) -> list[list[float]]:
        texts: dict[str, Tokens] = {}

        def ids_of(text: str) -> Tokens:
            if text not in texts:
                texts[text] = self._tokens({"prompt": text, "add_special_tokens": False})
            return texts[text]

        asked: list[tuple[Tokens, int]] = []
        for prompt in prompts:
            ids = self._tokens(_asked(prompt) if prompt.messages else {"prompt": prompt.text})
            lead = ids_of(prompt.lead) if prompt.lead else []
            begun = prompt.lead if not lead or ids[-len(lead) :] != lead else ""
            asked += [(ids + ids_of(begun + label), len(ids)) for label in labels]
        sums: list[float] = []
        for start in range(0, len(asked), _AT_ONCE):
            batch = asked[start : start + _AT_ONCE]
            for (ids, begins), told in zip(batch, self._echoed([ids for ids, _ in batch]), strict=True):
                if len(told) < len(ids):
                    raise _Unable
                sums.append(sum(float(value) for value in told[begins : len(ids)]))
        return [sums[start : start + len(labels)] for start in range(0, len(sums), len(labels))]

    def _tokens(self, said: Mapping[str, Any]) -> Tokens:
        """Tokens of a text or of messages, by vLLM's /tokenize."""
        tokens = self._post(f"{self._root}/tokenize", said).get("tokens")
        if not isinstance(tokens, list) or not tokens or not all(type(token) is int for token in tokens):
            raise _Unable
        return tokens

    def _echoed(self, prompts: Sequence[Tokens] | Sequence[str]) -> list[list[float]]:
        """By prompt: the log-likelihoods of its tokens and of one more; not a number for the first."""
        said = self._post(
            f"{self._base}/completions",
            {"prompt": list(prompts), "echo": True, "logprobs": 1, "max_tokens": 1, "temperature": 0},
        )
        told = [_listed(choice, "logprobs", "token_logprobs") for choice in _choices(said)]
        if len(told) != len(prompts) or any(
            len(values) < 3 for values in told
        ):  # one is of a server that ignores `echo`
            raise _Unable
        return [[math.nan if value is None else float(value) for value in values] for values in told]

    # Along the server's own answer

    def _along(self, prompt: LabelPrompt, labels: Sequence[str]) -> list[float]:
        steps = self._chat_steps(_asked(prompt)) if prompt.messages else self._text_steps(prompt.text)
        written = "".join(step.token for step in steps)
        lead = prompt.lead if written.startswith(prompt.lead) else ""
        return read_off(steps, [lead + label for label in labels])

    def _chat_steps(self, asked: Mapping[str, Any]) -> list[Step]:
        said = self._post(
            f"{self._base}/chat/completions",
            {**asked, "logprobs": True, "top_logprobs": _TOP, "max_tokens": _LONGEST_LABEL, "temperature": 0},
        )
        steps = []
        for told in _listed(_choices(said)[0], "logprobs", "content"):
            tops = told.get("top_logprobs") if isinstance(told, dict) else None
            if not isinstance(tops, list) or not tops:
                raise _Unable
            steps.append(Step(str(told["token"]), {str(top["token"]): float(top["logprob"]) for top in tops}))
        return steps

    def _text_steps(self, text: str) -> list[Step]:
        said = self._post(
            f"{self._base}/completions",
            {"prompt": text, "logprobs": _TOP, "max_tokens": _LONGEST_LABEL, "temperature": 0},
        )
        choice = _choices(said)[0]
        tokens, tops = _listed(choice, "logprobs", "tokens"), _listed(choice, "logprobs", "top_logprobs")
        if not all(isinstance(top, dict) and top for top in tops):
            raise _Unable
        return [Step(str(token), top) for token, top in zip(tokens, tops, strict=False)]

    # The server

    def _post(self, url: str, said: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the server answers. Raises `_Unable` where it does not know the request, else `AppError`."""
        head: Head | None = None
        body = bytearray()
        until = time.monotonic() + self._limit_s
        with self._client.open("POST", url, {**self._named(), **said}) as exchange:
            for piece in exchange.pieces():
                if isinstance(piece, Head):
                    head = piece
                elif piece is not None:
                    body += piece
                if time.monotonic() > until or len(body) > _LONGEST_REPLY:
                    raise ModerationError(
                        f"The moderator at {self.host} did not answer within {self._limit_s:g} s; raise "
                        "--moderation-limit-s, or relieve it.",
                        zh=f"{self.host} 上的审核模型在 {self._limit_s:g} 秒内没有回答；请调高 --moderation-limit-s，"
                        "或减轻其负担。",
                    )
        if head is None or head.status != 200:
            why = refusal(self.host, head or Head(502, "", 0), bytes(body), self._found.name, self._key)
            raise _Unable(why if head.status == 400 else None) if head and head.status in _UNKNOWN else why
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):
            raise _Unable from None
        if not isinstance(answer, dict):
            raise _Unable
        return answer

    def _named(self) -> dict[str, str]:
        """The model's name; nothing for a server that has one and does not name it."""
        return {} if self.name == self.host else {"model": self.name}

    def _refused(self) -> ModerationError:
        return ModerationError(
            f"{self.host} does not tell how likely labels are; use vLLM, or a server whose chat or text completions "
            "give top_logprobs, or load the moderator on this machine.",
            zh=f"{self.host} 不提供标签的概率；请使用 vLLM，或在对话或文本补全中提供 top_logprobs 的服务器，"
            "或在本机加载审核模型。",
        )


_UNKNOWN = frozenset({400, 404, 405, 415, 422, 501})


def _asked(prompt: LabelPrompt) -> dict[str, Any]:
    """Messages as a server takes them; what people wrote opens no turn."""
    messages = [{"role": role, "content": _content(shielded(text), prompt.parts)} for role, text in prompt.messages]
    told = {"chat_template_kwargs": dict(prompt.variables)} if prompt.variables else {}
    return {"messages": messages, **told}


def _content(text: str, parts: bool) -> object:
    return [{"type": "text", "text": text}] if parts else text


def _choices(said: Mapping[str, Any]) -> list[dict[str, Any]]:
    """By `index`. Raises `_Unable` where there are none."""
    choices = said.get("choices")
    if not isinstance(choices, list) or not choices or not all(isinstance(choice, dict) for choice in choices):
        raise _Unable
    return sorted(choices, key=lambda choice: int(choice.get("index", 0)))


def _listed(choice: Mapping[str, Any], *path: str) -> list[Any]:
    """The list at `path`. Raises `_Unable` where there is none."""
    said: object = choice
    for key in path:
        said = said.get(key) if isinstance(said, dict) else None
    if not isinstance(said, list) or not said:
        raise _Unable
    return said


def read_off(steps: Sequence[Step], labels: Sequence[str]) -> list[float]:
    """Log-likelihoods of labels, as far as they can be told from what was written and what nearly was.

    Minus infinity for a label that no likely token begins.
    """
    ends = [_end(steps, label) for label in labels]
    alike = [sum(1 for other in ends if other is not None and other[1] == end[1]) if end else 1 for end in ends]
    return [
        end[0] - (math.log(count) if end[2] else 0.0) if end else -math.inf
        for end, count in zip(ends, alike, strict=True)
    ]


def _end(steps: Sequence[Step], label: str) -> tuple[float, str, bool] | None:
    """The likelihood of as much of a label as can be told, that part, and whether there is more of it."""
    total, done = 0.0, ""
    for step in steps:
        rest = label[len(done) :]
        written = step.token.rstrip() if step.token.rstrip() == rest else step.token
        if rest.startswith(written) and step.token in step.tops and written:
            total += step.tops[step.token]
            done += written
            if done == label:
                return total, done, False
            continue
        tops = {token.rstrip() if token.rstrip() == rest else token: value for token, value in step.tops.items()}
        fits = [token for token in tops if token and rest.startswith(token)]
        if not fits:
            return None
        token = max(fits, key=len) if rest in fits else max(fits, key=lambda fit: tops[fit])
        return total + tops[token], done + token, done + token != label
    return None
