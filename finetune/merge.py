"""An adapter and its base made one model: a folder that this app, vLLM and everything else on transformers can serve.

    python -m finetune.merge run:support-bot --out support-bot-merged
    python -m finetune.merge run:support-bot --out support-bot-4bit --quantise 4bit
    python -m finetune.merge var/runs/support-bot-full --push owner/support-bot --private

What is written is read back and must give the logits of base and adapter unmerged: `finetune.sameness` says how near.
It stands under another name until that is proved, so there is never half a model. A run of whole weights can be
quantised and pushed too; without --out a run is pushed as it is.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from chat import adapter, on_disk, weights
from chat.adapter import Adapter
from chat.bilingual import told
from chat.hub import silent
from chat.memory import Load, anatomy
from chat.placement import DTYPES, QUANTISATIONS, Placement
from chat.runs import PREFIX, RECORD, Runs, read
from errors import AppError, InputError
from finetune import merged_card, sameness
from finetune.command import data_folder
from finetune.push import push
from finetune.run_folder import CARD, CURVES, free_bytes, is_full
from finetune.sameness import Sameness

_SHARD = "5GB"

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Source:
    """What is to be made into one model."""

    name: str
    folder: Path
    """Its own files: an adapter's, or the whole model's."""
    base: str
    """Hub id or folder of the weights that are read; the folder itself where they are whole."""
    adapter: Adapter | None


@dataclass(frozen=True, slots=True)
class Made:
    """A model that was written, and how it compares with what it was made from."""

    folder: Path
    bytes: int
    merged: Sameness
    quantised: Sameness | None


def source(name: str, base: str, runs: Path) -> Source:
    """What `name` means: run:NAME, a run's or model's folder, or an adapter's hub id. Raises `AppError`."""
    folder = on_disk.folder(name)
    far = not name.startswith(PREFIX) and folder is None
    run = Runs(runs).find(name) or read(folder or adapter.fetch(name))
    if run.kind != "adapter":
        if base:
            raise InputError(
                f"“{run.name}” holds whole weights, so --base says nothing; leave it out.",
                zh=f"“{run.name}”是完整的权重，--base 没有意义；请去掉它。",
            )
        return Source(run.name, run.folder, str(run.folder), None)
    shown = name if far else run.name
    return Source(shown, run.folder, base or run.base, adapter.read(run.folder, shown))


def make(what: Source, out: Path, placement: Placement, report: Report = silent) -> Made:
    """Write the model into `out`, which must not be there yet. Raises `AppError`.

    `placement` says where it is computed, in which numbers (`auto`: those of the base), and how it is quantised.
    """
    if out.exists():
        raise InputError(
            f"{out} is there already; name another folder with --out, or remove it.",
            zh=f"{out} 已存在；请用 --out 另指定一个文件夹，或先删除它。",
        )
    folder = weights.fetch(what.base, report)
    base = adapter.shown(what.base)
    config = weights.open_config(folder, base)
    if getattr(config, "quantization_config", None):
        raise InputError(
            f"“{base}” is quantised already; merge into the model it was made from, named with --base.",
            zh=f"“{base}”已经量化；请用 --base 指定它量化之前的模型。",
        )
    if placement.dtype == "auto":
        placement = replace(placement, dtype=_stored(config))
    report(told(weights.forecast(str(folder), _plain(placement), 1, sameness.LENGTH), "en"))
    _check_room(config, out, placement, base)
    scratch = out.with_name(f".{out.name}.unfinished")
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        return _make(what, folder, config, out, placement, scratch, report)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _make(
    what: Source, folder: Path, config: Any, out: Path, placement: Placement, scratch: Path, report: Report
) -> Made:
    plain, whole = _plain(placement), scratch / "whole"
    tokenizer = weights.open_tokenizer(what.folder if _has_tokenizer(what.folder) else folder, what.name)
    texts = sameness.texts(tokenizer)
    expected = _merge(what, folder, config, plain, tokenizer, texts, whole, report)

    def read_back(model: Path, kept: Placement, numbers: str) -> Sameness:
        """How near a model that was written is. Raises `ModelError` where it is not near enough."""
        gc.collect()
        report("Reading it back")
        same = sameness.compare(expected, sameness.logits(_open(model, what.name, kept), texts), numbers)
        sameness.insist(same, what.name)
        return same

    model, packages = whole, ["torch", "transformers", "peft"]
    checks = {"merged": read_back(whole, plain, plain.dtype)}
    if placement.quantised:
        report(f"Quantising to {placement.quantisation}")
        narrow = replace(plain, dtype=_narrow(plain.dtype))
        # Saved before anything is computed: on the CPU bitsandbytes packs the weights anew then, and not without loss.
        net = _open(whole, what.name, replace(narrow, quantisation=placement.quantisation))
        model = scratch / "quantised"
        _save(net, tokenizer, model, adapter.shown(what.base))
        del net
        checks["quantised"] = read_back(model, narrow, placement.quantisation)
        packages.append("bitsandbytes")
    facts = {
        "of": what.name,
        "base": what.base if what.adapter else "",
        "dtype": plain.dtype,
        "quantised": placement.quantisation,
        "check": {name: asdict(same) for name, same in checks.items()},
        "versions": {name: version(name) for name in packages},
    }
    _describe(what, model, facts)
    model.rename(out)
    size = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    return Made(out, size, checks["merged"], checks.get("quantised"))


