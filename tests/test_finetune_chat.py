"""Supervised fine-tuning, its folder and its sentences: python -m pytest tests/test_finetune_chat.py"""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from chat import adapter, weights
from chat.base import Role
from chat.hub import silent
from chat.placement import Placement
from errors import AppError, InputError
from finetune import chat, command, data, masking, rows, watching
from finetune.config import Recipe
from finetune.examples import Example, Turn
from finetune.run_card import card
from finetune.run_folder import RunFolder, as_json
from finetune.training import Run
from tests.tiny_model import one_thread
from tests.tuning import STEPS, recipe, shelf

_ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shelf(tmp_path_factory.mktemp("shelf"))


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    return chat.train(_with(recipe(folder, "lora", "taught"), output={"report": ("tensorboard",)}), folder / "runs")


def _with(given: Recipe, **tables: dict[str, Any]) -> Recipe:
    """The recipe with some keys changed."""
    changed = {name: dataclasses.replace(getattr(given, name), **keys) for name, keys in tables.items()}
    return dataclasses.replace(given, **changed)


def _said(run: Run) -> dict[str, Any]:
    return dict(json.loads((run.folder / "run.json").read_text(encoding="utf-8")))


def test_a_run_leaves_an_adapter_and_what_tells_of_it(run: Run, folder: Path) -> None:
    there = {path.name for path in run.folder.iterdir()}
    assert {"adapter_config.json", "adapter_model.safetensors", "tokenizer.json", "chat_template.jinja"} <= there
    assert {"README.md", "run.json", "curves.png", "checkpoints", "tensorboard"} <= there
    assert not [name for name in there if name.endswith((".bin", ".pt", ".new"))]
    said = _said(run)
    assert said["finished"] and said["steps"] == STEPS == run.steps
    assert said["trained_parameters"] == run.trained < said["parameters"] * 0.05
    assert said["data"][0]["count"] == 36 and re.fullmatch("[0-9a-f]{64}", said["data"][0]["sha256"])
    assert run.scores["loss_after"] < run.scores["loss_before"] - 0.3
    assert run.scores["perplexity_after"] == pytest.approx(np.exp(run.scores["loss_after"]))


def test_what_was_left_out_is_counted_in_run_and_card(folder: Path) -> None:
    chats = folder / "faulty.jsonl"
    long = {"prompt": "word " * 400, "completion": "It is long."}
    good = (folder / "chats.jsonl").read_text(encoding="utf-8").splitlines()[:6]
    chats.write_text("\n".join([*good, json.dumps(long), "{", good[0]]), encoding="utf-8")
    told = _with(recipe(folder, "lora", "left"), data={"train": f"{chats}, {folder}/long.jsonl"}, training={"steps": 1})
    (folder / "long.jsonl").write_text(json.dumps(long), encoding="utf-8")
    found = chat.train(told, folder / "runs", skip_bad=True)
    # One that is none, one of another format than the file's, one that is there twice.
    assert found.counts["faulty_and_left_out"] == 3 and found.counts["too_long_and_left_out"] == 1
    assert found.counts["conversations"] + found.counts["held"] == 6
    assert "3 faulty and left out, 1 too long and left out." in (found.folder / "README.md").read_text("utf-8")
    assert "\n3 faulty and left out\n1 too long and left out\n" in command._told(found)


def test_a_text_that_the_model_cannot_be_given_is_named_by_file_and_line() -> None:
    texts = [Example((Turn(Role.USER, "A"), Turn(Role.ASSISTANT, "B")), f"a.jsonl:{line}") for line in (1, 2, 2)]

    def write(example: Example) -> list[str]:
        if example.source == "a.jsonl:2":
            raise InputError("It holds a control token; remove it.", zh="含有控制词元；请删去。")
        return ["row"]

    with pytest.raises(InputError, match=r"1 fault in 1 record.*\na\.jsonl:2: It holds a control token; remove it$"):
        rows.encoded(texts, write, skip_bad=False)
    assert rows.encoded(texts, write, skip_bad=True) == rows.Encoded(("row",), texts=1, faulty=2)


def test_the_adapter_fits_its_base(run: Run, folder: Path) -> None:
    base = folder / "tiny"
    config = weights.open_config(base, "tiny")
    net = weights.open_net(base, "tiny", config, Placement(device="cpu", dtype="float32"))
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    merged = adapter.merge(net, adapter.read(run.folder, "taught"), str(base), False)
    changed = [name for name, tensor in merged.state_dict().items() if (tensor != before[name]).any()]
    assert len(changed) == 8, "two layers of four matrices each"


