"""Training data: every format read as what it says, every fault named at its line and field, mixtures as documented.

python -m pytest tests/test_finetune_data.py
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chat.base import Role
from errors import InputError
from finetune.data import examples, pairs
from finetune.examples import Turn
from finetune.faults import SHOWN
from finetune.reading import LONGEST_LINE

ASKED, ANSWERED = Turn(Role.USER, "Who wrote it?"), Turn(Role.ASSISTANT, "我不知道 😀.")
MESSAGES = [{"role": "user", "content": ASKED.text}, {"role": "assistant", "content": ANSWERED.text}]
RECORDS: dict[str, dict[str, Any]] = {
    "messages": {"messages": MESSAGES, "weight": 1.0, "source": "rating"},
    "parts": {"messages": [{"role": "user", "content": [{"type": "text", "text": ASKED.text}]}, MESSAGES[1]]},
    "ShareGPT": {"conversations": [{"from": "human", "value": ASKED.text}, {"from": "gpt", "value": ANSWERED.text}]},
    "Alpaca": {"instruction": ASKED.text, "input": "", "output": ANSWERED.text},
    "OIG": {"text": f"<human>: {ASKED.text}\n<bot>: {ANSWERED.text}", "metadata": {"source": "x"}},
    "completion": {"prompt": ASKED.text, "completion": ANSWERED.text},
    "completion of turns": {"prompt": MESSAGES[:1], "completion": MESSAGES[1:]},
}
PAIRS: dict[str, dict[str, Any]] = {
    "standard": {"prompt": ASKED.text, "chosen": ANSWERED.text, "rejected": "You did."},
    "conversational": {
        "prompt": MESSAGES[:1],
        "chosen": MESSAGES[1:],
        "rejected": [{"role": "assistant", "content": "You did."}],
    },
    "implicit": {"chosen": MESSAGES, "rejected": [MESSAGES[0], {"role": "assistant", "content": "You did."}]},
    "whole conversations beside a prompt": {
        "prompt": ASKED.text,
        "chosen": MESSAGES,
        "rejected": [MESSAGES[0], {"role": "assistant", "content": "You did."}],
        "messages": MESSAGES,
    },
    "dialogue": {
        "chosen": f"\n\nHuman: {ASKED.text}\n\nAssistant: {ANSWERED.text}",
        "rejected": f"\n\nHuman: {ASKED.text}\n\nAssistant: You did.",
    },
    "dialogue as prompt": {
        "prompt": f"\n\nHuman: {ASKED.text}\n\nAssistant:",
        "chosen": ANSWERED.text,
        "rejected": "You did.",
    },
    "OpenChatKit's prompt": {
        "prompt": f"<human>: {ASKED.text}\n<bot>:",
        "chosen": ANSWERED.text,
        "rejected": "You did.",
    },
}


def lines(path: Path, *records: Any) -> Path:
    """A file of JSON Lines; bytes and texts are written as they stand."""
    told = [
        r if isinstance(r, bytes) else r.encode() if isinstance(r, str) else json.dumps(r).encode() for r in records
    ]
    path.write_bytes(b"\n".join(told) + b"\n")
    return path


def asked(text: str, answer: str = "Yes.") -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": answer}]}


@pytest.mark.parametrize("name", RECORDS)
def test_every_format_gives_the_conversation_that_it_holds(tmp_path: Path, name: str) -> None:
    file = lines(tmp_path / "a.txt", RECORDS[name])
    (item,) = examples(str(file)).items
    assert item.turns == (ASKED, ANSWERED)
    assert item.source == f"{file}:1"


@pytest.mark.parametrize("name", PAIRS)
def test_every_format_of_preferences_gives_the_pair_that_it_holds(tmp_path: Path, name: str) -> None:
    file = lines(tmp_path / "a.jsonl", PAIRS[name])
    (item,) = pairs(str(file)).items
    assert (item.turns, item.chosen, item.rejected) == ((ASKED,), ANSWERED.text, "You did.")
    assert item.source == f"{file}:1"


@pytest.mark.parametrize(
    ("record", "turns"),
    [
        (
            {"text": "Background: a ship.\n<human>: A?\nstill A\n<bot>: B.\n<human>: C?\n<bot>: D."},
            [("system", "Background: a ship."), ("user", "A?\nstill A"), ("assistant", "B."), ("user", "C?")],
        ),
        ({"text": "<human>: say <human>: in a line\n<bot>: B."}, [("user", "say <human>: in a line")]),
        ({"instruction": "Add.", "input": "1 2", "output": "3"}, [("user", "Add.\n\n1 2"), ("assistant", "3")]),
        (
            {
                "conversations": [
                    {"from": "system", "value": "S"},
                    {"from": "user", "value": "A"},
                    {"from": "assistant", "value": "B"},
                ]
            },
            [("system", "S"), ("user", "A"), ("assistant", "B")],
        ),
        (
            {"messages": [*asked("A")["messages"], {"role": "user", "content": "Thanks"}]},
            [("user", "A"), ("assistant", "Yes.")],
        ),
    ],
)
def test_what_a_format_may_hold_besides(tmp_path: Path, record: dict[str, Any], turns: list[tuple[str, str]]) -> None:
    (item,) = examples(str(lines(tmp_path / "a.jsonl", record))).items
    said = [(turn.role.value, turn.text) for turn in item.turns]
    assert said[: len(turns)] == turns and said[-1][0] == "assistant"


def test_a_system_turn_of_whole_conversations_is_the_pairs(tmp_path: Path) -> None:
    system = {"role": "system", "content": "S"}
    other = {"role": "assistant", "content": "You did."}
    record = {"prompt": ASKED.text, "chosen": [system, *MESSAGES], "rejected": [system, MESSAGES[0], other]}
    (item,) = pairs(str(lines(tmp_path / "a.jsonl", record))).items
    assert item.turns == (Turn(Role.SYSTEM, "S"), ASKED)


def test_a_message_of_weight_0_is_not_taught(tmp_path: Path) -> None:
    record = {"messages": [*asked("A")["messages"], *asked("B")["messages"]]}
    record["messages"][1]["weight"] = 0
    (item,) = examples(str(lines(tmp_path / "a.jsonl", record))).items
    assert [turn.taught for turn in item.turns] == [True, False, True, True]
    parquet(tmp_path / "a.parquet", [record])  # which has a weight in every message then, null where none was given
    (item,) = examples(str(tmp_path / "a.parquet")).items
    assert [turn.taught for turn in item.turns] == [True, False, True, True]


def test_two_system_turns_of_one_conversation_are_named(tmp_path: Path) -> None:
    turns = [{"from": "system", "value": "S"}, *RECORDS["ShareGPT"]["conversations"]]
    file = lines(tmp_path / "a.jsonl", {"system": "Other", "conversations": turns})
    with pytest.raises(InputError, match=r"a\.jsonl:1: system: .* begins with a system turn, too"):
        examples(str(file))


def parquet(path: Path, rows: list[dict[str, Any]]) -> Path:
    import pyarrow
    from pyarrow import parquet as writer

    writer.write_table(pyarrow.Table.from_pylist(rows), path)
    return path


def gzipped(path: Path, content: bytes) -> Path:
    path.write_bytes(gzip.compress(content))
    return path


ROWS = [asked(f"Question {n}?") for n in range(3)]
LINES = "\n".join(map(json.dumps, ROWS)).encode()
MANY = "\n".join(json.dumps(asked(f"{n} {n * n}?")) for n in range(900)).encode()
KINDS: dict[str, Callable[[Path], Path]] = {
    "JSON Lines": lambda path: lines(path, *ROWS),
    "a byte order mark, empty lines and carriage returns": lambda path: lines(
        path, b"\xef\xbb\xbf" + LINES.replace(b"\n", b"\r\n\r\n")
    ),
    "gzip": lambda path: gzipped(path, LINES),
    "an array": lambda path: lines(path, json.dumps(ROWS)),
    "an array over many lines": lambda path: lines(path, "\n" + json.dumps(ROWS, indent=2)),
    "a gzipped array": lambda path: gzipped(path, json.dumps(ROWS, indent=2).encode()),
    "Parquet": lambda path: parquet(path, ROWS),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_is_told_by_what_it_holds(tmp_path: Path, kind: str) -> None:
    file = KINDS[kind](tmp_path / "data.bin")
    loaded = examples(str(file))
    assert [item.turns[0].text for item in loaded.items] == ["Question 0?", "Question 1?", "Question 2?"]
    (read,) = loaded.files
    assert (read.name, read.count) == (str(file), 3)
    assert read.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


def test_records_of_an_array_know_their_lines(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text(json.dumps([ROWS[0], {"messages": []}, ROWS[1]], indent=2), encoding="utf-8")
    wanted = file.read_text(encoding="utf-8").split('"messages": []')[0].count("\n")
    loaded = examples(str(file), skip_bad=True)
    assert [(fault.line, fault.field) for fault in loaded.faults] == [(wanted, "messages")]


def test_a_folder_is_its_files_in_order(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / ".cache").mkdir()
    lines(tmp_path / "b.jsonl", ROWS[0])
    lines(tmp_path / "deep" / "c.json", ROWS[1])
    gzipped(tmp_path / "a.jsonl.gz", json.dumps(ROWS[2]).encode())
    lines(tmp_path / "notes.txt", "not data")
    lines(tmp_path / ".cache" / "d.jsonl", "not data")
    loaded = examples(str(tmp_path))
    assert [item.turns[0].text for item in loaded.items] == ["Question 2?", "Question 0?", "Question 1?"]
    assert [Path(file.name).name for file in loaded.files] == ["a.jsonl.gz", "b.jsonl", "c.json"]


PLANTED: list[tuple[Any, list[tuple[str, str]]]] = [
    (asked("good"), []),
    ('{"messages": [', [("", "not JSON")]),
    ("null", [("", "null, not an object")]),
    ('["a", "b"]', [("", "a list, not an object")]),
    (b'{"messages": [{"role": "user", "content": "caf\xe9"}]}', [("", "byte 47 (0xe9) is not UTF-8")]),
    ({"question": "x", "answer": "y"}, [("messages", "missing")]),
    (asked("  \n"), [("messages[0].content", "empty")]),
    (
        {"messages": [MESSAGES[0], {"role": "asistant", "content": "x"}]},
        [("messages[1].role", "“asistant” is unknown")],
    ),
    ({"messages": [*MESSAGES, MESSAGES[1]]}, [("messages[2].role", "a turn of user should be, not of assistant")]),
    ({"messages": MESSAGES[:1]}, [("messages", "no turn is the assistant's")]),
    (asked(7), [("messages[0].content", "a number, not a text")]),  # type: ignore[arg-type]
    (
        '{"messages": [{"role": "user", "content": "A"}, {"role": "assistant", "content": "B"}], "weight": NaN}',
        [("weight", "no number")],
    ),
    (asked("good"), [("", "the same as")]),
    (
        {"messages": [*MESSAGES, {"role": "system", "content": "S"}, *MESSAGES]},
        [("messages[2].role", "behind other turns")],
    ),
    ({"messages": None}, [("messages", "null, not a list")]),
    ({"messages": []}, [("messages", "the list is empty")]),
    ({"messages": [{"role": "user"}, MESSAGES[1]]}, [("messages[0].content", "missing")]),
    ({"messages": ["Hello", MESSAGES[1]]}, [("messages[0]", "a text, not a message")]),
    ({"text": "<human>: A\n<bot>: B"}, [("text", "began with records of messages, this one is OIG")]),
    (
        {"messages": [MESSAGES[0], {"role": "assistant", "content": None}]},
        [("messages[1].content", "null, not a text")],
    ),
    ('{"messages": [], "messages": []}', [("messages", "there twice")]),
    ('{"messages": [{"role": "user", "content": "\\ud83d"}]}', [("messages[0].content", "surrogate")]),
    ({"messages": [{"role": ["user"], "content": "A"}, MESSAGES[1]]}, [("messages[0].role", "a list, not a role")]),
    (asked("a\0b"), [("messages[0].content", "character 2 is NUL")]),
    ("[" * 100_000, [("", "not JSON that can be read")]),
    ({"chosen": "A", "rejected": "B"}, [("chosen", "preference pair")]),
    ({"messages": [{**MESSAGES[0], "weight": 2}, MESSAGES[1]]}, [("messages[0].weight", "neither 0 nor 1")]),
    (
        {"messages": [{"role": "user", "content": ""}, {"role": "bot", "content": 1}]},
        [("messages[0].content", "empty"), ("messages[1].role", "unknown"), ("messages[1].content", "a number")],
    ),
    ("x" * (LONGEST_LINE + 1), [("", "longer than 16 MiB")]),
    (asked("last good"), []),
]
"""Records and what is wrong with them: field, and a part of the reason."""


def test_every_planted_fault_is_named_at_its_line_and_field_all_at_once(tmp_path: Path) -> None:
    file = lines(tmp_path / "planted.jsonl", *(record for record, _ in PLANTED))
    wanted = [(line, field, part) for line, (_, faults) in enumerate(PLANTED, start=1) for field, part in faults]
    assert len(wanted) == 30 and len({line for line, *_ in wanted}) == 28
    loaded = examples(str(file), skip_bad=True)
    assert [(fault.line, fault.field) for fault in loaded.faults] == [(line, field) for line, field, _ in wanted]
    for fault, (_, _, part) in zip(loaded.faults, wanted, strict=True):
        assert part in fault.reason
        assert fault.file == str(file)
        assert fault.zh and fault.zh != fault.reason
    assert [item.turns[0].text for item in loaded.items] == ["good", "last good"]
    assert loaded.skipped == 28
    with pytest.raises(InputError) as refused:
        examples(str(file))
    told = str(refused.value).splitlines()
    assert told[0].startswith("The training data has 30 faults in 28 records;") and "--skip-bad" in told[0]
    assert told[1:] == [str(fault) for fault in loaded.faults]
    assert told[1].startswith(f"{file}:2: it is not JSON")
    assert f"{file}:7: messages[0].content: the text is empty" in told
    assert refused.value.told("zh").startswith("训练数据有 30 处错误")


PLANTED_PAIRS: list[tuple[Any, str, str]] = [
    ({"prompt": "A", "chosen": "B"}, "rejected", "missing"),
    ({"prompt": "A", "chosen": "B", "rejected": "B "}, "rejected", "the same as chosen"),
    ({"prompt": "", "chosen": "B", "rejected": "C"}, "prompt", "empty"),
    ({"prompt": MESSAGES, "chosen": "B", "rejected": "C"}, "prompt", "its last turn is assistant’s"),
    ({"prompt": "A", "chosen": [], "rejected": "C"}, "chosen", "0 messages"),
    ({"prompt": "A", "chosen": "B", "rejected": [{"role": "user", "content": "C"}]}, "rejected[0].role", "assistant’s"),
    ({"prompt": "A", "chosen": "B", "rejected": [{"role": "assistant"}]}, "rejected[0].content", "missing"),
    ({"chosen": "B", "rejected": MESSAGES}, "chosen", "must be a dialogue"),
    ({"chosen": MESSAGES, "rejected": [{"role": "user", "content": "Other"}, MESSAGES[1]]}, "rejected", "other turns"),
    ({"chosen": MESSAGES, "rejected": MESSAGES[:1]}, "rejected", "does not end with an answer"),
    ({"chosen": "\n\nHuman: A\n\nAssistant: ", "rejected": "\n\nHuman: A\n\nAssistant: B"}, "chosen", "is empty"),
    (
        {"chosen": "\n\nHuman: A\n\nHuman: B", "rejected": "\n\nHuman: A\n\nAssistant: B"},
        "chosen",
        "turn 2: here a turn",
    ),
    (asked("A"), "messages", "conversation"),
    ({"prompt": "Other", "chosen": MESSAGES, "rejected": "C"}, "chosen", "other turns than the prompt"),
    ({"prompt": "A", "chosen": MESSAGES[::-1], "rejected": "C"}, "chosen[0].role", "a turn of user should be"),
    ({"prompt": "A", "chosen": 1.5, "rejected": "C"}, "chosen", "a number"),
    ({"prompt": "Assistant:", "chosen": "B", "rejected": "C"}, "prompt", "no turn of the user’s"),
]


def test_every_planted_fault_of_pairs_is_named(tmp_path: Path) -> None:
    file = lines(tmp_path / "pairs.jsonl", PAIRS["standard"], *(record for record, *_ in PLANTED_PAIRS))
    loaded = pairs(str(file), skip_bad=True)
    assert len(loaded.items) == 1 and loaded.skipped == len(PLANTED_PAIRS)
    named = [(fault.line, fault.field) for fault in loaded.faults]
    assert named == [(line, field) for line, (_, field, _) in enumerate(PLANTED_PAIRS, start=2)]
    for fault, (_, _, part) in zip(loaded.faults, PLANTED_PAIRS, strict=True):
        assert part in fault.reason


@pytest.mark.parametrize(
    ("make", "line", "reason"),
    [
        (lambda path: path.write_bytes(gzip.compress(MANY)[:-2000]), None, "damaged or ends too early"),
        (lambda path: path.write_bytes(gzip.compress(LINES)[:-8] + b"12345678"), 3, "damaged"),
        (lambda path: path.write_text('{"a": 1}', encoding="utf-16"), 1, "UTF-16"),
        (lambda path: path.write_text(json.dumps(ROWS)[:-1], encoding="utf-8"), 1, "breaks off"),
        (lambda path: path.write_text(json.dumps(ROWS, indent=1)[:40], encoding="utf-8"), 2, "not JSON"),
        (lambda path: path.write_text(json.dumps(ROWS) + "{}", encoding="utf-8"), 1, "follows the end"),
        (lambda path: path.write_text(json.dumps({"data": ROWS}, indent=1), encoding="utf-8"), 1, "over many lines"),
        (lambda path: path.write_bytes(b"PAR1" + b"\0" * 100), 1, "Parquet"),
        (lambda path: path.write_bytes(b"[" * 100_000), 1, "not JSON"),
    ],
)
def test_a_damaged_file_says_where(
    tmp_path: Path, make: Callable[[Path], object], line: int | None, reason: str
) -> None:
    file = tmp_path / "a.jsonl"
    make(file)
    good = lines(tmp_path / "good.jsonl", asked("good"))
    with pytest.raises(InputError) as refused:
        examples(f"{good}, {file}")
    assert f"{file}:{line or ''}" in str(refused.value) and reason in str(refused.value)


def test_what_is_over_the_most_that_is_shown_is_counted(tmp_path: Path) -> None:
    file = lines(tmp_path / "a.jsonl", *(asked("") for _ in range(SHOWN + 7)))
    with pytest.raises(InputError) as refused:
        examples(str(file))
    told = str(refused.value).splitlines()
    assert len(told) == SHOWN + 2 and told[-1] == "and 7 more"
    with pytest.raises(InputError, match="holds no record to learn from"):
        examples(str(file), skip_bad=True)


def test_the_same_record_in_two_files_is_named_in_the_second(tmp_path: Path) -> None:
    a, b = (lines(tmp_path / name, asked("A"), asked(name)) for name in ("a.jsonl", "b.jsonl"))
    loaded = examples(f"{a},{b}", skip_bad=True)
    assert [str(fault) for fault in loaded.faults] == [f"{b}:1: it is the same as {a}:1"]


@pytest.mark.parametrize("name", ["missing.jsonl", "empty", "x" * 5000])
def test_what_is_not_there_is_one_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError) as refused:
        examples(str(tmp_path / name))
    assert str(tmp_path / name) in str(refused.value) and "\n" not in str(refused.value)


def test_a_pass_has_the_proportions_of_the_weights(tmp_path: Path) -> None:
    a = lines(tmp_path / "a.jsonl", *(asked(f"a{n}") for n in range(100)))
    b = lines(tmp_path / "b.jsonl", *(asked(f"b{n}") for n in range(1000)))

    def drawn(mixture: str, seed: int = 0) -> Counter[str]:
        return Counter(item.turns[0].text for item in examples(mixture, seed=seed).items)

    def by_file(mixture: str) -> tuple[int, int]:
        found = drawn(mixture)
        return sum(n for text, n in found.items() if text[0] == "a"), sum(n for t, n in found.items() if t[0] == "b")

    assert by_file(f"{a}:0.2, {b}:0.5") == (100, 250)
    assert by_file(f"{a}:1.0, {b}:0.2") == (100, 20)
    assert by_file(f"{a}:5, {b}") == (500, 100)
    assert by_file(f"{a}, {b}") == (100, 1000)
    assert by_file(f"{a}:0.3") == (100, 0)
    assert by_file(f"{a}:2.5, {b}:2.5") == (250, 250)
    assert set(drawn(f"{a}:5, {b}:1").values()) == {5, 1}
    assert set(drawn(f"{a}:2.5, {b}:2.5").values()) == {1, 2, 3}
    assert examples(f"{a}:0.2, {b}:0.5", seed=3) == examples(f"{a}:0.2, {b}:0.5", seed=3)
    assert drawn(f"{a}:0.2, {b}:0.5", 3) != drawn(f"{a}:0.2, {b}:0.5", 4)
