"""An adapter and its base made one model. python -m pytest tests/test_merge.py"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from chat.local import LocalModel
from chat.placement import Placement
from errors import InputError, ModelError
from finetune import merge, sameness
from finetune.merge import main, make, source
from tests.facts import check_told
from tests.hub_uploads import SENT, serve_uploads
from tests.test_placement import make_adapter
from tests.tiny_model import answer, one_thread, shared_tiny_model
from tests.tiny_run import COUNTED, QUESTION, make_tiny_run


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared_tiny_model(tmp_path_factory.getbasetemp(), chat_template=True)


@pytest.fixture(scope="module")
def runs(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "runs"
    run = make_tiny_run(folder / "captain", base)
    (run / "README.md").write_text("---\ntags: [x]\n---\n# captain\n\nTaught to count.\n")
    return folder


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """The JSON of a call that goes well."""
    with one_thread():
        assert main([*arguments, "--json"]) == 0
    result: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return result


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The sentence of a call that does not."""
    assert main(arguments) == 1
    return capsys.readouterr().err.splitlines()[-1]


def greeted(folder: Path) -> str:
    model = LocalModel(str(folder), Placement(device="cpu"))
    model.load()
    return answer(model, QUESTION)


def test_what_is_merged_gives_the_same_logits_and_serves(
    base: Path, runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "merged"
    result = call(capsys, "run:captain", "--runs", str(runs), "--out", str(out), "--dtype", "float32")
    assert result["merged"]["difference"] <= 1e-4 == result["merged"]["bound"]
    assert result["merged"]["agree"] == 1.0
    assert greeted(out) == COUNTED
    there = {path.name for path in out.iterdir()}
    assert {"model.safetensors", "config.json", "generation_config.json", "tokenizer.json", "run.json"} <= there
    assert str(base.parent) not in (out / "config.json").read_text(encoding="utf-8")
    record = json.loads((out / "run.json").read_text(encoding="utf-8"))
    assert record["scores"]["exact"] == 1.0
    assert record["merged"]["check"]["merged"] == result["merged"]
    card = (out / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---\nlibrary_name: transformers\n") and card.count("---\n") == 2
    assert "Taught to count." in card
    assert [path.name for path in tmp_path.iterdir()] == ["merged"]


@pytest.mark.parametrize(
    ("flags", "numbers"), [(("--dtype", "bfloat16"), "bfloat16"), (("--quantise", "8bit"), "8bit")]
)
def test_fewer_bits_are_judged_by_norm(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: tuple[str, str], numbers: str
) -> None:
    result = call(capsys, "run:captain", "--runs", str(runs), "--out", str(tmp_path / "out"), *flags)
    judged = result["quantised" if "--quantise" in flags else "merged"]
    assert (judged["numbers"], judged["absolute"]) == (numbers, False)
    assert judged["relative"] <= judged["bound"]
    assert greeted(tmp_path / "out") == COUNTED


def test_four_bits_are_saved_and_loaded_as_they_were(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = call(capsys, str(runs / "captain"), "--out", str(tmp_path / "out"), "--quantise", "4bit")
    assert result["merged"]["difference"] <= 1e-4
    assert 0 < result["quantised"]["relative"] <= 0.2
    config = json.loads((tmp_path / "out" / "config.json").read_text(encoding="utf-8"))
    assert config["quantization_config"]["load_in_4bit"]
    assert greeted(tmp_path / "out") == COUNTED
    says = refused(capsys, str(tmp_path / "out"), "--out", str(tmp_path / "again"), "--quantise", "8bit")
    assert "is quantised already" in says


def test_the_bounds_tell_rounding_from_a_fault(runs: Path, base: Path) -> None:
    """A layer that was left out, or an adapter that was, is beyond every one of them."""
    import torch

    from chat import weights

    config, tokenizer = weights.open_config(base, "tiny"), weights.open_tokenizer(base, "tiny")
    texts, placement = sameness.texts(tokenizer), Placement(device="cpu", dtype="float32")
    whole = sameness.logits(weights.open_net(base, "tiny", config, placement), texts)
    short = weights.open_net(base, "tiny", config, placement)
    short.gpt_neox.layers = torch.nn.ModuleList([short.gpt_neox.layers[0]])
    short.config.num_hidden_layers = 1
    less = sameness.logits(short, texts)
    adapted = Placement(device="cpu", dtype="float32", adapter=str(runs / "captain"))
    other = sameness.logits(weights.open_net(base, "tiny", config, adapted), texts)
    for wrong in (less, other):
        for numbers in ("float32", "bfloat16", "8bit", "4bit"):
            same = sameness.compare(whole, wrong, numbers)
            assert same.relative > 0.25 and not same.holds
            with pytest.raises(ModelError, match="gives other logits than it should") as raised:
                sameness.insist(same, "captain")
    check_told(raised.value, "“captain”")


def test_a_model_that_is_not_the_same_is_not_kept(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what was written a weight is changed before it is read back, as by a bad disk."""
    written = merge._save

    def spoilt(net: Any, tokenizer: Any, folder: Path, base: str) -> None:
        net.get_output_embeddings().weight.data[5] += 0.1
        written(net, tokenizer, folder, base)

    monkeypatch.setattr(merge, "_save", spoilt)
    with pytest.raises(ModelError, match="nothing was kept"):
        make(source("run:captain", "", runs), tmp_path / "out", Placement("cpu", "float32"))
    assert list(tmp_path.iterdir()) == []


def test_whole_weights_can_be_quantised_too(base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = Path(shutil.copytree(base, tmp_path / "full"))
    result = call(capsys, str(run), "--out", str(tmp_path / "out"), "--quantise", "8bit")
    assert result["merged"]["difference"] == 0.0
    assert result["quantised"]["relative"] <= 0.1
    assert result["bytes"] < sum(file.stat().st_size for file in run.iterdir())


@pytest.mark.filterwarnings(SENT)
def test_a_run_is_pushed_as_it_is_or_merged(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with serve_uploads(tmp_path, monkeypatch) as hub:
        flags = ("run:captain", "--runs", str(runs))
        call(capsys, *flags, "--push", "owner/lora")
        assert (hub.folder / "owner" / "lora" / "adapter_model.safetensors").is_file()
        result = call(capsys, *flags, "--out", str(tmp_path / "out"), "--push", "owner/whole")
        assert result["page"].endswith("/owner/whole")
        model = LocalModel("owner/whole", Placement(device="cpu", dtype="float32"))
        model.load()
        assert answer(model, QUESTION) == COUNTED


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("run:captain",), "Name the folder to make with --out"),
        (("run:gone", "--out", "{tmp}/out"), "There is no run “gone”"),
        (("run:captain", "--out", "{tmp}"), "is there already; name another folder"),
        (("run:captain", "--out", "{tmp}/runs/captain/run.json/out"), "cannot be written to"),
        (("{base}", "--base", "a/b", "--out", "{tmp}/out"), "--base says nothing"),
        (("run:wide", "--out", "{tmp}/out"), "does not fit"),
        (("run:captain", "--out", "{tmp}/out", "--device", "cuda:7"), "There is no device “cuda:7”"),
        (("run:captain", "--base", "{tmp}/none", "--out", "{tmp}/out"), "is neither a local folder nor a hub id"),
    ],
)
def test_what_cannot_be_merged_is_one_sentence_and_leaves_nothing(
    runs: Path,
    base: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    sentence: str,
) -> None:
    mine = tmp_path / "runs"
    shutil.copytree(runs, mine)
    make_adapter(mine / "wide", hidden=128, base_model_name_or_path=str(base))
    given = [argument.format(tmp=tmp_path, base=base) for argument in arguments]
    assert sentence in refused(capsys, *given, "--runs", str(mine))
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


def test_a_full_disk_is_told_beforehand(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage._replace(free=1000))
    with pytest.raises(InputError, match=r"on disk while it is made, and 0\.0 GB are free") as raised:
        make(source("run:captain", "", runs), tmp_path / "out", Placement("cpu", "float32"))
    check_told(raised.value)
