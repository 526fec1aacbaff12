"""How rare a term is in ordinary text. The reader sees a few passages, not a collection it could count in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from errors import ModelError


@dataclass(frozen=True, slots=True)
class Rarity:
    """Inverse document frequencies of common terms; a term that is not listed is as rare as can be."""

    shares: Mapping[str, float]
    """Share of ordinary texts that hold a term."""
    least: float = 0.0005
    """What is rarer counts as this rare."""

    def of(self, term: str) -> float:
        """0..1: 1 for the rarest terms, near 0 for the commonest. Idf on a scale of its own."""
        return math.log(max(self.shares.get(term, 0.0), self.least)) / math.log(self.least)


def read_rarity(path: Path) -> Rarity:
    """Read lines of `term<TAB>share`. Raises `ModelError` when the file is missing or malformed."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return Rarity({term: float(share) for term, share in (line.split("\t") for line in lines)})
    except (OSError, ValueError) as error:
        raise ModelError(
            f"The reader's list of common terms, {path.name}, cannot be read; reinstall Groundchat.",
            zh=f"阅读器的常用词表 {path.name} 无法读取；请重新安装 Groundchat。",
        ) from error