def _merge(
    what: Source,
    folder: Path,
    config: Any,
    placement: Placement,
    tokenizer: Any,
    texts: Sequence[Sequence[int]],
    out: Path,
    report: Report,
) -> Any:
    """Write base and adapter as one into `out`; the logits that they gave apart."""
    base = adapter.shown(what.base)
    report(f"Reading {base}")
    net = weights.open_net(folder, base, config, placement)
    handle = adapter.put_on(net, what.adapter, base) if what.adapter else None
    expected = sameness.logits(net.eval(), texts)
    if handle is not None:
        report(f"Merging {what.name}")
        net = handle.merge_and_unload(safe_merge=True)
    _save(net, tokenizer, out, base)
    return expected


def _plain(placement: Placement) -> Placement:
    """The same without quantisation."""
    return replace(placement, quantisation="none")


def _narrow(dtype: str) -> str:
    """What quantised weights are multiplied in, whatever they were made from: 16 bits."""
    return "bfloat16" if dtype == "float32" else dtype


def _open(folder: Path, name: str, placement: Placement) -> Any:
    return weights.open_net(folder, name, weights.open_config(folder, name), placement)


def _save(net: Any, tokenizer: Any, folder: Path, base: str) -> None:
    """Weights in shards, configuration, generation settings, tokenizer with its chat template."""
    net.config._name_or_path = base  # not the folder of this machine that it was read from
    try:
        folder.mkdir(parents=True)
        net.save_pretrained(folder, max_shard_size=_SHARD)
        tokenizer.save_pretrained(folder)
    except Exception as error:  # each library tells of a full disk in its own way
        if not isinstance(error, OSError) and not is_full(error):
            raise
        raise InputError(
            f"The model cannot be written to {folder} ({error}); free some space there, or name another folder with "
            "--out.",
            zh=f"无法把模型写入 {folder}（{error}）；请在那里腾出空间，或用 --out 另指定文件夹。",
        ) from error


def _describe(what: Source, folder: Path, facts: dict[str, Any]) -> None:
    """The card and run.json, with what the run said of itself."""
    record: dict[str, Any] = {}
    with suppress(OSError, ValueError):
        record = json.loads((what.folder / RECORD).read_text(encoding="utf-8"))
    text = json.dumps({**record, "merged": facts}, indent=1, ensure_ascii=False)
    (folder / RECORD).write_text(f"{text}\n", encoding="utf-8")
    before = ""
    with suppress(OSError, ValueError):
        before = (what.folder / CARD).read_text(encoding="utf-8")
    (folder / CARD).write_text(merged_card.card(what.name, facts, before), encoding="utf-8")
    if (what.folder / CURVES).is_file():
        shutil.copy(what.folder / CURVES, folder / CURVES)