def test_a_card_says_what_a_reader_asks_and_nothing_of_this_machine(run: Run, folder: Path) -> None:
    card = (run.folder / "README.md").read_text(encoding="utf-8")
    said = _said(run)
    assert card.startswith('---\nbase_model: "tiny"\nlibrary_name: peft\n')
    for told in (said["data"][0]["sha256"], "chats.jsonl", "rate = 0.003", "trl 1.16.0", f"{run.trained:,} of"):
        assert told in card
    assert f"| {run.scores['loss_before']:.4g} | {run.scores['loss_after']:.4g} |" in card
    assert str(folder) not in card and str(Path.home()) not in card


def test_a_card_names_data_of_the_hub_and_of_urls_whole(run: Run) -> None:
    said = _said(run)
    names = ("hub:owner/chats/data/train.parquet", "https://me:secret@example.org/a/b.jsonl?key=k1", "/home/me/c.jsonl")
    said["data"] = [{"part": "train", "name": name, "sha256": "00", "count": 1} for name in names]
    said["recipe"]["data"]["train"] = f"hub:owner/chats/en@train:0.5, {names[1]}:2, {names[2]}, finetune/slices.json"
    text = card(said)
    assert "| hub:owner/chats/data/train.parquet |" in text
    assert "| https://example.org/a/b.jsonl |" in text and "| c.jsonl |" in text
    shown = "hub:owner/chats/en@train:0.5, https://example.org/a/b.jsonl:2, c.jsonl, slices.json"
    assert f'train = "{shown}"' in text
    assert not re.search("secret|k1|/home/me", text)


def test_the_curves_are_a_picture_with_both_lines(run: Run) -> None:
    from matplotlib.image import imread

    pixels = imread(run.folder / "curves.png")[..., :3]
    assert pixels.shape[0] > 400 and pixels.shape[1] > 600
    for colour in ("#3b6ea5", "#c4622d", "#5b8c3e"):
        wanted = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
        assert (np.abs(pixels - wanted).max(axis=2) < 0.03).sum() > 50, colour


def test_tensorboard_has_every_step(run: Run) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run.folder / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("train/loss")] == list(range(1, STEPS + 1))
    assert [event.step for event in events.Scalars("eval/loss")] == [0, 4, 8, 10]


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_trl_is_given_the_tokens_that_the_app_would_send(folder: Path) -> None:
    """And no others count: packed and not, what the trainer is fed is `masking.encode`, token by token."""
    from finetune.base_model import open_base
    from finetune.packing import Packed, pack
    from finetune.training import Job

    for packed in (True, False):
        told = _with(recipe(folder, "lora", f"fed-{packed}"), data={"packing": packed})
        base = open_base(told, silent)
        texts = [
            masking.encode(example.turns, base.tokenizer, base.format, told.data.length)
            for example in data.examples(told.data.train).items
        ]
        rows = [one.fields for one in (pack(texts, told.data.length) if packed else [Packed((t,)) for t in texts])]
        job = Job("chat", told, RunFolder(folder / "fed"), base, (), {}, rows=len(rows), held=0)
        trainer = chat._trainer(job, rows, [], silent, False)
        seen = set()
        for batch in trainer.get_train_dataloader():
            ids, labels = batch["input_ids"], batch["labels"]
            there = batch["position_ids"] if packed else batch["attention_mask"].cumsum(1) - 1
            for row in range(len(ids)):
                begins = [at for at, place in enumerate(there[row].tolist()) if place == 0] + [ids.shape[1]]
                for first, after in pairwise(begins):
                    kept = slice(first, after) if packed else slice(first, int(batch["attention_mask"][row].sum()))
                    seen.add((tuple(ids[row, kept].tolist()), tuple(labels[row, kept].tolist())))
        assert seen == {(text.ids, tuple(text.labels)) for text in texts}


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_rows_that_are_packed_lose_nothing_and_see_nothing_of_each_other(folder: Path) -> None:
    from finetune.base_model import open_base
    from finetune.packing import Packed, pack
    from finetune.training import Job

    told = _with(recipe(folder, "lora", "packed"), method={"dropout": 0.0})
    base = open_base(told, silent)
    examples = data.examples(told.data.train).items[:6]
    texts = [masking.encode(one.turns, base.tokenizer, base.format, told.data.length) for one in examples]
    rows = [one.fields for one in pack(texts, told.data.length)]
    alone = [Packed((text,)).fields for text in texts]
    job = Job("chat", told, RunFolder(folder / "packed"), base, (), {}, rows=len(rows), held=len(alone))
    trainer = chat._trainer(job, rows, alone, silent, False)
    trainer.model.eval()
    batch = trainer.data_collator([dict(one) for one in rows])
    together = float(trainer.compute_loss(trainer.model, batch).detach())
    assert together == pytest.approx(trainer.scores()["loss"], rel=1e-5)


