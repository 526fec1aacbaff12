"""Adapters beside a base that is in memory once. python -m pytest tests/test_adapted.py"""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from chat import adapter
from chat.adapted import AdaptedModel
from chat.base import NO_SOURCES, Sampling
from chat.local import LocalModel
from chat.making import Chosen, ModelMaker
from chat.placement import Placement
from chat.runs import Runs, read
from chat.slot import ModelSlot
from errors import AppError, ModelError
from retrieval.rerank import THRESHOLD
from tests.facts import check_told
from tests.test_placement import make_adapter
from tests.tiny_model import DIALOGUES, answer, ask, make_tiny_model, ready, shared_tiny_model, text
from tests.tiny_run import COUNTED, PARIS, QUESTION, make_tiny_run

ON_CPU = Placement(device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared_tiny_model(tmp_path_factory.getbasetemp(), chat_template=True)


@pytest.fixture(scope="module")
def runs(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two runs on the same base."""
    folder = tmp_path_factory.mktemp("data") / "runs"
    make_tiny_run(folder / "captain", base)
    make_tiny_run(folder / "pirate", base, PARIS)
    return folder


def tensors(model: LocalModel) -> dict[str, Any]:
    return {name: weight.detach().clone() for name, weight in model.network.named_parameters()}


def storages(model: LocalModel) -> set[int]:
    return {weight.data_ptr() for weight in model.network.parameters()}


def test_an_adapter_answers_beside_its_base_and_shares_every_weight_of_it(base: Path, runs: Path) -> None:
    import torch

    plain = ready(base)
    before, places = tensors(plain), storages(plain)
    adapted = AdaptedModel(read(runs / "captain"), plain)
    adapted.load()
    assert adapted.name == "captain"
    assert answer(adapted, QUESTION) == COUNTED
    assert answer(plain, QUESTION) == DIALOGUES[0][1]
    own = [name for name, weight in adapted.network.named_parameters() if weight.data_ptr() not in places]
    assert own and all("lora_" in name for name in own)
    assert places <= storages(adapted)
    after = tensors(plain)
    assert all(torch.equal(after[name], weight) for name, weight in before.items())


def test_beside_and_merged_are_one_model(base: Path, runs: Path) -> None:
    import torch

    adapted = AdaptedModel(read(runs / "captain"), ready(base))
    adapted.load()
    merged = LocalModel(str(base), Placement(device="cpu", dtype="float32", adapter=str(runs / "captain")))
    merged.load()
    ids = torch.arange(1, 60)[None]
    with torch.inference_mode():
        difference = (adapted.network(input_ids=ids).logits - merged.network(input_ids=ids).logits).abs().max()
    assert difference < 1e-4


@pytest.mark.parametrize("quantisation", ["8bit", "4bit"])
def test_quantised_weights_are_shared_and_left_alone(base: Path, tmp_path: Path, quantisation: str) -> None:
    import torch

    plain = LocalModel(str(base), Placement(device="cpu", quantisation=quantisation))
    plain.load()
    make_adapter(tmp_path / "lora", base_model_name_or_path=str(base))
    ids = torch.arange(1, 20)[None]
    with torch.inference_mode():
        before, places = plain.network(input_ids=ids).logits, storages(plain)
        adapted = AdaptedModel(read(tmp_path / "lora"), plain)
        adapted.load()
        assert (adapted.network(input_ids=ids).logits - before).abs().max() > 0.1
        assert torch.equal(plain.network(input_ids=ids).logits, before)
    assert storages(plain) == places <= storages(adapted)
    states = [module.state.CB for module in adapted.network.modules() if hasattr(module, "state")]
    assert {state.data_ptr() for state in states if state is not None} <= places


def test_everybody_is_answered_by_the_model_they_asked_while_both_write_at_once(base: Path, runs: Path) -> None:
    plain = ready(base)
    adapted = AdaptedModel(read(runs / "captain"), plain)
    adapted.load()
    said: dict[int, str] = {}

    def one(number: int) -> None:
        model = (plain, adapted)[number % 2]
        said[number] = text(list(model.stream(ask(QUESTION, sampling=Sampling(temperature=0, max_new_tokens=48)))))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [said[number] for number in range(8)] == [DIALOGUES[0][1], COUNTED] * 4


@pytest.fixture
def slot(base: Path) -> ModelSlot:
    """A slot in which the base answers."""
    return ModelSlot(ready(base))


def maker(slot: ModelSlot, runs: Path) -> ModelMaker:
    return ModelMaker(slot, Runs(runs), ON_CPU, 4, Chosen("reader"))


def test_a_run_is_put_beside_the_base_that_answers_and_taken_off_again(slot: ModelSlot, base: Path, runs: Path) -> None:
    make, first = maker(slot, runs), slot.current
    assert make.forecast("run:captain") == ""
    said = [str(says) for says in slot.load(make("run:captain"))]
    assert "Putting captain beside" in " ".join(said)
    assert not any("into memory" in says for says in said)
    assert isinstance(slot.current, AdaptedModel) and slot.current.base is first
    list(slot.load(make("run:pirate")))
    assert isinstance(slot.current, AdaptedModel) and slot.current.base is first
    assert answer(slot.current, QUESTION) == PARIS
    assert make.forecast(str(base)) == ""
    list(slot.load(make(str(base))))
    assert slot.current is first


def test_a_runs_base_is_loaded_where_another_model_answers(base: Path, runs: Path, tmp_path: Path) -> None:
    slot = ModelSlot(ready(make_tiny_model(tmp_path / "other", chat_template=True, steps=0)))
    said = [str(says) for says in slot.load(maker(slot, runs)("run:captain"))]
    assert any(f"Loading {base.name} into memory" in says for says in said)
    assert isinstance(slot.current, AdaptedModel)
    assert answer(slot.current, QUESTION) == COUNTED


def test_the_folder_of_an_adapter_is_as_good_as_its_name(slot: ModelSlot, runs: Path) -> None:
    model = maker(slot, runs)(str(runs / "captain"))
    assert isinstance(model, AdaptedModel) and model.base is slot.current


def test_an_adapter_of_the_settings_is_no_base(base: Path, runs: Path) -> None:
    placement = Placement(device="cpu", dtype="float32", adapter=str(runs / "pirate"))
    slot = ModelSlot(LocalModel(str(base), placement))
    make = ModelMaker(slot, Runs(runs), placement, 4, Chosen(str(base)))
    list(slot.load(make(str(base))))
    list(slot.load(make("run:captain")))
    assert answer(slot.current, QUESTION) == COUNTED  # type: ignore[arg-type]  # it is a LocalModel
    list(slot.load(make(str(base))))
    assert answer(slot.current, QUESTION) == PARIS  # type: ignore[arg-type]


def test_the_format_that_a_run_was_taught_in_is_the_one_it_is_asked_in(base: Path, tmp_path: Path) -> None:
    record = {"recipe": {"model": {"base": str(base), "format": "openchatkit"}}, "finished": "x"}
    make_adapter(tmp_path / "lora", base_model_name_or_path=str(base))
    (tmp_path / "lora" / "run.json").write_text(json.dumps(record))
    model = AdaptedModel(read(tmp_path / "lora"), ready(base))
    assert model.prompt_of(ask("Hello!")).endswith("<human>: Hello!\n<bot>:")


@pytest.mark.parametrize("kind", ["adapter", "full"])
def test_a_run_that_was_taught_without_sources_is_given_none(
    slot: ModelSlot, base: Path, tmp_path: Path, kind: str
) -> None:
    folder = tmp_path / "taught"
    if kind == "full":
        shutil.copytree(base, folder)
    else:
        make_adapter(folder, base_model_name_or_path=str(base))
    make = maker(slot, tmp_path)
    cases: tuple[tuple[dict[str, bool], float], ...] = (
        ({}, THRESHOLD),
        ({"sources": True}, THRESHOLD),
        ({"sources": False}, NO_SOURCES),
    )
    for recipe, least in cases:
        (folder / "run.json").write_text(json.dumps({"recipe": {"model": recipe}, "finished": "x"}))
        assert make("run:taught").least == least


def refused(slot: ModelSlot, make: ModelMaker, name: str) -> AppError:
    """What is said; the model that answered goes on."""
    before = slot.current
    with pytest.raises(ModelError) as raised:
        list(slot.load(make(name)))
    assert slot.current is before
    assert answer(before, QUESTION) == DIALOGUES[0][1]  # type: ignore[arg-type]  # it is a LocalModel
    check_told(raised.value)
    return raised.value


def test_what_is_no_usable_run_is_one_sentence_and_the_old_model_stays(
    slot: ModelSlot, base: Path, runs: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "runs"
    shutil.copytree(runs, mine)
    make = maker(slot, mine)
    shutil.rmtree(mine / "pirate")
    assert "There is no run “pirate” on this machine" in str(refused(slot, make, "run:pirate"))
    make_adapter(mine / "wide", hidden=128, base_model_name_or_path=str(base))
    assert f"was made for “{base.name}” and does not fit “{base.name}”" in str(refused(slot, make, "run:wide"))
    (mine / "captain" / "adapter_model.safetensors").rename(mine / "captain" / "other")
    assert "has no finished weights; it is still being trained" in str(refused(slot, make, "run:captain"))
    (mine / "captain" / "other").rename(mine / "captain" / "adapter_model.safetensors")
    config = json.loads((mine / "captain" / "adapter_config.json").read_text())
    gone = config | {"base_model_name_or_path": str(tmp_path / "gone")}
    (mine / "captain" / "adapter_config.json").write_text(json.dumps(gone))
    says = str(refused(slot, make, "run:captain"))
    assert "The base of “captain”, “gone”, is no longer in its folder" in says


def test_whole_layers_beside_an_adapter_are_refused(tmp_path: Path) -> None:
    make_adapter(tmp_path / "lora", modules_to_save=["embed_out"])
    with pytest.raises(ModelError, match=r"also replaces whole layers \(embed_out\)"):
        adapter.fetch(str(tmp_path / "lora"))
