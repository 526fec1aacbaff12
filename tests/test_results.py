"""The documentation's tables are those of the committed results. python -m pytest tests/test_results.py"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evaluation import results


def test_the_tables_are_current() -> None:
    page = results.PAGE.read_text(encoding="utf-8")
    assert results.rendered(page) == page, "run: python -m evaluation.results"


@pytest.mark.parametrize("path", sorted(results.RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_every_result_names_its_machine(path: Path) -> None:
    figures = json.loads(path.read_text(encoding="utf-8"))
    assert figures["machine"]["cpu"] and figures["machine"]["torch"]


def test_a_result_without_a_place_is_told() -> None:
    with pytest.raises(ValueError, match="lacks <!-- speed-"):
        results.rendered("# Nothing\n")
