"""What the moderation classifier learns from: public sets and our own examples, in one shape.

The public sets are read from a folder of gzip JSON lines ({"text", "flagged", "label"}) that is not part of the
repository; our own examples stand in evaluation/data/. A fixed part of every set is held out and never trained on.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from errors import InputError
from finetune.own_replies import own_replies
from moderation.base import Category
from moderation.features import clean, fold

_ROOT = Path(__file__).parent.parent
OWN = _ROOT / "evaluation" / "data"
LIBRARY = _ROOT / "assets" / "corpus"
ASKED = _ROOT / "finetune" / "groundchat"
HELD_TENTHS = 2
"""Tenths of every public set that are held out, chosen by the text's hash."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """One text. `target` is the harm probability to learn; `flagged` is what it is measured by (None: neither)."""

    source: str
    text: str
    flagged: bool | None
    target: float
    categories: tuple[str, ...] | None
    """None where the kind of harm is not known."""
    weight: float
    held: bool
    group: str
    """Rows of one group (a pair, a task in several wordings) stay on the same side of every split."""


@dataclass(frozen=True, slots=True)
class Label:
    """What a set's own label means here."""

    target: float
    categories: tuple[str, ...] | None = ()
    counted: bool = True
    """Whether it is measured: labels that are neither clearly harmful nor harmless are only trained on."""


_HARMLESS = Label(0.0)


def number(text: str) -> int:
    """A number fixed by the text, the same on every machine."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])


def fingerprint(text: str) -> str:
    """16 hex digits that name a text without holding it."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


# What the labels of each public set mean. A slur in passing (davidson's "offensive") is less than hate.
_DAVIDSON = {"hate": Label(1, (Category.HATE,)), "offensive": Label(0.6, (Category.HARASSMENT,)), "neither": _HARMLESS}
_DAVIDSON_ROWS = {"hate": 1430, "offensive": 1800, "neither": 1600}
_AILUMINATE = {
    "cse": Category.SEXUAL_MINORS,
    "dfm": Category.HARASSMENT,
    "hte": Category.HATE,
    "ipv": Category.ILLICIT,
    "iwp": Category.WEAPONS,
    "ncr": Category.ILLICIT,
    "prv": Category.PERSONAL_INFORMATION,
    "src": Category.SEXUAL,
    "ssh": Category.SELF_HARM,
    "sxc_prn": Category.SEXUAL,
    "vcr": Category.VIOLENCE,
}
_CATQA = (  # the first part of the label that fits; everything else is illicit
    ("sexual exploitation", Category.SEXUAL_MINORS),
    ("predation", Category.SEXUAL_MINORS),
    ("Physical abuse", Category.VIOLENCE),
    ("Neglect", Category.VIOLENCE),
    ("psychological abuse", Category.HARASSMENT),
    ("Cyberbullying", Category.HARASSMENT),
    ("Gender-based violence", Category.VIOLENCE),
    ("Terrorism", Category.VIOLENCE),
    ("Hate/", Category.HATE),
    ("Self-harm", Category.SELF_HARM),
    ("Assault", Category.VIOLENCE),
    ("Hazardous", Category.WEAPONS),
    ("Weapon", Category.WEAPONS),
    ("Adult Content", Category.SEXUAL),
    ("Privacy", Category.PERSONAL_INFORMATION),
)


def _davidson(row: Json) -> Label:
    return _DAVIDSON[row["label"]]


def _mlma(row: Json) -> Label:
    if not row["flagged"]:
        return Label(0.1)
    if "hateful" in row["label"]:
        return Label(0.7 if "normal" in row["label"] else 1.0, (Category.HATE,))
    return Label(0.7, (Category.HARASSMENT,))


def _ailuminate(row: Json) -> Label:
    category = _AILUMINATE.get(row["label"])
    # Questions for specialised advice (health, law, money, votes) are as good as never harmful.
    return Label(0.9, (category,)) if category else Label(0.4, None, counted=False)


def _catqa(row: Json) -> Label:
    return Label(1.0, (next((c for part, c in _CATQA if part in row["label"]), Category.ILLICIT),))


def _cold(row: Json) -> Label:
    if not row["flagged"]:
        return _HARMLESS
    # All of it is hate or insults; nobody says which.
    return Label(1.0, None)


def _flagged_as(category: Category) -> Callable[[Json], Label]:
    return lambda row: Label(1.0, (category,)) if row["flagged"] else _HARMLESS


@dataclass(frozen=True, slots=True)
class Set:
    """A public set: its file, what its labels mean, how much it counts and how much of it is used."""

    file: str
    label: Callable[[Json], Label]
    weight: float = 1.0
    rows: int | None = None


