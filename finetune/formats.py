"""Conversations and preference pairs from the records of the formats that chat data comes in.

Which format a record has, its fields tell; a file holds one. Read strictly: every fault of a record is told with its
field, and other fields are passed over.

    messages     {"messages": [{"role": "user", "content": "…"}, …]}, this app's own export, OpenAI's and TRL's
    ShareGPT     {"conversations": [{"from": "human", "value": "…"}, {"from": "gpt", "value": "…"}]}
    Alpaca       {"instruction": "…", "input": "…", "output": "…"}
    OIG          {"text": "<human>: …\\n<bot>: …"}, OpenChatKit's; what stands before the first tag is a system turn
    completion   {"prompt": "…" or turns, "completion": "…" or turns}, TRL's
    preference   {"prompt": "…" or turns, "chosen": "…" or turns, "rejected": "…" or turns}, TRL's; without `prompt`
                 the turns that both begin with, in turns or in hh-rlhf's text, "\\n\\nHuman: …\\n\\nAssistant: …".
                 Beside a prompt, turns may be the whole conversation (UltraFeedback)

A conversation is an optional system turn, then user and assistant in turn, user first. What follows the last answer
teaches nothing and is left out. A message with `"weight": 0` is not taught (OpenAI's fine-tuning format).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from chat.base import Role
from finetune.examples import Example, Pair, Turn

_OIG_TAG = re.compile(r"(?:\A|(?<=\n))[ \t]*<(human|bot)>:[ \t]?", re.IGNORECASE)
_HH_TAG = re.compile(r"(?:\A|\n\n)(Human|Assistant):[ \t]?")
_ROLES = MappingProxyType({"system": Role.SYSTEM, "user": Role.USER, "assistant": Role.ASSISTANT})
_SHARED = MappingProxyType(
    {"system": Role.SYSTEM, "human": Role.USER, "user": Role.USER, "gpt": Role.ASSISTANT, "assistant": Role.ASSISTANT}
)
_TAGGED = MappingProxyType({"human": Role.USER, "bot": Role.ASSISTANT, "assistant": Role.ASSISTANT})
_CALLED = MappingProxyType(
    {
        type(None): "null",
        bool: "true or false",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "an object",
        str: "a text",
    }
)
_SURROGATE = re.compile(r"[\ud800-\udfff]")

Problem = tuple[str, str, str]
"""Field, and what is wrong with it in English and Chinese."""


@dataclass(slots=True)
class Report:
    """Gathers what is wrong with one record."""

    problems: list[Problem] = field(default_factory=list)

    def add(self, where: str, reason: str, zh: str) -> None:
        self.problems.append((where, reason, zh))


@dataclass(frozen=True, slots=True)
class Kind:
    """A format: how it is called, and its parser. Either may give None where the report says why."""

    name: str
    fields: tuple[str, ...]
    """Fields that tell it: all of them must be there."""
    example: Callable[[Mapping[str, Any], Report], tuple[Turn, ...]] | None = None
    pair: Callable[[Mapping[str, Any], Report], tuple[tuple[Turn, ...], str, str] | None] | None = None


Wanted = Callable[[Kind], bool]


def kind_of(record: Mapping[str, Any], first: Kind | None, wanted: Wanted) -> Kind | None:
    """The format of a record, by its fields: that of the `first` in its file where they allow it, a wanted one else."""
    kinds = [*([first] if first else []), *filter(wanted, KINDS), *KINDS]
    return next((kind for kind in kinds if all(name in record for name in kind.fields)), None)


def missing(record: Mapping[str, Any], first: Kind | None, wanted: Wanted) -> list[Problem]:
    """What a record without a format lacks to be like the `first`, or else of the format that it is nearest to."""
    kinds = [kind for kind in KINDS if wanted(kind)]
    nearest = first or max(kinds, key=lambda kind: sum(name in record for name in kind.fields))
    if first or any(name in record for name in nearest.fields):
        return [(name, "it is missing", "缺少此项") for name in nearest.fields if name not in record]
    there = ", ".join(list(record)[:8]) or "none"
    known = "; ".join(" and ".join(kind.fields) for kind in kinds)
    return [("", f"its fields ({there}) are of no known format: {known}", f"其字段（{there}）不属于已知格式：{known}")]


def example(kind: Kind, record: Mapping[str, Any], source: str, report: Report) -> Example | None:
    """The conversation of a record, or None where the report says what is wrong."""
    assert kind.example is not None
    turns = _answered(kind.example(record, report), report, kind.fields[0])
    return None if report.problems else Example(turns, source)


def pair(kind: Kind, record: Mapping[str, Any], source: str, report: Report) -> Pair | None:
    """The preference pair of a record, or None where the report says what is wrong."""
    assert kind.pair is not None
    found = kind.pair(record, report)
    return None if report.problems or found is None else Pair(*found, source)


def _answered(turns: tuple[Turn, ...], report: Report, where: str) -> tuple[Turn, ...]:
    """The turns up to the last answer. Reports that there is none, or none that is taught."""
    last = max((at for at, turn in enumerate(turns) if turn.role is Role.ASSISTANT), default=-1)
    if not report.problems and last < 0:
        report.add(where, "no turn is the assistant's, so there is nothing to learn", "没有助手的回合，无可学习")
    elif not report.problems and not any(turn.taught for turn in turns if turn.role is Role.ASSISTANT):
        report.add(where, "every answer has weight 0, so there is nothing to learn", "所有回答的权重为 0，无可学习")
    return turns[: last + 1]


def _text(value: Any, where: str, report: Report, empty: bool = False) -> str:
    """A text that is one. Where `empty`, it may be missing."""
    if isinstance(value, list) and value and all(isinstance(p, dict) and p.get("type") == "text" for p in value):
        parts = [_text(part.get("text"), f"{where}[{at}].text", report, empty) for at, part in enumerate(value)]
        return "\n\n".join(parts)
    if value is None:
        if not empty:
            report.add(where, "it is null, not a text", "它是 null，不是文本")
        return ""
    if not isinstance(value, str):
        report.add(where, f"it is {called(value)}, not a text", f"它不是文本（{called(value)}）")
        return ""
    if not value.strip() and not empty:
        report.add(where, "the text is empty", "文本为空")
    elif match := _SURROGATE.search(value):
        report.add(
            where,
            f"character {match.start() + 1} is half a surrogate pair",
            f"第 {match.start() + 1} 个字符是半个代理对",
        )
    elif "\0" in value:
        report.add(where, f"character {value.index(chr(0)) + 1} is NUL", f"第 {value.index(chr(0)) + 1} 个字符是 NUL")
    return value.strip()


def called(value: Any) -> str:
    """What JSON calls a value that is not the wanted one."""
    return _CALLED.get(type(value), type(value).__name__)


def _turns(
    value: Any,
    where: str,
    report: Report,
    names: tuple[str, str] = ("role", "content"),
    roles: Mapping[str, Role] = _ROLES,
) -> tuple[Turn, ...]:
    """Turns of a list of messages, whose role and text stand under `names`."""
    if not isinstance(value, list):
        kind = called(value)
        report.add(where, f"it is {kind}, not a list of messages", f"它不是消息列表（{kind}）")
        return ()
    if not value:
        report.add(where, "the list is empty", "列表为空")
    turns = []
    for at, message in enumerate(value):
        place = f"{where}[{at}]"
        if not isinstance(message, dict):
            kind = called(message)
            report.add(place, f"it is {kind}, not a message", f"它不是消息（{kind}）")
            continue
        absent = [name for name in names if name not in message]
        for name in absent:
            report.add(f"{place}.{name}", "it is missing", "缺少此项")
        if absent:
            continue
        role = _role(message[names[0]], f"{place}.{names[0]}", report, roles)
        text = _text(message[names[1]], f"{place}.{names[1]}", report)
        weight = message.get("weight")
        weight = 1 if weight is None else weight  # Parquet has the field in every message once one has it
        if isinstance(weight, bool) or weight not in (0, 1):
            report.add(f"{place}.weight", "it is neither 0 nor 1", "它既不是 0 也不是 1")
        if role is not None:
            turns.append((f"{place}.{names[0]}", "", Turn(role, text, taught=weight != 0)))
    return _ordered(turns, report)


def _role(value: Any, where: str, report: Report, roles: Mapping[str, Role]) -> Role | None:
    if not isinstance(value, str):
        kind = called(value)
        report.add(where, f"it is {kind}, not a role", f"它不是角色（{kind}）")
        return None
    role = roles.get(value)
    if role is None:
        known = ", ".join(roles)
        report.add(
            where, f"the role “{value[:40]}” is unknown; {known} are", f"未知的角色“{value[:40]}”；可用：{known}"
        )
    return role


def _ordered(turns: Sequence[tuple[str, str, Turn]], report: Report) -> tuple[Turn, ...]:
    """The turns, where a system turn is the first or none, and user and assistant alternate, user first.

    Each comes with its field, and with its place in it where several share one.
    """
    if report.problems:
        return ()
    wanted = Role.USER
    for at, (where, place, turn) in enumerate(turns):
        if turn.role is Role.SYSTEM:
            if at:
                report.add(where, f"{place}a system turn stands behind other turns", f"{place}系统回合不在最前")
            continue
        if turn.role is not wanted:
            reason = f"{place}here a turn of {wanted} should be, not of {turn.role}"
            report.add(where, reason, f"{place}此处应为 {wanted}，却是 {turn.role}")
        wanted = Role.ASSISTANT if turn.role is Role.USER else Role.USER
    return tuple(turn for _, _, turn in turns)


def _tagged(text: str, tag: re.Pattern[str], where: str, report: Report, open_end: bool = False) -> tuple[Turn, ...]:
    """Turns of a dialogue in one text. Where `open_end`, the last may be an answer that is still to be written."""
    found = list(tag.finditer(text))
    turns = []
    preamble = text[: found[0].start()].strip() if found else ""
    if preamble:
        turns.append((where, "", Turn(Role.SYSTEM, preamble)))
    ends = [*(match.start() for match in found[1:]), len(text)][: len(found)]
    for at, (match, end) in enumerate(zip(found, ends, strict=True)):
        said = text[match.end() : end].strip()
        role = _TAGGED[match[1].lower()]
        if not said and open_end and at == len(found) - 1 and role is Role.ASSISTANT:
            continue
        if not said:
            report.add(
                where, f"turn {at + 1}, {match[0].strip()}, is empty", f"第 {at + 1} 个回合（{match[0].strip()}）为空"
            )
        turns.append((where, f"turn {at + 1}: ", Turn(role, said)))
    return _ordered(turns, report)


def _messages(record: Mapping[str, Any], report: Report) -> tuple[Turn, ...]:
    return _turns(record["messages"], "messages", report)


def _share_gpt(record: Mapping[str, Any], report: Report) -> tuple[Turn, ...]:
    system = _text(record.get("system"), "system", report, empty=True)
    turns = _turns(record["conversations"], "conversations", report, ("from", "value"), _SHARED)
    if system and turns and turns[0].role is Role.SYSTEM:
        report.add("system", "the conversation begins with a system turn, too", "对话本身已以系统回合开头")
    return (Turn(Role.SYSTEM, system), *turns) if system else turns


def _alpaca(record: Mapping[str, Any], report: Report) -> tuple[Turn, ...]:
    system = _text(record.get("system"), "system", report, empty=True)
    asked = _text(record["instruction"], "instruction", report)
    given = _text(record.get("input"), "input", report, empty=True)
    answer = _text(record["output"], "output", report)
    question = f"{asked}\n\n{given}" if given else asked
    spoken = (Turn(Role.USER, question), Turn(Role.ASSISTANT, answer))
    return (Turn(Role.SYSTEM, system), *spoken) if system else spoken


def _oig(record: Mapping[str, Any], report: Report) -> tuple[Turn, ...]:
    text = _text(record["text"], "text", report)
    if not report.problems and not _OIG_TAG.search(text):
        report.add("text", "no line of it begins with <human>: or <bot>:", "没有以 <human>: 或 <bot>: 开头的行")
    return _tagged(text, _OIG_TAG, "text", report)


def _completion(record: Mapping[str, Any], report: Report) -> tuple[Turn, ...]:
    asked = _prompt(record["prompt"], report)
    answer = _answer(record["completion"], "completion", report)
    return (*asked, Turn(Role.ASSISTANT, answer))


def _prompt(value: Any, report: Report) -> tuple[Turn, ...]:
    """The turns before an answer, of which the last is the user's."""
    if isinstance(value, list):
        turns = _turns(value, "prompt", report)
    else:
        text = _text(value, "prompt", report)
        tag = next((tag for tag in (_OIG_TAG, _HH_TAG) if tag.search(text)), None)
        turns = _tagged(text, tag, "prompt", report, open_end=True) if tag else (Turn(Role.USER, text),)
    if not report.problems and not turns:
        report.add("prompt", "it holds no turn of the user’s", "其中没有用户的回合")
    elif not report.problems and turns[-1].role is not Role.USER:
        report.add("prompt", f"its last turn is {turns[-1].role}’s, not the user’s", "最后一个回合不是用户的")
    return turns


