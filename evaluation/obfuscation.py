"""How well moderation sees through disguises, and whether it takes a disguise for harm.

    python -m evaluation.obfuscation --data FILE.jsonl [--limit 200] [--alone] [--json]

FILE (.gz too) holds {"text", "flagged"} per line; the first `limit` harmful and harmless texts are judged plain and in
each disguise of evaluation/disguises.py, by the app's own classifier and the built-in policy. A text counts when it is
refused. `--alone` judges without the readings (moderation/readings.py), to show what they add.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from errors import InputError
from evaluation.disguises import DISGUISES
from evaluation.moderation import own_moderator, read
from moderation.base import Action, Exchange, Moderator, Side
from moderation.policy import Policy
from moderation.policy_file import load_policy

_BATCH = 64


@dataclass(frozen=True, slots=True)
class Seen:
    """Shares of refused texts, 0..1, and by how many points (hundredths) they differ from the plain texts'."""

    recall: float
    false_refusals: float
    recall_points: float = 0.0
    false_refusals_points: float = 0.0


@dataclass(frozen=True, slots=True)
class Report:
    harmful: int
    harmless: int
    plain: Seen
    disguised: dict[str, Seen]


def measure(moderator: Moderator, policy: Policy, harmful: Sequence[str], harmless: Sequence[str]) -> Report:
    """Refusals of plain and of disguised texts. Both lists hold at least one."""
    recall, false = _refused(moderator, policy, harmful), _refused(moderator, policy, harmless)
    disguised = {}
    for name, disguise in DISGUISES.items():
        found = _refused(moderator, policy, [disguise(text) for text in harmful])
        wrong = _refused(moderator, policy, [disguise(text) for text in harmless])
        disguised[name] = Seen(found, wrong, _points(found - recall), _points(wrong - false))
    return Report(len(harmful), len(harmless), Seen(recall, false), disguised)


def _refused(moderator: Moderator, policy: Policy, texts: Sequence[str]) -> float:
    """Share of the texts that are refused."""
    refused = 0
    for start in range(0, len(texts), _BATCH):
        batch = texts[start : start + _BATCH]
        verdicts = moderator.check([Exchange(text) for text in batch])
        decisions = (
            policy.decide(verdict, Side.USER, text=text) for verdict, text in zip(verdicts, batch, strict=True)
        )
        refused += sum(decision.action is Action.REFUSE for decision in decisions)
    return refused / len(texts)


def _points(difference: float) -> float:
    return round(100 * difference, 1)


def table(report: Report) -> str:
    """The report as a Markdown table."""
    lines = ["| | recall | points | false refusals | points |", "| --- | ---: | ---: | ---: | ---: |"]
    lines.append(f"| plain | {report.plain.recall:.3f} | | {report.plain.false_refusals:.3f} | |")
    for name, seen in report.disguised.items():
        lines.append(
            f"| {name} | {seen.recall:.3f} | {seen.recall_points:+.1f} | {seen.false_refusals:.3f} "
            f"| {seen.false_refusals_points:+.1f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the moderator on disguised texts.")
    parser.add_argument("--data", type=Path, required=True, help='JSON lines, {"text", "flagged"}; .gz too')
    parser.add_argument("--limit", type=int, default=200, help="harmful texts, and harmless ones, at most")
    parser.add_argument("--alone", action="store_true", help="judge without the readings")
    parser.add_argument("--json", action="store_true", help="print nothing but the result")
    options = parser.parse_args()

    try:
        rows = read(options.data)
    except InputError as error:
        parser.error(str(error))
    harmful, harmless = (
        [row["text"] for row in rows if row.get("flagged") is flagged][: options.limit] for flagged in (True, False)
    )
    if not harmful or not harmless:
        parser.error(f"{options.data} holds {len(harmful)} flagged texts and {len(harmless)} others; it needs both.")
    report = measure(own_moderator(readings=not options.alone), load_policy(None), harmful, harmless)
    if not options.json:
        print(f"{options.data.name}: {report.harmful} harmful texts, {report.harmless} harmless; refused are\n")
        print(table(report), end="\n\n")
    print(json.dumps(asdict(report)))


if __name__ == "__main__":
    main()