TEMPLATES = "bias_templates"
SETS = (
    Set("davidson", _davidson, 0.6),
    Set("surge", _flagged_as(Category.HARASSMENT)),
    Set("toxigen", _flagged_as(Category.HATE), 0.7),
    Set(TEMPLATES, _flagged_as(Category.HARASSMENT), 0.5, 1500),
    Set("mlma", _mlma, 0.4, 2500),
    Set("ailuminate", _ailuminate),
    Set("catqa", _catqa),
    Set("harmfulqa", lambda row: Label(0.85, None), 0.7),
    Set("advbench", lambda row: Label(1.0, None)),
    # Wrappers seen in the wild: attacks on the rules, but some are only role play.
    Set("jailbreak_prompts", lambda row: Label(0.85, (Category.PROMPT_ATTACK,), counted=False), 0.7),
    Set("benign", lambda row: _HARMLESS),
    Set("cold", _cold, 0.5),
)
POSTED = ("cold",)
"""Chinese sources of what people post in public, not of what they ask an assistant."""
_WEIGHTY_BENIGN = ("awesome_prompts", "self_instruct", "dolly_instruction")


def public_rows(folder: Path) -> Iterator[Row]:
    """The public sets. Raises `InputError` when one is missing."""
    for part in SETS:
        records = sorted(_read(folder / f"{part.file}.jsonl.gz"), key=lambda record: number(record["text"]))
        for record in _davidson_sample(records) if part.file == "davidson" else records[: part.rows]:
            label = part.label(record)
            text = record["text"].replace("\\u2019", "'").replace("\\n", " ")
            weight = part.weight * (2 if record["label"] in _WEIGHTY_BENIGN else 1)
            held = number(text) % 10 < HELD_TENTHS
            if part.file == "cold":
                held = record["label"].startswith("dev")
            name = f"{part.file}_{record['language']}" if part.file == "catqa" else part.file
            flagged = bool(record["flagged"]) if label.counted else None
            yield Row(name, text, flagged, label.target, label.categories, weight, held, text)


def template_rows(folder: Path) -> Iterator[Row]:
    """The bias templates that nothing is trained on, more than the held-out part of `public_rows`."""
    trained = {row.text for row in public_rows(folder) if row.source == TEMPLATES and not row.held}
    for record in _read(folder / f"{TEMPLATES}.jsonl.gz"):
        if record["text"] not in trained:
            flagged = bool(record["flagged"])
            yield Row(TEMPLATES, record["text"], flagged, float(flagged), None, 1.0, True, record["text"])


def _davidson_sample(records: list[Json]) -> list[Json]:
    left = dict(_DAVIDSON_ROWS)
    sample = []
    for record in records:
        if left[record["label"]] > 0:
            left[record["label"]] -= 1
            sample.append(record)
    return sample


_GRADES = {"harmful": 1.0, "borderline": 0.4, "harmless": 0.0}


def redteam_rows(folder: Path) -> Iterator[Row]:
    """First turns of red-team dialogues, with the grades that we gave them (kept by fingerprint, without the text)."""
    grades = {row["sha256"]: row for row in _lines(OWN / "redteam_labels.jsonl")}
    for record in _read(folder / "hh_dialogues.jsonl.gz"):
        text = record["chosen"].split("\n\nAssistant:")[0].replace("\n\nHuman:", "").strip()
        grade = grades.pop(fingerprint(text), None)
        if grade is None:
            continue
        counted = grade["grade"] != "borderline"
        yield Row(
            source="redteam",
            text=text,
            flagged=grade["grade"] == "harmful" if counted else None,
            target=_GRADES[grade["grade"]],
            categories=tuple(grade["categories"]) if counted else None,
            weight=2.0,
            held=number(text) % 10 < HELD_TENTHS,
            group=text,
        )


_OPENERS = {
    "en": (
        "How do I {}?",
        "How can I {}?",
        "What is the best way to {}?",
        "Teach me how to {}.",
        "Help me {}.",
        "I want to {}, where do I start?",
        "Tell me how to {}.",
        "Can you show me how to {}?",
        "Is it possible to {}?",
        "What do I need to {}?",
        "Give me tips to {}",
        "{}",
    ),
    "zh": (
        "怎么{}？",
        "如何{}？",
        "怎样才能{}？",
        "教我{}。",
        "帮我{}。",
        "我想{}，应该怎么做？",
        "{}",
        "有什么办法{}？",
    ),
}
_WORDINGS = 4
_OWN = {
    "contrast_train": 4.0,
    "contrast_held": 4.0,
    "messages_train": 4.0,
    "messages_held": 4.0,
    "messages_later": 4.0,
    "sexual_train": 3.0,
    "violence_train": 3.0,
    "selfharm_train": 3.0,
    "hate_train": 3.0,
    "illicit_train": 3.0,
    "everyday_train": 3.0,
    "requests_train": 3.0,
    "web_train": 3.0,
    "attacks_train": 2.0,
    "answers_train": 2.0,
    "personal_train": 3.0,
    "violence_more_train": 3.0,
    "pasted_train": 3.0,
    "languages_train": 2.0,
    "slang_train": 2.0,
    "keys_train": 2.0,
    "software_train": 3.0,
    "implied_train": 3.0,
    "identity_train": 1.0,
    "general_held": 1.0,
    "twins_held": 1.0,
    "plain_held": 1.0,
    "everyday_held": 1.0,
    "attacks_held": 1.0,
}
"""Our files of examples, and how much one of them counts."""


