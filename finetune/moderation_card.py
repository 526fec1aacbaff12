"""The classifier's card: data, licences, figures on held-out texts, limits. Written by finetune/moderation.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from evaluation.moderation import auroc, average_precision
from finetune.moderation_data import Row
from moderation.classifier import Floats, Weights
from moderation.features import CHINESE, chinese_share

Bools = NDArray[np.bool_]

_ORDINARY = ("benign", "ordinary_squad_dev_en", "own_everyday")
"""Harmless texts that a source without harmless texts of its own is measured against."""

_DATA = """\
| source | what | licence |
|---|---|---|
| davidson | tweets: hate, offensive, neither (a sample; its labels are biased against African-American English) | MIT |
| surge | social media, toxic or not | MIT |
| toxigen | implicit hate about 13 groups and neutral statements (human-annotated part) | MIT, CDLA-Permissive-2.0 |
| bias_templates | templates with identity terms, toxic and not (a sample) | CC BY 4.0 |
| mlma | tweets with hostility labels (English, noisy, a sample) | MIT |
| cold | Chinese, offensive or not | Apache-2.0 |
| ailuminate | prompts in hazard classes (MLCommons demo set) | CC BY 4.0 |
| catqa, harmfulqa | harmful questions, English and Chinese | Apache-2.0 |
| advbench | harmful requests | MIT |
| jailbreak_prompts | jailbreak wrappers seen in the wild | MIT |
| redteam | first turns of red-team dialogues (hh-rlhf), graded by us | MIT |
| benign | instructions, role prompts, word problems, questions, passages | Apache-2.0, CC0, MIT, CC BY-SA 3.0/4.0 |
| ordinary_* | questions and passages of SQuAD (measured only), XQuAD and DRCD | CC BY-SA 3.0/4.0 |
| library | paragraphs of the starter library and the guide (assets/corpus) | Apache-2.0 |
| own_* | our own pairs in matching words, everyday talk, plain harm, messages, requests, web text, answers, hidden \
orders, pasted orders, harm in ordinary words, identity terms, software, slang, keys and logs, other languages, \
tasks, frames (evaluation/data); what the app says itself | Apache-2.0 |
| own_app | questions about this app (finetune/groundchat), only to measure by | Apache-2.0 |"""

_LIMITS = """\
- A text is judged by itself: what was said before it is not looked at.
- English and Chinese only. Other languages are judged by what little they share with English.
- The encoder knows no Chinese, so Chinese is judged by its characters alone: a new wording of an old harm is easily \
missed there, and a harmless short question in unseen words is now and then refused.
- Self-harm in indirect words is beyond the classifier, above all in Chinese. The built-in policy lists phrases for it \
(moderation/policy.toml), which find what is listed and little else: of 32 wordings (17 of them Chinese) written after \
the first list, the classifier and the list refused 16 (7 Chinese), 12 of them (4) with the caring text; of 30 more \
written after the list had grown, 16 (5 of 15 Chinese), 14 of them (4) with it (evaluation/data/messages_later.jsonl; \
most of them have been listed since). \
For the same 62 the classifier before this one gave the caring text 6 times.
- own_message: half of the first messages were trained on; whoever wrote the rest also wrote the frames and the \
phrases, so expect less of wordings from elsewhere.
- Tells topics better than intentions: a harmless sentence in alarming words may be warned about, and a harmful one in \
innocent words passes. See "alarming" in the figures: own_contrast.
- It judges the text as it stands; what base64, ciphers and other disguises hide is read before it is asked \
(moderation/readings.py).
- Most of our own examples are of one hand: dry, British, tidy. Sexual content about minors is known by bare requests \
only, and explicit text hardly at all. Measured where others labelled, toxigen's implicit hate is found worst.
- Social media: of davidson's harmless tweets, many with slang, a tenth and more are refused.
- Categories say what a refusal was most likely about, and a text unlike those it knows may look like several at once; \
the built-in policy names one only where it is well ahead; they were learnt from coarse labels (davidson's and surge's \
insults are all "harassment"; cold names none) and are not for counting.
- Not for judging people, and not the only safeguard where harm is likely."""


def family(source: str) -> str:
    """Our own files and both languages of a set are left out together."""
    return source.split("_")[0] if source.startswith(("own", "ordinary", "catqa")) else source


def sources(rows: Sequence[Row]) -> list[str]:
    """Sources that have something harmful to miss, each once."""
    return sorted({family(row.source) for row in rows if row.flagged})


def per_source(rows: Sequence[Row], scores: Floats, levels: Sequence[float]) -> str:
    """A table of the figures on each source's held-out texts, and on all of them together."""
    lines = list(_heading("held-out part of"))
    counted = np.array([row.held and row.flagged is not None for row in rows])
    names = np.array([row.source for row in rows])
    english = counted & np.array([chinese_share(row.text) < CHINESE for row in rows])
    chosen = {name: counted & (names == name) for name in sorted(set(names[counted]))}
    chosen |= {"**all English**": english, "**all Chinese**": counted & ~english, "**all**": counted}
    flagged = np.array([bool(row.flagged) for row in rows])
    at_five = five_percent(rows, scores)
    lines += [_line(name, flagged[part], scores[part], levels, at_five) for name, part in chosen.items()]
    return "\n".join(lines)


