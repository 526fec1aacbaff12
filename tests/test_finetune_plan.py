"""What a run takes is told before anything is loaded, and what cannot fit is refused with what would.

python -m pytest tests/test_finetune_plan.py
"""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from chat.memory import anatomy
from errors import InputError, ModelError
from finetune.config import Card, Data, Method, Model, Preference, Recipe, Training, read
from finetune.need import sizes
from finetune.place import Place, of_card
from finetune.plan import changed, main, plan
from finetune.recipe_table import PAGE, planned, recipes, row
from finetune.rehearsal import Rehearsal, _acted, rehearse

_LAYERS, _DEEP = 2, 10
"""Most tests need no depth; a model of ten layers is worked out from one of two and one of four."""


def _config(layers: int = _LAYERS, **more: Any) -> Any:
    from transformers import GPTNeoXConfig

    shape: dict[str, Any] = {
        "vocab_size": 640,
        "hidden_size": 64,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "intermediate_size": 256,
    }
    return GPTNeoXConfig(**shape | more)


def _recipe(**tables: dict[str, Any]) -> Recipe:
    recipe = Recipe(
        model=Model(base="x", dtype="float32"),
        method=Method(kind="full"),
        data=Data(length=64),
        training=Training(accumulate=2, checkpointing=False),
        preference=Preference(),
        card=Card(),
    )
    return changed(recipe, tables)


def _rehearsed(recipe: Recipe, config: Any, kind: str = "cpu") -> Rehearsal:
    return rehearse(config, recipe, recipe.training.batch, recipe.data.length, True, kind)


@cache
def _small(recipe: Recipe) -> Rehearsal:
    """Of the model of two layers; several tests look at the same one."""
    return _rehearsed(recipe, _config())


@pytest.fixture
def place() -> Place:
    return replace(of_card(_recipe(card={"memory_gb": 24})), near=True)


@pytest.fixture
def base(tmp_path: Path) -> str:
    """A folder with a small model's configuration and no weights."""
    _config().save_pretrained(tmp_path / "base")
    return str(tmp_path / "base")


@pytest.fixture
def deep(tmp_path: Path) -> str:
    """Another with ten layers."""
    _config(_DEEP).save_pretrained(tmp_path / "deep")
    return str(tmp_path / "deep")


@pytest.mark.parametrize(
    ("layers", "change"),
    [
        (6, {"training": {"accumulate": 1}}),
        *(
            pytest.param(_DEEP, change, marks=pytest.mark.soak)
            for change in (
                {},
                {"training": {"accumulate": 1}},
                {"training": {"checkpointing": True, "accumulate": 1}},
                {"training": {"checkpointing": True}, "method": {"kind": "lora"}, "model": {"dtype": "bfloat16"}},
                {"model": {"compute": "bfloat16"}},
                {"model": {"compute": "bfloat16"}, "training": {"checkpointing": True}},
            )
        ),
    ],
)
def test_few_layers_tell_of_many(layers: int, change: dict[str, dict[str, Any]]) -> None:
    recipe, config = _recipe(**change), _config(layers)
    assert _alike(_rehearsed(recipe, config), _acted(config, recipe, 1, 64, True, "cpu"))


def _alike(one: Rehearsal, other: Rehearsal) -> bool:
    """Whether they are the same, but for the odd number that a library keeps or not."""
    return replace(one, moments=other.moments) == other and one.moments == pytest.approx(other.moments, rel=1e-3)


@pytest.mark.filterwarnings("ignore::FutureWarning")  # PEFT asks transformers by an old name
def test_parameters_are_those_of_the_network() -> None:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    net = AutoModelForCausalLM.from_config(_config())
    whole = _small(_recipe())
    assert whole.parameters == whole.trained == sum(weight.numel() for weight in net.parameters())
    lora = LoraConfig(r=16, target_modules="all-linear", task_type="CAUSAL_LM")
    trained, every = get_peft_model(net, lora).get_nb_trainable_parameters()
    adapted = _small(_recipe(method={"kind": "lora"}))
    assert (adapted.trained, adapted.parameters) == (trained, every)


