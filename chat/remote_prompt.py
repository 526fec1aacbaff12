"""A conversation becomes the messages of a request, within the context of a model whose tokenizer is elsewhere.

The server writes the prompt with its model's own chat template, so nobody here knows the special tokens. What could
open a turn in any common template is therefore made plain in every text that is sent: the control tokens in
`CONTROL_TOKENS` lose their brackets (`<|im_start|>` becomes `‹|im_start|›`), role names at the start of a line are
quoted. Not covered: a template whose turns begin with other words, look-alikes that a tokenizer's normalizer maps to
one of these, and servers whose tokenizer reads no special tokens in messages, which would not need it.

Tokens are estimated: a third of one for a letter of ASCII, one for any other. Estimates are meant to be too high.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from chat.base import Message, Role
from chat.budget import Ruler
from chat.budget import fit as budget_fit
from chat.left_out import what_was_left_out
from chat.prompt import HEAD_SHARE, SOURCES_HEAD, read_of, read_where_cut, turns_of
from chat.role_tags import LINE_START
from errors import InputError
from retrieval.base import Passage

_ROLES = "system|user|assistant|human|bot"
_MISTRAL = (
    "INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|MODEL_SETTINGS|ARGS|CALL_ID|THINK|REF|"
    "IMG|IMG_BREAK|IMG_END|AUDIO|BEGIN_AUDIO|PREFIX|MIDDLE|SUFFIX|BOS|EOS|PAD|UNK|CLS|SEP|MASK|gMASK|sMASK"
)

CONTROL_TOKENS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("ChatML, Llama 3, Phi, Qwen, GPT: <|im_start|>", re.compile(r"<(?P<tag>\|[^<>|\s][^<>|\n]{0,60}\|?)>")),
    ("Gemma 4: <turn|>, <channel|>", re.compile(r"<(?P<tag>[^<>|\n]{1,60}\|)>")),
    ("DeepSeek: <｜User｜>", re.compile(r"<(?P<tag>｜[^<>\n]{1,60}｜)>")),
    ("sentence ends: <s>, </s>, <bos>, <eos>", re.compile(r"<(?P<tag>/?s|bos|eos|pad|unk|mask|sep|cls)>")),
    ("Llama 2: <<SYS>>", re.compile(r"<<(?P<tag>/?SYS)>>")),
    ("Mistral, ChatGLM, BERT: [INST], [gMASK], [SEP]", re.compile(rf"\[(?P<tag>/?(?:{_MISTRAL}))\]")),
    ("Gemma: <start_of_turn>", re.compile(r"<(?P<tag>(?:start|end)_of_[a-z_]{1,30})>")),
    ("T5, Nemotron: <extra_id_0>", re.compile(r"<(?P<tag>(?:extra_id|SPECIAL|reserved)_?\d{1,5})>")),
    ("thinking: <think>", re.compile(r"<(?P<tag>/?think(?:ing)?)>")),
    ("OpenChatKit: <human>", re.compile(r"<(?P<tag>\s*/?\s*(?:human|bot)\s*)>", re.IGNORECASE)),
    (
        "Alpaca: ### Response:",
        re.compile(rf"{LINE_START}(?P<tag>[ \t]*#{{2,4}} (?:{_ROLES}|instruction|input|response)[ \t]*)(?=:)", re.I),
    ),
    ("Vicuna: ASSISTANT:", re.compile(rf"{LINE_START}(?P<tag>[ \t]*(?:{_ROLES})[ \t]*)(?=:)", re.I)),
)
"""Where each stands, and what is quoted. None of the quoted forms is a token of any of these models."""

_SURROGATES = re.compile("[\ud800-\udfff]")
_LETTERS_PER_TOKEN = 3
_TURN_TOKENS = 8
"""What a template writes around a message."""
_CONTINUE = (
    "Your answer above was cut off by its length. Go on with it exactly where it stops, in the middle of the sentence "
    "if need be. Repeat nothing of it and do not comment on this."
)


@dataclass(frozen=True, slots=True)
class Fitted:
    """What is sent."""

    messages: tuple[dict[str, str], ...]
    room: int
    """Tokens the answer may take."""
    notices: tuple[str, ...]
    """What was left out, one sentence each."""
    read: tuple[Message, ...] = ()
    """The conversation of it as it was typed, where that is not all of it and of the passages."""


def shielded(text: str) -> str:
    """The text with nothing in it that a chat template could have written."""
    text = _SURROGATES.sub("\ufffd", text)
    for _, pattern in CONTROL_TOKENS:
        text = pattern.sub("‹\\g<tag>›", text)
    return text


def tokens_of(text: str) -> int:
    """About how many tokens the text takes; seldom fewer."""
    plain = len(text.encode("ascii", "ignore"))
    return -(-plain // _LETTERS_PER_TOKEN) + len(text) - plain


def fit(
    messages: Sequence[Message],
    passages: Sequence[Passage],
    *,
    begun: str,
    continues: bool,
    max_new_tokens: int,
    context: int,
) -> Fitted:
    """The messages of a request, the newest user turn standing on `passages`.

    `continues`: the server goes on with a last assistant message; another one is asked to. Where `context` (tokens) is
    0 it is not known and nothing is left out. Raises `InputError` when the newest turn alone does not fit.
    """
    turns = turns_of(messages)
    system = [Message(Role.SYSTEM, turns.system)] if turns.system else []
    after = [Message(Role.ASSISTANT, begun)] if begun else []
    brief = False
    if begun and not continues:
        after.append(Message(Role.USER, _CONTINUE))

    def chat(history: Sequence[Message], sources: Sequence[Passage]) -> list[Message]:
        spoken = [*system, *read_of(turns, history, sources, brief), *after]
        return [Message(message.role, shielded(message.content)) for message in spoken]

    def length(history: Sequence[Message], sources: Sequence[Passage]) -> int:
        return sum(tokens_of(message.content) + _TURN_TOKENS for message in chat(history, sources))

    if not context:
        return Fitted(_sent(chat(turns.history, passages)), max_new_tokens, ())
    reserved = min(max_new_tokens, context // 2)
    budget = context - reserved
    if (bare := length((), ())) > budget:
        raise InputError(
            f"The message is too long: it takes about {bare:,} tokens and this model can read {budget:,} beside an "
            f"answer of {reserved:,}; shorten it or send it in parts.",
            zh=f"消息太长：它约有 {bare:,} 个词元，除去 {reserved:,} 个词元的回答，此模型只能读 {budget:,} 个；"
            "请缩短，或分几次发送。",
        )
    brief = budget - bare < HEAD_SHARE * tokens_of(SOURCES_HEAD)
    kept = budget_fit(turns.history, passages, budget, reserved, Ruler(length, tokens_of, _cut))
    room = min(max_new_tokens, context - length(kept.history, kept.sources))
    told = what_was_left_out(kept, passages, context)
    return Fitted(_sent(chat(kept.history, kept.sources)), room, told, read_where_cut(turns, passages, kept, brief))


def _sent(spoken: Sequence[Message]) -> tuple[dict[str, str], ...]:
    return tuple({"role": message.role.value, "content": message.content} for message in spoken)


def _cut(text: str, first: int, last: int) -> str:
    """The beginning and the end of a text that take about so many tokens; seldom more."""
    share = len(text) / max(1, tokens_of(text))
    beginning, end = text[: int(first * share)], text[len(text) - int(last * share) :]
    return f"{beginning} … {end}" if last else beginning
