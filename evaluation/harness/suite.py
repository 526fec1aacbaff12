"""The suite as lm-eval reads it: documents with their prompts, and answers scored by `evaluation.checks`.

`_task.yaml` names these functions; the repository's root must be on PYTHONPATH. Sources stand in the prompt as the app
writes them; system text before a question is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import Any

from chat.prompt import grounded_turn
from evaluation.checks import score
from evaluation.engines import passages_of
from evaluation.items import Item
from evaluation.suite import DEFAULT, load_suite


@cache
def _items() -> Mapping[str, Item]:
    return {item.id: item for item in load_suite(DEFAULT)}


def documents(task: str, **_: Any) -> dict[str, Any]:
    """The items of a task, as the one split of a data set; what else the harness hands over is left alone."""
    rows = [
        {"id": item.id, "prompt": grounded_turn(item.question, passages_of(item)), "reference": item.reference}
        for item in _items().values()
        if item.task == task
    ]
    return {"test": import_module("datasets").Dataset.from_list(rows)}


def results(document: Mapping[str, Any], answers: Sequence[str]) -> dict[str, float]:
    """The score of the one answer."""
    return {"score": score(_items()[document["id"]], answers[0].strip())}
