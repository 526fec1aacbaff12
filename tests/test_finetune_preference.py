"""Preference training moves both answers the right way: python -m pytest tests/test_finetune_preference.py"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from safetensors.numpy import load_file

from chat.base import Role
from errors import AppError
from finetune import chat, data, masking, preference, rows
from finetune.config import Data, Loss, Method, Output, Recipe, Training
from finetune.config import Preference as Preferring
from finetune.examples import Pair
from finetune.training import Run
from tests.tiny_model import one_thread
from tests.tuning import recipe, shelf


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Beside the shelf's files, questions that are answered one way as often as the other."""
    made = shelf(tmp_path_factory.mktemp("shelf"))
    written = []
    for line in (made / "pairs.jsonl").read_text(encoding="utf-8").splitlines():
        pair = json.loads(line)
        for said in (pair["chosen"], pair["rejected"]):
            asked = {"role": "user", "content": pair["prompt"]}
            written.append({"messages": [asked, {"role": "assistant", "content": said}]})
    (made / "both.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in written), encoding="utf-8")
    return made


@pytest.fixture(scope="module")
def supervised(folder: Path) -> Run:
    """A model that says either answer."""
    told = recipe(folder, "full", "supervised")
    steps = Training(steps=60, batch=8, accumulate=1, rate=4e-3, evaluate_every=30, save_every=60, checkpointing=False)
    both = Data(train=str(folder / "both.jsonl"), length=192, packing=False)
    return chat.train(dataclasses.replace(told, data=both, training=steps), folder / "runs")


def _preferring(folder: Path, base: Path, name: str, method: Method, sft: float, adapter: str = "") -> Recipe:
    told = recipe(folder, "preference", name)
    return dataclasses.replace(
        told,
        model=dataclasses.replace(told.model, base=str(base), adapter=adapter),
        method=method,
        data=Data(train=str(folder / "pairs.jsonl"), held_share=0.25, length=192),
        training=Training(
            steps=20, batch=8, accumulate=1, rate=1e-3, evaluate_every=20, save_every=20, checkpointing=False
        ),
        preference=Preferring(sft=sft),
        output=Output(name=name, report=()),
    )


def test_the_preferred_answer_gets_likelier_and_the_rejected_one_less_so(folder: Path, supervised: Run) -> None:
    told = _preferring(folder, supervised.folder, "preferring", Method(kind="lora", rank=8), sft=1.0)
    run = preference.train(told, folder / "runs")
    assert run.scores["chosen_after"] > run.scores["chosen_before"]
    assert run.scores["rejected_after"] < run.scores["rejected_before"] - 1
    assert run.scores["won_after"] == 1.0 and "won_before" not in run.scores
    assert run.scores["loss_before"] == pytest.approx(0.6931, abs=1e-3), "before training nothing is gained: log 2"
    said = json.loads((run.folder / "run.json").read_text(encoding="utf-8"))
    assert said["kind"] == "preference" and said["scores"] == dict(run.scores) and said["counts"]["held"] == 9
    card = (run.folder / "README.md").read_text(encoding="utf-8")
    assert f"| {run.scores['chosen_before']:.4g} | {run.scores['chosen_after']:.4g} |" in card
    assert str(folder) not in card


def test_plain_dpo_lowers_both(folder: Path, supervised: Run) -> None:
    """Why `preference.sft` is 1 unless it is told otherwise."""
    run = preference.train(
        _preferring(folder, supervised.folder, "plain", Method(kind="full"), sft=0.0), folder / "runs"
    )
    assert run.scores["chosen_after"] < run.scores["chosen_before"]
    assert run.scores["rejected_after"] < run.scores["rejected_before"]
    assert Preferring().sft == 1.0


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_it_goes_on_from_an_adapter_whose_answers_are_the_reference(folder: Path) -> None:
    taught = chat.train(recipe(folder, "lora", "taught"), folder / "runs")
    told = _preferring(
        folder, folder / "tiny", "further", Method(kind="lora", rank=8), sft=1.0, adapter=str(taught.folder)
    )
    run = preference.train(told, folder / "runs")
    before, after = (load_file(one.folder / "adapter_model.safetensors") for one in (taught, run))
    assert before.keys() == after.keys(), "one adapter, of the supervised run's rank, for the same base"
    assert any((before[name] != after[name]).any() for name in before)
    assert json.loads((run.folder / "adapter_config.json").read_text())["base_model_name_or_path"] == told.model.base
    assert run.scores["loss_before"] == pytest.approx(0.6931, abs=1e-3)
    assert run.scores["chosen_before"] == pytest.approx(_likelihood(told, taught.folder), rel=1e-4)
    assert not [path for path in run.folder.iterdir() if path.name == "ref"]


def _likelihood(told: Recipe, taught: Path) -> float:
    """The held-out preferred answers' mean log-probability under the supervised adapter, by PEFT alone."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    net: Any = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(told.model.base), str(taught)).eval()
    tokenizer = AutoTokenizer.from_pretrained(told.model.base)
    held = rows.parted(data.pairs, told, skip_bad=False).held
    sums = []
    for pair in held:
        one = masking.encode_pair(pair, tokenizer, "chat-template", told.data.length)
        ids = torch.tensor([[*one.prompt, *one.chosen]])
        with torch.no_grad():
            found = net(input_ids=ids).logits[0, :-1].log_softmax(-1)
        answer = ids[0, len(one.prompt) :]
        sums.append(float(found[len(one.prompt) - 1 :].gather(1, answer[:, None]).sum()))
    return sum(sums) / len(sums)


def test_losses_that_are_nothing_without_smoothing_have_some() -> None:
    """Without it TRL refuses `exo_pair`, and its `robust` is `sigmoid`."""
    assert preference._SMOOTHING.keys() == {"exo_pair", "robust"} <= set(get_args(Loss))
    assert all(0 < share < 0.5 for share in preference._SMOOTHING.values())


def test_a_question_is_on_one_side_only(folder: Path) -> None:
    told = recipe(folder, "preference", "sides")
    parts = rows.parted(data.pairs, dataclasses.replace(told, data=Data(told.data.train, held_share=0.3)), False)
    shown, held = parts.shown, parts.held

    def asked(pairs: Any) -> set[str]:
        return {turn.text for pair in pairs for turn in pair.turns if turn.role is Role.USER}

    assert len(held) == 11 and len(shown) == 25 and not asked(shown) & asked(held)
    assert [(part, file.count) for part, file in parts.files] == [("train", 36)]
    assert all(isinstance(pair, Pair) for pair in data.pairs(told.data.train).items)


def test_columns_that_are_missing_are_named(folder: Path) -> None:
    broken = folder / "broken.jsonl"
    broken.write_text('{"prompt": "a", "chosen": "b"}\n', encoding="utf-8")
    told = recipe(folder, "preference", "broken")
    with pytest.raises(AppError, match=r"broken\.jsonl.*1.*rejected"):
        preference.train(dataclasses.replace(told, data=Data(train=str(broken))), folder / "runs")
    assert not (folder / "runs" / "broken").exists()
