"""How well the off-topic rule of the moderation policy tells what a site is for.

    python -m evaluation.topics [--least 0.03]

For the sites of data/topics.toml: how many of their own questions are refused, and how many of the others' pass, with a
site's sentences alone and with its three example questions. `--json` prints one JSON object last, `--sweep` a table
over thresholds. Sites of the part "choosing" set the default, those of "measuring" were looked at after.
"""

from __future__ import annotations

import argparse
import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from encoder import SentenceEncoder
from moderation.policy_file import load_policy
from moderation.topics import TopicJudge, Topics

DATA = Path(__file__).parent / "data" / "topics.toml"
PARTS = ("choosing", "measuring")


@dataclass(frozen=True, slots=True)
class Site:
    part: str
    only: tuple[str, ...]
    examples: tuple[str, ...]
    own: NDArray[np.float32]
    """Nearness of each question that belongs to the site."""
    others: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Rates:
    """Shares in 0..1 over all sites of a part."""

    refused: float
    """Of the questions that belong to the site."""
    passed: float
    """Of those that do not."""


class Once:
    """An encoder that encodes each text once: every site is asked the same questions."""

    def __init__(self, encoder: SentenceEncoder) -> None:
        self._encoder = encoder
        self._known: dict[str, NDArray[np.float32]] = {}

    def knows(self, language: str) -> bool:
        return self._encoder.knows(language)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        self._known.update(zip(new, self._encoder.encode(new), strict=True))
        return np.stack([self._known[text] for text in texts]) if texts else self._encoder.encode([])


def sites(judge: TopicJudge, examples: bool, path: Path = DATA) -> list[Site]:
    """Every site with the nearness of every question. `examples`: whether the policy holds the site's examples."""
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    found = []
    for place, row in enumerate(table["site"]):
        topics = Topics(tuple(row["only"]), tuple(row["examples"]) if examples else ())
        others = [text for i, other in enumerate(table["site"]) if i != place for text in other["questions"]]
        asked = [*row["questions"], *others, *table["anything"]["questions"]]
        nearness = judge.nearness(topics, asked)
        count = len(row["questions"])
        found.append(Site(row["for"], topics.only, topics.examples, nearness[:count], nearness[count:]))
    return found


def rates(found: Sequence[Site], part: str, least: float) -> Rates:
    own = np.concatenate([site.own for site in found if site.part == part])
    others = np.concatenate([site.others for site in found if site.part == part])
    return Rates(float((own < least).mean()), float((others >= least).mean()))


def main() -> None:
    parser = argparse.ArgumentParser(description="How well the off-topic rule tells what a site is for.")
    parser.add_argument("--least", type=float, default=load_policy().topics.least, help="the policy's topics.least")
    parser.add_argument("--sweep", action="store_true", help="a table over thresholds")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    given = parser.parse_args()
    judge = TopicJudge(Once(SentenceEncoder()))
    by_examples = {examples: sites(judge, examples) for examples in (False, True)}
    told = {}
    print("| part | policy holds | least | own refused | others pass |\n|---|---|---|---|---|")
    for part in PARTS:
        for examples, found in by_examples.items():
            holds = "sentences and 3 examples" if examples else "sentences"
            for least in np.arange(-0.02, 0.13, 0.01) if given.sweep else [given.least]:
                now = rates(found, part, float(least))
                print(f"| {part} | {holds} | {least:.2f} | {100 * now.refused:.1f} % | {100 * now.passed:.1f} % |")
                told[f"{part}, {holds}"] = {"least": float(least), "refused": now.refused, "passed": now.passed}
    if given.json:
        print(json.dumps(told))


if __name__ == "__main__":
    main()
