"""The card of a run, in the front matter and Markdown that the Hub reads: what run.json says, for people.

A model, an adapter or a file that was given as a path is named by its last part: a card goes elsewhere with the run.
What came from the hub or a URL is named whole.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from chat import catalogue
from finetune import mixture

_LIBRARIES = ("torch", "transformers", "trl", "peft", "accelerate", "datasets", "bitsandbytes")
_METHODS = {
    "lora": "a LoRA adapter beside the base's weights",
    "qlora": "a LoRA adapter beside the base's weights in 4 bits (NF4)",
    "full": "every weight of the base",
}
_KINDS = {
    "chat": "Supervised fine-tuning: the loss of the assistant's tokens alone.",
    "preference": "Preference training (DPO) on pairs of answers.",
}
_SCORES = {
    "loss": "held-out loss, nats a token",
    "perplexity": "held-out perplexity",
    "chosen": "log-probability of the preferred answer, mean of held-out pairs",
    "rejected": "log-probability of the rejected answer, mean of held-out pairs",
    "won": "share of held-out pairs in which the preferred answer gained more",
}
_PAIRS = {"loss": "DPO's loss on held-out pairs"}


def versions() -> dict[str, str]:
    """Of Python and the libraries that a run stands on."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def named(source: str) -> str:
    """A hub id as it is, a URL without what may be secret in it; a path by its last part."""
    url = urlsplit(source)
    if url.scheme in ("http", "https"):
        return f"{url.scheme}://{url.netloc.rpartition('@')[2]}{url.path}"
    path = Path(source).expanduser()
    local = path.is_absolute() or source.startswith((".", "~")) or path.exists() or source.count("/") > 1
    return path.name if local and not source.startswith("hub:") else source


def card(said: Mapping[str, Any]) -> str:
    """README.md for what a finished run's run.json says."""
    base, recipe = str(said["base"]), said["recipe"]
    sections = [
        _front(said),
        f"# {said['name']}",
        f"{named(base)}, taught by Groundchat. {_KINDS[said['kind']]} Trained: {_METHODS[said['method']]}, "
        f"{said['trained_parameters']:,} of {said['parameters']:,} parameters "
        f"({said['trained_parameters'] / said['parameters']:.2%}).",
        _use(said),
        "## Scores\n\n" + _scores(said),
        "![Loss and learning rate](curves.png)",
        "## Data\n\n" + _data(said),
        "## Settings\n\n" + _settings(recipe),
        "## Licence\n\n" + _licence(base, said),
        "## Made with\n\n" + ", ".join(f"{name} {number}" for name, number in said["versions"].items()) + ".",
    ]
    return "\n\n".join(sections) + "\n"


def _front(said: Mapping[str, Any]) -> str:
    base = named(str(said["base"]))
    lines = ["---", f"base_model: {json.dumps(base, ensure_ascii=False)}"]
    lines.append("library_name: " + ("transformers" if said["method"] == "full" else "peft"))
    lines += ["pipeline_tag: text-generation", "tags:", "- groundchat", f"- {said['kind']}", "---"]
    return "\n".join(lines)


def _use(said: Mapping[str, Any]) -> str:
    adapter = f", trained further from the adapter {named(said['adapter'])}" if said["adapter"] else ""
    return f"Base: `{named(str(said['base']))}`{adapter}. Prompts are written in the format `{said['format']}`."


def _scores(said: Mapping[str, Any]) -> str:
    scores = said["scores"]
    if not scores:
        return f"Nothing was held out, so nothing was measured. {_speed(said)}"
    names = _SCORES | (_PAIRS if said["kind"] == "preference" else {})
    keys = [key for key in names if f"{key}_after" in scores]
    lines = ["| | before | after |", "|---|--:|--:|"]
    for key in keys:
        lines.append(f"| {names[key]} | {_number(scores.get(f'{key}_before'))} | {_number(scores[f'{key}_after'])} |")
    held = said["counts"].get("held", 0)
    return "\n".join(lines) + f"\n\nMeasured on {held:,} held-out texts. {_speed(said)}"


def _speed(said: Mapping[str, Any]) -> str:
    return f"{said['steps']:,} steps in {said['minutes']:.1f} minutes, {said['tokens_per_s']:,.0f} tokens/s."


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _data(said: Mapping[str, Any]) -> str:
    lines = ["| part | file | records | SHA-256 |", "|---|---|--:|---|"]
    for file in said["data"]:
        lines.append(f"| {file['part']} | {named(file['name'])} | {file['count']:,} | `{file['sha256']}` |")
    counts = ", ".join(f"{value:,} {name.replace('_', ' ')}" for name, value in said["counts"].items())
    return "\n".join(lines) + f"\n\n{counts[:1].upper()}{counts[1:]}."


def _settings(recipe: Mapping[str, Mapping[str, Any]]) -> str:
    lines = []
    for table, keys in recipe.items():
        if table in ("output", "card"):
            continue
        lines.append(f"[{table}]")
        for key, value in keys.items():
            shown = named(value) if key in ("base", "adapter") and value else value
            shown = _files(value) if table == "data" and isinstance(value, str) else shown
            lines.append(f"{key} = {json.dumps(shown, ensure_ascii=False)}")
    return "```toml\n" + "\n".join(lines) + "\n```"


def _files(data: str) -> str:
    """The sources of a mixture by their names, with their weights."""
    parts = mixture.parse(data) if data else ()
    return ", ".join(named(part.name) + ("" if part.weight is None else f":{part.weight:g}") for part in parts)


def _licence(base: str, said: Mapping[str, Any]) -> str:
    known = catalogue.find(base)
    of_base = f"{base} is under {known.licence}" if known else f"The card of {named(base)} states its licence"
    files = ", ".join(dict.fromkeys(named(file["name"]) for file in said["data"]))
    return (
        f"{of_base}; what is derived from it, this too, keeps to it. Whoever publishes this should check the licence "
        f"of the data as well ({files}): a model can repeat what it was taught."
    )