def _answer(value: Any, where: str, report: Report) -> str:
    """One answer: a text, or a list of one message."""
    if not isinstance(value, list):
        return _text(value, where, report)
    if len(value) != 1:
        report.add(
            where, f"it holds {len(value)} messages, not one answer", f"它有 {len(value)} 条消息，而不是一个回答"
        )
        return ""
    message = value[0]
    if not isinstance(message, dict) or "content" not in message:
        report.add(f"{where}[0].content", "it is missing", "缺少此项")
        return ""
    if message.get("role", "assistant") != "assistant":
        report.add(f"{where}[0].role", "an answer is the assistant’s", "回答应是 assistant 的")
    return _text(message["content"], f"{where}[0].content", report)


def _preference(record: Mapping[str, Any], report: Report) -> tuple[tuple[Turn, ...], str, str] | None:
    names = ("chosen", "rejected")
    if "prompt" in record:
        asked = _prompt(record["prompt"], report)
        wholes = [isinstance(record[name], list) and len(record[name]) > 1 for name in names]
        if any(wholes) and not report.problems:
            asked = _system_of(record[names[wholes.index(True)]], asked)
        answers = [
            _last(record[name], name, asked, report) if whole else _answer(record[name], name, report)
            for name, whole in zip(names, wholes, strict=True)
        ]
    else:
        both = [_dialogue(record[name], name, report) for name in names]
        if report.problems:
            return None
        if both[0][:-1] != both[1][:-1]:
            report.add("rejected", "it begins with other turns than chosen does", "它开头的回合与 chosen 不同")
            return None
        asked, answers = both[0][:-1], [turns[-1].text for turns in both]
    if not report.problems and answers[0] == answers[1]:
        report.add("rejected", "it is the same as chosen", "它与 chosen 相同")
    return asked, answers[0], answers[1]