def test_gradients_of_a_whole_network_are_alive_on_the_way_back() -> None:
    acted = _small(_recipe())
    assert acted.trained_bytes == 4 * acted.trained
    assert acted.working > acted.trained_bytes


def test_checkpointing_keeps_a_layers_input_alone() -> None:
    def of_a_layer(recipe: Recipe) -> float:
        more, less = (_rehearsed(recipe, _config(layers)) for layers in (4, 2))
        return (more.working - less.working - more.trained_bytes + less.trained_bytes) / 2

    assert of_a_layer(_recipe(training={"checkpointing": True})) == pytest.approx(64 * 64 * 4, rel=0.01)
    assert of_a_layer(_recipe()) > 8 * 64 * 64 * 4


def test_twice_the_rows_take_twice_the_memory() -> None:
    one, two = (_rehearsed(_recipe(training={"batch": batch}), _config(4), "cuda") for batch in (1, 2))
    assert two.working - two.trained_bytes == pytest.approx(2 * (one.working - one.trained_bytes), rel=0.05)


@pytest.mark.soak
def test_a_model_of_kinds_of_layers_that_repeat_is_cut_between_repeats() -> None:
    from transformers import Olmo3Config

    config = Olmo3Config(
        vocab_size=640,
        hidden_size=64,
        num_hidden_layers=12,
        num_attention_heads=4,
        num_key_value_heads=4,
        intermediate_size=128,
        layer_types=["sliding_attention", "sliding_attention", "full_attention"] * 4,
    )
    recipe = _recipe(method={"kind": "lora"})
    assert _alike(_rehearsed(recipe, config), _acted(config, recipe, 1, 64, True, "cpu"))


def test_optimizers_differ_by_their_states() -> None:
    config = _config()
    body = anatomy(config)

    def states(**training: Any) -> int:
        return sizes(config, body, _recipe(training=training)).need.optimizer

    trained = _small(_recipe()).trained
    assert states(optimizer="adamw_torch_fused") == 8 * trained
    assert 2 * trained < states(optimizer="adamw_8bit") < 2.1 * trained
    assert 0 < states(optimizer="adafactor") < 0.3 * trained
    assert states(optimizer="sgd") == 0


def test_devices_that_share_hold_a_part_and_devices_that_do_not_hold_buckets() -> None:
    config = _config()
    body = anatomy(config)
    alone = sizes(config, body, _recipe()).need
    copies = sizes(config, body, _recipe(card={"devices": 4})).need
    shared = sizes(config, body, _recipe(card={"devices": 4, "sharding": "fsdp"})).need
    assert (alone.shared, copies.shared) == (0, alone.gradients)
    assert shared.weights == alone.weights // 4
    assert shared.optimizer == alone.optimizer // 4
    assert shared.shared > 0


def test_weights_in_4_bits_take_about_a_quarter() -> None:
    config = _config(hidden_size=256, intermediate_size=1024, vocab_size=64)
    body = anatomy(config)
    lora, qlora = (
        sizes(config, body, _recipe(model={"dtype": "bfloat16"}, method={"kind": kind})).need.weights
        for kind in ("lora", "qlora")
    )
    adapter = 4 * _rehearsed(_recipe(method={"kind": "lora"}), config).trained
    assert 0.25 < (qlora - adapter / 2) / (lora - adapter) < 0.33


def test_preference_training_keeps_no_second_model() -> None:
    config = _config()
    body = anatomy(config)
    alone, pairs = (sizes(config, body, _recipe(), pairs=pairs).need for pairs in (False, True))
    assert pairs.weights + pairs.gradients + pairs.optimizer == alone.weights + alone.gradients + alone.optimizer
    assert pairs.activations > alone.activations


def test_a_plan_tells_everything(base: str, place: Place, tmp_path: Path) -> None:
    recipe = _recipe(model={"base": base}, training={"epochs": 2.0, "batch": 2, "accumulate": 4})
    made = plan(recipe, tokens=64 * 80, place=place, folder=tmp_path / "not" / "there")
    assert (made.tokens_per_step, made.steps, made.tokens) == (512, 20, 10240)
    assert made.seconds is not None
    assert made.seconds > 0
    assert made.disk.checkpoint == 12 * made.trained
    assert made.disk.total == 3 * made.disk.checkpoint + 4 * made.trained
    text = made.text()
    for part in ("parameters", "weights", "gradients", "optimizer", "activations", "20, of 512 tokens", "time", "disk"):
        assert part in text
    assert f"{made.trained:,} are trained (100.00%)" in text