def _has_tokenizer(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer_config.json", "tokenizer.model"))


def _stored(config: Any) -> str:
    """The number format in which the base is stored."""
    said = str(config.get_text_config().dtype or "").removeprefix("torch.")
    return said if said in DTYPES else "float32"


def _check_room(config: Any, out: Path, placement: Placement, name: str) -> None:
    """Raise `InputError` when the disk has no room for the model, and for the whole one before it is quantised."""
    counted = anatomy(config)
    needed = counted.need(Load(1, 1, placement.dtype)).weights
    if placement.quantised:
        needed += counted.need(Load(1, 1, _narrow(placement.dtype), placement.quantisation)).weights
    free = free_bytes(out)
    if free < needed:
        raise InputError(
            f"“{name}” takes {needed / 1e9:.1f} GB on disk while it is made, and {free / 1e9:.1f} GB are free in "
            f"{out.parent}; free some space, or name another folder with --out.",
            zh=f"制作“{name}”需要 {needed / 1e9:.1f} GB 磁盘空间，{out.parent} 可用 {free / 1e9:.1f} GB；"
            "请腾出空间，或用 --out 另指定文件夹。",
        )


def main(arguments: Sequence[str] | None = None) -> int:
    from transformers.utils import logging as transformers_logging

    parser = argparse.ArgumentParser(prog="python -m finetune.merge", description=__doc__.splitlines()[0])
    parser.add_argument("source", help="run:NAME, the folder of a run or model, or an adapter's hub id")
    parser.add_argument("--base", default="", help="hub id or folder to merge into, instead of the one it was made for")
    parser.add_argument("--out", type=Path, help="folder to make; it must not be there yet")
    parser.add_argument("--runs", type=Path, help="folder of the runs; default: the app's")
    parser.add_argument("--dtype", choices=DTYPES, default="auto", help="number format; auto: the base's own")
    parser.add_argument("--quantise", choices=QUANTISATIONS, default="none", help="smaller weights, by bitsandbytes")
    parser.add_argument("--device", default="cpu", help="where it is computed: cpu (default), cuda or cuda:1")
    parser.add_argument("--push", default="", metavar="OWNER/NAME", help="upload it to the Hugging Face hub")
    parser.add_argument("--private", action="store_true", help="as a private repository")
    parser.add_argument("--update", action="store_true", help="into a repository that is there already")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    transformers_logging.disable_progress_bar()
    try:
        result = _run(options)
    except AppError as error:
        print(error, file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(result, ensure_ascii=False))
    return 0


def _run(options: argparse.Namespace) -> dict[str, Any]:
    """What `main` was asked for. Raises `AppError`."""
    if options.out is None and (options.quantise != "none" or not options.push):
        raise InputError(
            "Name the folder to make with --out; only a run that is pushed as it is needs none.",
            zh="请用 --out 指定要生成的文件夹；只有原样推送的训练结果才不需要。",
        )

    def report(says: str) -> None:
        print(says if says.endswith(".") else f"{says}…", file=sys.stderr, flush=True)

    what = source(options.source, options.base, options.runs or data_folder() / "runs")
    result: dict[str, Any] = {"source": what.name, "base": what.base}
    folder = what.folder
    if options.out is not None:
        made = make(what, options.out, Placement(options.device, options.dtype, options.quantise), report)
        folder = made.folder
        result |= {"folder": str(folder), "bytes": made.bytes, "merged": asdict(made.merged)}
        print(f"{folder}: {made.bytes / 1e6:,.1f} MB. {sameness.sentence(made.merged)}", flush=True)
        if made.quantised is not None:
            result["quantised"] = asdict(made.quantised)
            print(f"Quantised: {sameness.sentence(made.quantised)}", flush=True)
    if options.push:
        report(f"Uploading to {options.push}")
        result["page"] = push(folder, options.push, private=options.private, update=options.update)
        print(result["page"], flush=True)
    return result


if __name__ == "__main__":
    sys.exit(main())