def _system_of(value: Any, asked: tuple[Turn, ...]) -> tuple[Turn, ...]:
    """The prompt's turns, behind the system turn of a whole conversation where only that has one."""
    turns = _turns(value, "", Report())
    begins = turns[:1] if turns and turns[0].role is Role.SYSTEM else ()
    return asked if asked and asked[0].role is Role.SYSTEM else (*begins, *asked)


def _last(value: Any, where: str, asked: tuple[Turn, ...], report: Report) -> str:
    """The answer at the end of a whole conversation that begins with the prompt's turns."""
    before = len(report.problems)
    turns = _dialogue(value, where, report)
    if len(report.problems) > before:
        return ""
    if turns[:-1] != asked:
        report.add(where, "it begins with other turns than the prompt", "它开头的回合与 prompt 不同")
    return turns[-1].text


def _dialogue(value: Any, where: str, report: Report) -> tuple[Turn, ...]:
    """A whole conversation that ends with the answer, as messages or as text."""
    own = Report()
    if isinstance(value, list):
        turns = _turns(value, where, own)
    else:
        text = _text(value, where, own)
        if not own.problems and not _HH_TAG.search(text):
            reason = "without a prompt it must be a dialogue, “Human: … Assistant: …”"
            own.add(where, reason, "没有 prompt 时须为对话文本")
        turns = _tagged(text, _HH_TAG, where, own)
    if not own.problems and (len(turns) < 2 or turns[-1].role is not Role.ASSISTANT):
        own.add(where, "it does not end with an answer", "它不以回答结尾")
    report.problems += own.problems
    return turns


KINDS = (
    Kind("preference pairs", ("chosen", "rejected"), pair=_preference),
    Kind("messages", ("messages",), example=_messages),
    Kind("ShareGPT", ("conversations",), example=_share_gpt),
    Kind("Alpaca", ("instruction", "output"), example=_alpaca),
    Kind("prompt and completion", ("prompt", "completion"), example=_completion),
    Kind("OIG", ("text",), example=_oig),
)