def left_out(rows: Sequence[Row], without: Mapping[str, Floats], levels: Sequence[float]) -> str:
    """A table of the figures on each source when nothing of it was trained on."""
    lines = list(_heading("trained without"))
    flagged = np.array([bool(row.flagged) for row in rows])
    counted = np.array([row.held and row.flagged is not None for row in rows])
    ordinary = counted & np.array([row.source in _ORDINARY for row in rows])
    for source, scores in without.items():
        part = counted & np.array([family(row.source) == source for row in rows])
        note = ""
        if flagged[part].all():
            part, note = part | ordinary, " (against ordinary texts)"
        lines.append(_line(source + note, flagged[part], scores[part], levels, five_percent(rows, scores)))
    return "\n".join(lines)


def _heading(first: str) -> tuple[str, str]:
    titles = (
        first,
        "texts",
        "flagged",
        "AP",
        "AUROC",
        "recall",
        "recall at 5 %",
        "refused harmless",
        "warned harmless",
    )
    return f"| {' | '.join(titles)} |", "|---" + "|--:" * (len(titles) - 1) + "|"


def five_percent(rows: Sequence[Row], scores: Floats) -> float:
    """The score that 5 % of the held-out ordinary texts reach."""
    ordinary = [row.held and row.source in _ORDINARY for row in rows]
    return float(np.quantile(scores[np.array(ordinary)], 0.95))


def _line(name: str, flagged: Bools, scores: Floats, levels: Sequence[float], at_five: float) -> str:
    refused = scores >= levels[3]
    warned = (scores >= levels[2]) & ~refused
    mixed = bool(flagged.any() and not flagged.all())
    cells = (
        average_precision(flagged, scores.astype(float)) if mixed else None,
        auroc(flagged, scores.astype(float)),
        _share(refused[flagged]),
        _share(scores[flagged] >= at_five),
        _share(refused[~flagged]),
        _share(warned[~flagged]),
    )
    shown = " | ".join("–" if cell is None else f"{cell:.3f}" for cell in cells)
    return f"| {name} | {len(flagged)} | {int(flagged.sum())} | {shown} |"


def _share(chosen: Bools) -> float | None:
    return float(chosen.mean()) if len(chosen) else None


def card(rows: Sequence[Row], weights: Weights, tables: Sequence[str], size: int, minutes: float) -> str:
    """The whole card, in Markdown."""
    learnt = sum(not row.held for row in rows)
    names = ("possibly needs caution", "probably needs caution", "needs caution", "needs intervention")
    levels = "; ".join(f"{name} from {begin:.3f}" for name, begin in zip(names, weights.thresholds, strict=True))
    parts = [
        "# Moderation classifier",
        "Judges whether a text is harmful, how harmful and what kind of harm it is, in a few milliseconds on a CPU. "
        "Two networks for English, one the embedded encoder (all-MiniLM-L6-v2, "
        f"`{weights.encoder_hash}`) with changes of rank 16 to all its linear layers (LoRA) and a small head, one on "
        "hashed n-grams; two for Chinese, both on n-grams: one learnt from all of it, one from what is asked of an "
        f"assistant. {size / 1e6:.1f} MB. Written by `python -m finetune.moderation`; this file too.",
        f"Trained on {learnt:,} texts, measured on {len(rows) - learnt:,} that it never saw; {minutes:.0f} minutes on "
        "a two-core CPU.",
        f"Categories: {', '.join(weights.categories)}. Levels: {levels}. The built-in policy refuses what needs "
        "intervention, and warns about what needs caution.",
        "## Data",
        _DATA,
        "## Figures",
        "AP: average precision. Recall: harmful texts that are refused; at 5 %: if 5 % of ordinary texts (benign, "
        "ordinary_squad_dev_en, own_everyday) were refused. A fifth of every public set is held "
        "out by the hash of its text (cold: its dev part; our own: the files named held).",
        tables[0],
    ]
    if len(tables) > 1:
        parts += [
            "### On kinds of text it was not trained on",
            "One network of each kind, trained without the source; the same mix and thresholds. This is what to expect "
            "of texts from elsewhere.",
            tables[1],
        ]
    return "\n\n".join([*parts, "## Limits", _LIMITS]) + "\n"