def test_training_stops_when_nothing_gets_better_and_keeps_the_best(folder: Path) -> None:
    hasty = {"rate": 0.3, "steps": 30, "evaluate_every": 1, "save_every": 10, "patience": 2, "warmup": 0.9, "keep": 1}
    told = _with(recipe(folder, "full", "patient"), training=hasty)
    found = chat.train(told, folder / "runs")
    state = json.loads(next((found.folder / "checkpoints").glob("step-*/trainer_state.json")).read_text())
    assert found.steps == state["best_global_step"] < 28
    assert found.scores["loss_after"] == state["best_metric"] < found.scores["loss_before"]
    kept = load_file(found.folder / "checkpoints" / f"step-{found.steps}" / "model.safetensors")
    result = load_file(found.folder / "model.safetensors")
    assert all((kept[name] == result[name]).all() for name in kept | result)


def test_qlora_trains_beside_weights_of_four_bits(folder: Path) -> None:
    told = _with(recipe(folder, "lora", "four"), model={"dtype": "bfloat16"}, method={"kind": "qlora"})
    found = chat.train(told, folder / "runs")
    assert found.scores["loss_after"] < found.scores["loss_before"] - 0.3
    assert found.parameters == 147_712


def test_ctrl_c_keeps_the_last_checkpoint_and_says_how_to_go_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = _with(recipe(folder, "lora", "stopped"), training={"steps": 6})
    passed = watching.Passes.on_step_end

    def on_step_end(self: Any, args: Any, state: Any, control: Any, **more: Any) -> None:
        passed(self, args, state, control, **more)
        if state.global_step == 5:
            raise KeyboardInterrupt

    with (
        monkeypatch.context() as patch,
        pytest.raises(InputError, match=r"“stopped” was stopped; .* step 3\. .*--resume"),
    ):
        patch.setattr(watching.Passes, "on_step_end", on_step_end)
        patch.setattr(watching.Clock, "seconds", 3600.0)
        chat.train(told, folder / "runs")
    assert not _is_finished(folder / "runs" / "stopped")
    _refused(told, folder, "holds another run")
    _refused(_with(told, training={"rate": 0.1}), folder, r"training\.rate was 0\.003 and is 0\.1", resume=True)
    chats = folder / "chats.jsonl"
    before = chats.read_text(encoding="utf-8")
    chats.write_text(before + before.replace("number", "letter"), encoding="utf-8")
    _refused(told, folder, r"chats\.jsonl changed since", resume=True)
    chats.write_text(before, encoding="utf-8")
    resumed = chat.train(told, folder / "runs", resume=True)
    assert resumed.steps == 6 and 60 < resumed.minutes < 70, "the hour until the checkpoint counts"
    assert _is_finished(folder / "runs" / "stopped")


def _is_finished(run: Path) -> bool:
    return bool(json.loads((run / "run.json").read_text(encoding="utf-8"))["finished"])


def _refused(told: Recipe, folder: Path, sentence: str, resume: bool = False) -> None:
    with pytest.raises(AppError, match=sentence) as refusal:
        chat.train(told, folder / "runs", resume=resume)
    assert "\n" not in str(refusal.value) and re.search("[\u4e00-\u9fff]", refusal.value.told("zh"))


def test_what_cannot_be_is_told_in_a_sentence(folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    told = recipe(folder, "lora", "never")
    _refused(told, folder, "no run to go on with", resume=True)
    _refused(_with(told, method={"targets": ("attention",)}), folder, "it has dense, dense_4h_to_h")
    _refused(_with(told, data={"length": 8192}), folder, "reads 4,096 at once")
    _refused(_with(told, model={"dtype": "float16"}), folder, "float16 needs a GPU")
    _refused(_with(told, output={"report": ("wandb",)}), folder, "wandb, which is not installed")
    shutil.rmtree(folder / "runs" / "never", ignore_errors=True)
    _refused(_with(told, output={"name": "a/b"}), folder, "without slashes")
    plain = folder / "bare"
    shutil.copytree(folder / "tiny", plain)
    (plain / "chat_template.jinja").unlink()
    bare = _with(told, model={"base": str(plain), "format": "chat-template"})
    _refused(bare, folder, "“.*bare” has no chat template")
    _refused(_with(told, model={"base": str(plain), "adapter": str(run.folder)}), folder, "was made for “.*tiny”, not")
    _refused(_with(told, output={"folder": str(folder / "pairs.jsonl" / "run")}), folder, r"pairs\.jsonl is a file")
    (folder / "runs" / "never").mkdir()
    (folder / "runs" / "never" / "notes.txt").write_text("mine", encoding="utf-8")
    _refused(told, folder, "“never” holds other files")
    shutil.rmtree(folder / "runs" / "never")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000_000))
    _refused(told, folder, r"no room for the run “never”: .* 1\.0 MB are free")