@pytest.mark.parametrize(
    ("training", "tokens", "steps"),
    [
        ({"steps": 7}, 0, 7),
        ({"epochs": 1.0}, 0, None),
        ({"epochs": 1.0, "accumulate": 1}, 64 * 9 + 1, 10),
        ({"epochs": 1.5, "accumulate": 4}, 64 * 10, 4),
    ],
)
def test_steps_follow_from_rows(
    base: str, place: Place, training: dict[str, Any], tokens: int, steps: int | None
) -> None:
    recipe = _recipe(model={"base": base}, training=training)
    assert plan(recipe, tokens=tokens, place=place).steps == steps


def test_operations_are_six_for_each_weight_and_token_and_eight_with_checkpointing(deep: str, place: Place) -> None:
    recipe = _recipe(model={"base": deep}, data={"length": 8})
    kept = plan(recipe, place=place)
    again = plan(changed(recipe, {"training": {"checkpointing": True}}), place=place)
    weights = kept.parameters - 640 * 64  # the input embedding is looked up
    spent = kept.seconds_per_step * place.flops / kept.tokens_per_step
    assert spent == pytest.approx(6 * weights, rel=0.05)
    assert again.seconds_per_step / kept.seconds_per_step == pytest.approx(8 / 6, rel=0.02)


def test_what_cannot_fit_is_refused_with_what_would(base: str, place: Place) -> None:
    recipe = _recipe(model={"base": base}, training={"batch": 32}, data={"length": 1024})
    small = replace(place, memory=8_000_000_000)
    with pytest.raises(InputError) as refused:
        plan(recipe, place=small)
    said = str(refused.value)
    assert re.search(r"needs [\d.,]+ GB on each device \(weights .*, gradients .*, activations .*\)", said)
    assert "8.00 GB: a card of 24 GB" in said
    ways = re.findall(r"((?:--set \S+ )+)\(([\d.]+) GB\)", said)
    assert ways
    for options, promised in ways:
        altered = recipe
        for table, key, value in re.findall(r"--set (\w+)\.(\w+)=(\S+)", options):
            kept = getattr(getattr(recipe, table), key)
            typed = value == "true" if isinstance(kept, bool) else type(kept)(value)
            altered = changed(altered, {table: {key: typed}})
        assert plan(altered, place=small).memory.total == pytest.approx(float(promised) * 1e9, abs=1e7)


@pytest.mark.soak
def test_where_one_change_does_not_do_several_are_named(deep: str, place: Place) -> None:
    recipe = _recipe(model={"base": deep}, training={"batch": 64}, data={"length": 2048})
    with pytest.raises(InputError, match=r"--set \S+ .*--set \S+ .*GB\)"):
        plan(recipe, place=replace(place, memory=800_000_000))


@pytest.mark.soak
def test_where_nothing_helps_a_smaller_model_is_asked_for(deep: str, place: Place) -> None:
    with pytest.raises(InputError, match="choose a smaller model"):
        plan(_recipe(model={"base": deep}), place=replace(place, memory=100_000_000))


def test_no_space_on_the_disk_is_refused_before_anything_is_loaded(
    base: str, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = _recipe(model={"base": base})
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000})())
    with pytest.raises(InputError, match=rf"{re.escape(str(tmp_path))}.*0\.00 GB are free.*output\.folder"):
        plan(recipe, place=place, folder=tmp_path)
    assert plan(recipe, place=replace(place, near=False), folder=tmp_path).disk.free == 1000
    needed = plan(recipe, place=replace(place, near=False), folder=tmp_path).disk.total
    assert plan(recipe, place=place, folder=tmp_path, there=needed - 1000), "a run that goes on has its room already"


