"""How a conversation becomes text for a model: a chat template, what ends an answer, and which role tags are escaped.

FORMATS holds the tokenizer's own template, OpenChatKit's text and plain User/Assistant text; `chat.prompt` writes them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from chat.bilingual import Bilingual
from chat.role_tags import LINE_START


@dataclass(frozen=True, slots=True)
class Format:
    """How turns are written. `template` is a Jinja chat template; None means the tokenizer's own."""

    template: str | None = None
    stop: tuple[str, ...] = ()
    """Strings that end an answer and are never shown."""
    lead: str = ""
    """What the model writes before the first word of an answer, beyond the prompt; not shown."""
    tags: re.Pattern[str] | None = None
    """Role tags that must not stand in anybody's text; group `tag` is set in single guillemets."""
    caution: tuple[Bilingual, ...] = ()
    """What a person should know of a model that is written to like this; told with the first answer."""


FORMATS: MappingProxyType[str, Format] = MappingProxyType(
    {
        "chat-template": Format(),
        "openchatkit": Format(
            template=(
                "Current Date: {{ date }}\nCurrent Time: {{ time }}\n\n"
                "{% for message in messages %}"
                "<{{ 'human' if message.role == 'user' else 'bot' }}>: {{ message.content }}\n"
                "{% endfor %}"
                "{% if add_generation_prompt %}<bot>:{% endif %}"
            ),
            stop=("\n<human>", "<human>", "\n<bot>", "<bot>"),
            lead=" ",
            tags=re.compile(r"<(?P<tag>\s*/?\s*(?:human|bot)\s*)>", re.IGNORECASE),
        ),
        "plain": Format(
            template=(
                "{{ bos_token }}"
                "{% for message in messages %}{{ message.role | capitalize }}: {{ message.content }}\n\n{% endfor %}"
                "{% if add_generation_prompt %}Assistant:{% endif %}"
            ),
            stop=("\n\nUser:", "\nUser:", "\n\nAssistant:", "\nAssistant:"),
            lead=" ",
            tags=re.compile(rf"{LINE_START}(?P<tag>[ \t]*(?:user|assistant)[ \t]*)(?=:)", re.IGNORECASE),
            caution=(
                Bilingual(
                    "This model has no chat template, so it is written to in plain lines of User and Assistant; if "
                    "it answers badly, choose a model that was made to chat.",
                    zh="此模型没有聊天模板，所以用 User 和 Assistant 开头的普通文本与它对话；如果回答不佳，"
                    "请换一个为聊天训练的模型。",
                ),
            ),
        ),
    }
)

_FORMAT_OF_TYPE = MappingProxyType({"gpt_neox": "openchatkit"})
"""Format of a model without a chat template, by its `model_type`; any other is written plainly."""


def format_of(tokenizer: Any, model_type: str) -> str:
    """Name of the format for a model that the catalogue does not know."""
    return "chat-template" if tokenizer.chat_template else _FORMAT_OF_TYPE.get(model_type, "plain")