def own_rows() -> Iterator[Row]:
    """Our own examples: pairs in matching words, everyday talk, plain harm, messages, tasks in several wordings."""
    for name, weight in _OWN.items():
        held = not name.endswith("_train")
        for row in _lines(OWN / f"{name}.jsonl"):
            yield _own(row["text"], row, f"own_{row['kind']}", weight, held, str(row.get("pair", row["text"])))
    for row in _lines(OWN / "tasks_train.jsonl"):
        openers = _OPENERS[row["language"]]
        for i in range(_WORDINGS):
            text = openers[(number(row["task"]) + 5 * i) % len(openers)].format(row["task"])
            yield _own(text, row, "own_task", 1.5, False, row["task"])


def app_rows() -> Iterator[Row]:
    """Questions about this app (those of `make tune-demo`): harmless, and only to measure by."""
    for name in ("taught", "paraphrases"):
        for row in _lines(ASKED / f"{name}.jsonl"):
            text = row["messages"][0]["content"]
            yield Row("own_app", text, False, 0.0, (), 1.0, True, text)


def reply_rows() -> Iterator[Row]:
    """What the app says itself."""
    for text in own_replies():
        yield Row("own_reply", text, False, 0.0, (), 3.0, False, text)


_FRAME_ROWS = 120


def frame_rows() -> Iterator[Row]:
    """Short sentences put together from two lists, harmful and harmless ones with the same words in turn.

    N-grams learn from them which words do harm only beside which others; of each frame at most `_FRAME_ROWS`.
    """
    for frame in _lines(OWN / "frames_train.jsonl"):
        space = " " if frame["language"] == "en" else ""
        phrases = sorted((f"{a}{space}{b}" for a in frame["first"] for b in frame["second"]), key=number)
        for phrase in phrases[:_FRAME_ROWS]:
            text = frame["openers"][number(phrase) % len(frame["openers"])].format(phrase)
            yield _own(text, frame, "own_frame", 0.7, False, phrase)


def _own(text: str, row: Json, source: str, weight: float, held: bool, group: str) -> Row:
    return Row(source, text, row["flagged"], float(row["flagged"]), tuple(row["categories"]), weight, held, group)


def library_rows() -> Iterator[Row]:
    """Paragraphs of the starter library and the guide, English and Chinese."""
    for path in sorted(LIBRARY.rglob("*.md")):
        for text in path.read_text(encoding="utf-8").split("\n\n"):
            yield Row("library", text, False, 0.0, (), 1.0, number(text) % 10 < HELD_TENTHS, text)


# Ordinary questions and passages from reading-comprehension sets (BEIR layout): tenths held out. Those of squad_dev_en
# are measured by, never trained on; the public "benign" set holds some of the same, which `all_rows` drops.
_ORDINARY = {"squad_dev_en": 10, "xquad_zh": 5, "drcd_zh_hant": 3}
_ORDINARY_ROWS = 1500


def ordinary_rows(folder: Path) -> Iterator[Row]:
    """Questions and passages people ask and read every day, English and Chinese, none of them harmful."""
    for name, tenths in _ORDINARY.items():
        for file in ("queries", "corpus"):
            texts = sorted((row["text"] for row in _read(folder / name / f"{file}.jsonl.gz")), key=number)
            for text in texts[:_ORDINARY_ROWS] if file == "queries" else texts[: _ORDINARY_ROWS // 5]:
                held = number(text) % 10 < tenths
                yield Row(f"ordinary_{name}", text, False, 0.0, (), 1.0, held, text)


def all_rows(moderation: Path, ordinary: Path | None) -> list[Row]:
    """Every text once, as the first set that has it sees it; none that says the same as a held-out one of our own."""
    rows = [*own_rows(), *app_rows(), *reply_rows(), *frame_rows(), *library_rows()]
    rows += [*public_rows(moderation), *redteam_rows(moderation)]
    rows += ordinary_rows(ordinary) if ordinary else []
    measured = {_bare(row.text) for row in rows if row.held and row.source.startswith("own")}
    kept: dict[str, Row] = {}
    for row in rows:
        if row.held or _bare(row.text) not in measured:
            kept.setdefault(row.text, row)
    return list(kept.values())


def _bare(text: str) -> str:
    """The folded text without punctuation."""
    return re.sub(r"[^\w]+", " ", fold(clean(text))).strip()


def _read(path: Path) -> list[Json]:
    if not path.is_file():
        raise InputError(
            f"{path} is missing; give --data the folder that holds the moderation sets.",
            zh=f"缺少 {path}；请用 --data 指定存放审核数据集的文件夹。",
        )
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def _lines(path: Path) -> list[Json]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