def test_the_disk_is_that_of_the_folder_that_the_recipe_names(
    base: str, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full, other = tmp_path / "full", tmp_path / "other"
    full.mkdir()
    other.mkdir()
    monkeypatch.setattr(
        shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1000 if Path(path) == full else 10**12})()
    )
    recipe = _recipe(model={"base": base})
    with pytest.raises(InputError, match=r"output\.folder"):
        plan(recipe, place=place, folder=full)
    assert plan(changed(recipe, {"output": {"folder": str(other)}}), place=place, folder=full).disk.free == 10**12


@pytest.mark.parametrize(
    ("tables", "there", "said"),
    [
        ({"model": {"compute": "float16"}}, {"kind": "cpu"}, "model.compute=bfloat16"),
        ({"model": {"compute": "bfloat16"}}, {"bfloat16": False}, "model.compute=float16"),
        ({"card": {"devices": 2}}, {"devices": 1}, "wants 2 devices and 1 are here"),
    ],
)
def test_what_a_place_cannot_do_is_refused(
    base: str, place: Place, tables: dict[str, dict[str, Any]], there: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        plan(changed(_recipe(model={"base": base}), tables), place=replace(place, **there))


def test_layers_that_a_model_lacks_are_named_with_those_it_has(base: str, place: Place) -> None:
    recipe = _recipe(model={"base": base}, method={"kind": "lora", "targets": ("q_proj",)})
    with pytest.raises(InputError, match=r"q_proj.*no such layers.*query_key_value"):
        plan(recipe, place=place)


def test_the_output_layer_takes_no_adapter(base: str, place: Place) -> None:
    recipe = _recipe(model={"base": base}, method={"kind": "lora", "targets": ("dense", "lm_head")})
    with pytest.raises(InputError, match=r"is the output layer, which takes no adapter; leave it out"):
        plan(recipe, place=place)


def test_a_base_that_is_no_model_is_told(tmp_path: Path, place: Place) -> None:
    with pytest.raises(ModelError, match=r"config\.json is missing"):
        plan(_recipe(model={"base": str(tmp_path)}), place=place)


def test_whole_weights_in_bfloat16_are_warned_of(base: str, place: Place) -> None:
    recipe = _recipe(model={"base": base, "dtype": "bfloat16"})
    assert "model.dtype=float32" in plan(recipe, place=place).text()


def test_experts_that_rest_cost_no_time() -> None:
    from transformers import Qwen3MoeConfig

    config = Qwen3MoeConfig(
        vocab_size=64,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        head_dim=8,
        moe_intermediate_size=16,
        num_experts=8,
        num_experts_per_tok=2,
    )
    recipe = _recipe(model={"dtype": "bfloat16"}, method={"kind": "lora", "targets": ("q_proj",)})
    acted = _rehearsed(recipe, config)
    experts = 2 * 8 * 3 * 32 * 16
    assert acted.parameters - acted.multiplied == round(experts * 6 / 8) + 64 * 32


def test_the_command_prints_the_plan(base: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(f"[model]\nbase = {json.dumps(base)}\n[card]\nmemory_gb = 16\n", encoding="utf-8")
    assert main(["--config", str(file), "--set", "training.steps=3", "--set", "data.length=64"]) == 0
    assert "steps        3, of 1,024 tokens each" in capsys.readouterr().out
    assert main(["--config", str(file), "--set", "training.stpes=3"]) == 1
    assert "did you mean training.steps" in capsys.readouterr().err


_SOME = ("redpajama-3b-lora-16gb", "gpt-neoxt-20b-qlora-48gb", "smollm2-1.7b-full-8x80gb")
"""Of the shipped recipes, those that every run of the tests plans: the others take some minutes."""


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=[] if path.stem in _SOME else [pytest.mark.soak]) for path in recipes()],
    ids=lambda path: path.stem,
)
def test_a_shipped_recipe_fits_its_card_and_takes_what_the_page_says(path: Path) -> None:
    made = planned(path)
    assert made.memory.total <= 0.97 * made.place.memory, made.text()
    assert row(made) in PAGE.read_text(encoding="utf-8")
    assert read(path).training.batch * read(path).training.accumulate * read(path).card.devices in (16, 32, 64)