def test_a_checkpoint_that_was_damaged_is_passed_over(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    for step in (5, 10, 15):
        written = folder.unfinished / f"checkpoint-{step}"
        written.mkdir(parents=True)
        (written / "optimizer.pt").write_bytes(bytes(1000))
        folder.keep(written, step, at_most=2, best=5)
    assert folder.steps() == [5, 10, 15], "the best one stays beside the two newest"
    (folder.checkpoint(15) / "optimizer.pt").write_bytes(bytes(400))
    (folder.checkpoint(10) / "whole.json").unlink()
    assert folder.steps() == [5]


def test_a_run_goes_on_after_recipes_got_a_key_more(tmp_path: Path) -> None:
    told, folder = recipe(tmp_path, "lora", "older"), RunFolder(tmp_path / "older")
    before = as_json(told)
    del before["model"]["sources"]
    folder.write({"recipe": before, "processes": 1})
    folder.admit(told, 1, resume=True)
    with pytest.raises(InputError, match=r"model\.sources was True and is False"):
        folder.admit(_with(told, model={"sources": False}), 1, resume=True)


def test_a_plan_tells_the_steps_that_the_data_give(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = folder / "planned.toml"
    file.write_text(f"[model]\nbase = {json.dumps(str(folder / 'tiny'))}\ndtype = 'float32'\n", encoding="utf-8")
    keys = ("data.length=192", "training.epochs=1.5", "training.batch=2", "training.accumulate=2", "output.report=[]")
    given = ["--config", str(file), *(word for key in keys for word in ("--set", key))]
    given += ["--set", f"output.folder={folder / 'planned'}", "--set", f"data.train={folder / 'chats.jsonl'}"]
    assert chat.main([*given, "--plan"]) == 0
    planned = re.search(r"^steps +(\d+), of 768 tokens each", capsys.readouterr().out, re.MULTILINE)
    assert planned and not (folder / "planned").exists()
    assert chat.main([*given, "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["steps"] == int(planned[1]) > 1
    assert chat.main(["--config", str(file), "--plan"]) == 0
    assert "as many as the data give" in capsys.readouterr().out
    monkeypatch.chdir(folder)  # what is fetched is kept in var/training
    assert chat.main([*given, "--set", "data.train=https://127.0.0.1:1/none.jsonl", "--plan"]) == 0
    said = capsys.readouterr()
    assert "as many as the data give" in said.out and "finetune.chat: the steps are unknown: " in said.err


def test_ctrl_c_before_training_is_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """While data or a model are fetched, say, which may take hours."""
    file = folder / "early.toml"
    file.write_text(f"[model]\nbase = {json.dumps(str(folder / 'tiny'))}\ndtype = 'float32'\n", encoding="utf-8")

    def stopped(*_: Any, **__: Any) -> Run:
        raise KeyboardInterrupt

    given = ["--config", str(file), "--set", "data.length=64", "--set", f"output.folder={folder / 'early'}"]
    assert command.command("finetune.chat", "Teaches.", stopped, chat.count, given, pairs=False) == 130
    assert capsys.readouterr().err.splitlines()[-1] == "finetune.chat: stopped before anything was trained."


def test_help_and_a_wrong_key_take_no_time(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('[model]\nbase = "a/b"\n[training]\nsteps_ = 3\n', encoding="utf-8")
    code = (
        "import sys\nfrom finetune import chat\n"
        "ended = chat.main(['--config', sys.argv[1]])\n"
        "print(ended, *[name for name in ('torch', 'trl', 'transformers') if name in sys.modules])"
    )
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code, str(wrong)], cwd=_ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["1"]
    assert "training.steps_" in done.stderr and "training.steps" in done.stderr
    assert time.perf_counter() - began < 20


@pytest.mark.parametrize("name", ["single", "ddp", "cpu", "fsdp2", "zero3"])
def test_accelerates_configurations_are_ones_it_reads(name: str) -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    file = _ROOT / "finetune" / "accelerate" / f"{name}.yaml"
    found = load_config_from_file(str(file))
    kinds = {"single": "NO", "ddp": "MULTI_GPU", "cpu": "MULTI_GPU", "fsdp2": "FSDP", "zero3": "DEEPSPEED"}
    assert str(found.distributed_type.value) == kinds[name]
    assert f"finetune/accelerate/{name}.yaml" in file.read_text(encoding="utf-8")
