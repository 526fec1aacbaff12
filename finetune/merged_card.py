"""The model card of a merged or quantised model: what it was made of, how it compares, and the run's own card."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from chat import catalogue
from chat.adapter import shown

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_FRONT = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)


def card(name: str, facts: Mapping[str, Any], before: str) -> str:
    """Markdown with the hub's front matter. `facts` is what run.json keeps under `merged`, `before` the run's card."""
    base, quantised = str(facts["base"]), facts["quantised"] != "none"
    known = catalogue.find(base) if base else None
    front = ["library_name: transformers", "pipeline_tag: text-generation"]
    front += [f"base_model: {base}"] if _HUB_ID.fullmatch(base) else []
    front += [f"license: {known.licence.lower()}"] if known else []
    front += ["tags:", "- groundchat", *(["- bitsandbytes", f"- {facts['quantised']}"] if quantised else [])]
    made = f"The adapter {name} merged into {shown(base)}" if base else f"The model {name}"
    how = f", in {facts['dtype']}" + (f", quantised to {facts['quantised']} with bitsandbytes" if quantised else "")
    rows = [
        f"| {what} | {same['difference']:.2e} | {same['relative']:.2e} | {same['agree']:.1%} | "
        f"{same['bound']:g} ({'largest' if same['absolute'] else 'norm'}) |"
        for what, same in facts["check"].items()
    ]
    versions = ", ".join(f"{package} {number}" for package, number in facts["versions"].items())
    lines = [
        "---",
        *front,
        "---",
        "",
        f"# {name}",
        "",
        f"{made}{how}. It was read back from disk and compared with what it was made of, over every token of a few "
        "texts:",
        "",
        "| | largest difference of a logit | by norm | same likeliest token | bound |",
        "|---|---|---|---|---|",
        *rows,
        "",
        f"Made with {versions}.",
        "",
    ]
    own = _FRONT.sub("", before).strip()
    return "\n".join([*lines, "## The run", "", own, ""] if own else lines)
