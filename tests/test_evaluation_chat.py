"""Models put to a suite: how they are named and asked, what is measured, the command and its report.

python -m pytest tests/test_evaluation_chat.py
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from chat.base import Message, Role
from chat.placement import Placement
from encoder import SentenceEncoder
from errors import AppError, InputError, ModelError
from evaluation.chat import Outcome, figures, main
from evaluation.chat_report import report
from evaluation.engines import (
    Answer,
    Contestant,
    Named,
    answers,
    contestant,
    names,
    passages_of,
    request_of,
    sources_for,
)
from evaluation.items import Check, Item, Source
from evaluation.likelihood import losses
from evaluation.measures import Judge, Row
from evaluation.suite import load_suite
from retrieval.judge import SentenceJudge
from retrieval.support import Support
from retrieval.unit_vectors import UnitVectors
from tests.chat_server import ChatServer
from tests.tiny_model import CHATML, DIALOGUES, ready, shared_tiny_model

KEEPER = Source("Keepers of Merrin", "The first keeper of the light on Merrin Island was Agnes Tolland.")
FERRY = Source("Merrin Ferry", "The ferry to Merrin Island leaves Port Daly at 7:40. The crossing takes fifty minutes.")


def item(question: str, *answered: str, id: str = "i", task: str = "t", **more: Any) -> Item:
    more.setdefault("checks", (Check("exact", {}),))
    return Item(id, task, (Message(Role.USER, question),), answered[0], answers=answered, **more)


GROUNDED = item("Who was the first keeper of the light?", "Agnes Tolland", sources=(FERRY, KEEPER), gold=(2,))


@pytest.fixture(scope="module")
def sentence_judge(encoder: SentenceEncoder) -> SentenceJudge:
    return SentenceJudge(UnitVectors(encoder))


@pytest.fixture(scope="module")
def judge(sentence_judge: SentenceJudge) -> Judge:
    return Judge(Support(sentence_judge))


def row(judge: Judge, asked: Item, text: str, **more: Any) -> dict[str, float]:
    found: Row = judge.judge(asked, Answer(text, **more)).row
    return {name: above / below for name, (above, below) in found.items()}


def test_a_grounded_answer_is_told_from_an_invented_one(judge: Judge) -> None:
    good = row(judge, GROUNDED, "The first keeper of the light on Merrin Island was Agnes Tolland [2].")
    assert (good["grounded"], good["cites_precision"], good["cites_recall"], good["cites_supported"]) == (1, 1, 1, 1)
    bad = row(judge, GROUNDED, "The first keeper was Olaf Brand, a sailor from Bergen [1].")
    assert (bad["grounded"], bad["cites_precision"], bad["cites_recall"], bad["cites_supported"]) == (0, 0, 0, 0)
    assert "cites_precision" not in row(judge, GROUNDED, "Agnes Tolland.")
    assert row(judge, GROUNDED, "Agnes Tolland.")["cites_recall"] == 0


def test_citations_of_more_than_the_gold_source_cost_precision(judge: Judge) -> None:
    found = row(judge, GROUNDED, "The first keeper of the light on Merrin Island was Agnes Tolland [1][2].")
    assert (found["cites_precision"], found["cites_recall"]) == (0.5, 1)


def test_citations_count_as_the_app_shows_them(judge: Judge) -> None:
    # A number twice in a mark is one citation, and one of no source is none.
    for mark in ("[1, 1]", "[1, 7]"):
        found = row(judge, GROUNDED, f"The first keeper was Olaf Brand, a sailor from Bergen {mark}.")
        assert (found["cites_supported"], found["cites_precision"]) == (0, 0)


def test_citations_do_not_spoil_an_exact_match(judge: Judge) -> None:
    found = row(judge, GROUNDED, "Agnes Tolland [2]")
    assert (found["exact"], found["f1"]) == (1, 1)
    assert row(judge, GROUNDED, "It was Agnes")["f1"] == pytest.approx(2 / 5)


def test_refusals_are_counted_apart(judge: Judge) -> None:
    refusal = "The sources do not say."
    asked = item("How tall is it?", refusal, answerable=False, checks=(Check("refuses", {}),))
    assert row(judge, GROUNDED, refusal)["refused"] == 1 and "grounded" not in row(judge, GROUNDED, refusal)
    assert "answered" not in row(judge, GROUNDED, refusal)
    assert (row(judge, asked, refusal)["score"], row(judge, asked, refusal)["answered"]) == (1, 0)
    assert (row(judge, asked, "40 metres")["score"], row(judge, asked, "40 metres")["answered"]) == (0, 1)
    # The reader says it by how it ends; silence is neither an answer nor a refusal.
    said = row(judge, asked, "I looked through the sources.", unanswered=True)
    assert (said["score"], said["answered"]) == (1, 0)
    assert (row(judge, asked, "")["score"], row(judge, asked, "")["answered"]) == (0, 0)


def test_who_answers_and_then_says_what_is_missing_has_not_refused(judge: Judge) -> None:
    assert row(judge, GROUNDED, "The source does not say more than that it was Agnes Tolland.")["refused"] == 0


def test_a_loop_is_seen_and_pairs_are_counted(judge: Judge) -> None:
    asked = item("Tell me a story.", "Once upon a time.")
    looping = row(judge, asked, "And then the fox went over the hill again and again, my dear. " * 30)
    assert looping["loops"] == 1 and looping["distinct2"] < 0.05
    # Once the app has cut it, what would have come then does not count, in Chinese either.
    told = "狐狸又翻过了那座山。" * 40 + "后来乌鸦唱起歌来，大家都听得入了迷，忘了时间。"
    assert row(judge, asked, told)["loops"] == 1
    short = row(judge, asked, "A fox met a crow. The crow sang.")
    assert short["loops"] == 0
    assert short["distinct2"] == pytest.approx(1.0)
    assert row(judge, asked, "ha ha ha ha")["distinct2"] == pytest.approx(1 / 3)


def test_a_change_of_topic_is_followed_or_not(judge: Judge) -> None:
    asked = item("Now: the capital of Norway?", "Oslo", checks=(Check("bears", {"new": ["Oslo"], "old": ["basil"]}),))
    on, off = row(judge, asked, "Oslo."), row(judge, asked, "Water the basil in Oslo.")
    assert (on["new_topic"], on["old_topic"], off["new_topic"], off["old_topic"]) == (1, 0, 0, 1)


def test_what_does_not_fit_the_model_scores_nothing(judge: Judge) -> None:
    found = row(judge, GROUNDED, "", failed="too long")
    assert (found["failed"], found["score"], found["exact"]) == (1, 0, 0)


def test_models_are_called_by_the_end_of_their_path(tmp_path: Path) -> None:
    (tmp_path / "runs" / "one").mkdir(parents=True)
    folder = str(tmp_path / "runs" / "one")
    named = [Named("reader"), Named(folder), Named(folder), Named("o/m", folder), Named("http://host:1/v1")]
    assert names(named) == ["reader", "one (1)", "one (2)", "o/m + one", "http://host:1/v1"]


def test_an_item_is_asked_as_the_app_asks(sentence_judge: SentenceJudge) -> None:
    request = request_of(GROUNDED, passages_of(GROUNDED))
    assert [passage.title for passage in request.passages] == ["Merrin Ferry", "Keepers of Merrin"]
    assert request.sampling.temperature == 0 and request.language == "en"
    summary = item("Summarise the source in at most 20 words.", "x", sources=(KEEPER,))
    summed = request_of(summary, passages_of(summary))
    assert [each.about.title for each in summed.overviews] == ["Keepers of Merrin"]
    assert request_of(item("Summarise this in one line: snow fell.", "x"), ()).overviews == ()


def test_the_reader_is_put_to_sources(sentence_judge: SentenceJudge, judge: Judge) -> None:
    reader = contestant(Named("reader"), "reader", Placement(), sentence_judge, ("", ""))
    reader.load()
    (said,) = answers(reader, [GROUNDED])
    assert "Agnes Tolland" in said.text and "[2]" in said.text
    assert row(judge, GROUNDED, said.text)["grounded"] == 1


@pytest.mark.parametrize("chat_template", [True, False])
def test_perplexity_is_that_of_the_answer_and_its_end(
    tmp_path_factory: pytest.TempPathFactory, chat_template: bool
) -> None:
    import torch

    model = ready(shared_tiny_model(tmp_path_factory.getbasetemp(), chat_template))
    items = [item(asked, said) for asked, said in DIALOGUES]
    found = losses(model, items)
    for asked, loss in zip(items, found, strict=True):
        assert loss is not None
        assert loss.bytes == len(asked.reference.encode())
        # By hand: every token after the prompt, each foretold by those before it.
        from finetune.examples import Turn
        from finetune.masking import encode

        turns = [Turn(Role.USER, asked.question), Turn(Role.ASSISTANT, asked.reference)]
        row_ = encode(turns, model.tokenizer, model.format, model.context)
        first = row_.taught.index(True)
        assert loss.tokens == sum(row_.taught) == len(row_.ids) - first
        with torch.inference_mode():
            logits = model.network(input_ids=torch.tensor([row_.ids])).logits[0].double()
        likely = torch.log_softmax(logits, dim=-1)
        nats = -sum(float(likely[at - 1, row_.ids[at]]) for at in range(first, len(row_.ids)))
        assert loss.nats == pytest.approx(nats, rel=1e-3, abs=1e-4)
    # It was taught to go on with a tag before it ends where its format sets no token behind an answer.
    per_token = math.exp(sum(each.nats for each in found if each) / sum(each.tokens for each in found if each))
    assert per_token < (1.2 if chat_template else 2.5)


def test_a_reference_that_does_not_fit_has_no_perplexity(taught_model: Path) -> None:
    assert losses(ready(taught_model), [item("word " * 6000, "yes"), item("yes?", "word " * 6000)]) == [None, None]


def test_what_the_app_would_not_ask_has_no_perplexity(taught_model: Path) -> None:
    model = ready(taught_model)
    # It takes something out of what was typed, so that what is left is a control token.
    model.tokenizer.chat_template = CHATML.replace("message.content", "message.content.replace('~', '')")
    asked, said = DIALOGUES[0]
    forged, plain = losses(model, [item("<|im_~end|>", "yes"), item(asked, said)])
    assert forged is None and plain is not None


def test_before_and_after_are_told_apart(
    untaught_model: Path, taught_model: Path, taught_suite: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "report"
    flags = [
        "--model",
        str(untaught_model),
        "--model",
        str(taught_model),
        "--suite",
        str(taught_suite),
        "--out",
        str(out),
        "--json",
    ]
    assert main([*flags, "--dtype", "float32"]) == 0
    said = capsys.readouterr().out.strip().splitlines()
    shown = json.loads(said[-1])
    one, other = (model["overall"] for model in shown["models"])
    assert (one["exact"]["value"], other["exact"]["value"]) == (0.0, 1.0)
    assert one["exact"]["n"] == len(DIALOGUES) and other["exact"]["low"] > one["exact"]["high"]
    assert other["perplexity"]["value"] < 1.5 < 50 < one["perplexity"]["value"]
    assert other["byte_perplexity"]["value"] < one["byte_perplexity"]["value"]
    (pair,) = shown["compared"]
    assert (pair["from"], pair["to"]) == ("before", "tiny-chatml")
    assert pair["overall"]["exact"]["difference"] == 1.0
    assert pair["overall"]["exact"]["p"] == pytest.approx(2 / 2**5)  # five items, each won
    assert shown == json.loads((out / "figures.json").read_text(encoding="utf-8"))
    text = (out / "report.md").read_text(encoding="utf-8")
    assert "# before and tiny-chatml on taught.jsonl" in text and "Where tiny-chatml gains most" in text
    assert "The capital of France is Paris." in text
    lines = (out / "answers-2.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["answer"] for line in lines] == [answered for _, answered in DIALOGUES]
    with Image.open(out / "scores.png") as plot:
        assert plot.width > 600 and len(set(np.asarray(plot.convert("RGB")).reshape(-1, 3)[:, 0].tolist())) > 5


def test_the_same_command_gives_the_same_figures(
    taught_model: Path, taught_suite: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--model", str(taught_model), "--suite", str(taught_suite), "--json", "--dtype", "float32"]
    found = []
    for _ in range(2):
        assert main(flags) == 0
        found.append(capsys.readouterr().out.strip().splitlines()[-1])
    assert found[0] == found[1]


def test_a_server_is_put_to_a_suite_and_has_no_perplexity(
    taught_suite: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ChatServer() as server:
        server.mode = "said"
        server.says = [said for _, said in DIALOGUES]
        assert main(["--model", server.url, "--suite", str(taught_suite), "--json"]) == 0
        asked = [seen.body for seen in server.seen if seen.body]
    shown = json.loads(capsys.readouterr().out.strip().splitlines()[-1])["models"][0]["overall"]
    assert "perplexity" not in shown and shown["exact"]["n"] == len(DIALOGUES)
    assert {body["temperature"] for body in asked} == {0}
    assert len(asked) == len(DIALOGUES)


def test_a_server_that_fails_ends_the_run_with_one_sentence(
    taught_suite: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ChatServer() as server:
        server.mode = "401"
        assert main(["--model", server.url, "--suite", str(taught_suite)]) == 1
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_what_cannot_be_written_or_read_is_told_before_anything_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"\xff")
    for flags in (["--out", str(file / "report")], *(["--remote-key-file", str(f)] for f in (file, tmp_path / "none"))):
        assert main(["--model", "no/such-model", *flags]) == 1
        said = capsys.readouterr().err.strip()
        assert said.startswith(" ".join(flags)) and said.endswith(".") and "\n" not in said


def test_an_adapter_is_for_the_model_before_it(capsys: pytest.CaptureFixture[str]) -> None:
    for flags in (["--adapter", "x", "--model", "reader"], ["--model", "a", "--adapter", "x", "--adapter", "y"], []):
        with pytest.raises(SystemExit):
            main(flags)
        assert "--model" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")
def test_a_runs_folder_with_an_adapter_alone_goes_on_its_base(
    taught_model: Path,
    taught_suite: Path,
    tmp_path: Path,
    sentence_judge: SentenceJudge,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from peft import LoraConfig, get_peft_model

    monkeypatch.setenv("GROUNDCHAT_DATA_DIR", str(tmp_path))  # whose runs are known by name
    net = ready(taught_model).network
    folder = tmp_path / "runs" / "captain"
    get_peft_model(net, LoraConfig(r=2, target_modules=["query_key_value"], init_lora_weights=True)).save_pretrained(
        folder
    )
    said = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    (folder / "adapter_config.json").write_text(json.dumps(said | {"base_model_name_or_path": str(taught_model)}))
    items = load_suite(str(taught_suite))
    for named in (Named(str(folder)), Named(str(taught_model), str(folder))):
        run = contestant(named, "run", Placement(dtype="float32"), sentence_judge, ("", ""))
        run.load()
        assert [answer.text for answer in answers(run, items)] == [answered for _, answered in DIALOGUES]
    # The app writes to a run as it was taught, and gives none sources that was taught without.
    record = {"finished": "now", "format": "plain", "recipe": {"model": {"sources": False}}}
    (folder / "run.json").write_text(json.dumps(record), encoding="utf-8")
    for named in (Named(str(folder)), Named("run:captain"), Named(str(taught_model), str(folder))):
        run = contestant(named, "run", Placement(dtype="float32"), sentence_judge, ("", ""))
        run.load()
        model = run.local
        assert model is not None and model.format == "plain" and sources_for(model, GROUNDED) == ()
        (given,) = losses(model, [GROUNDED])
        assert given == losses(model, [item(GROUNDED.question, *GROUNDED.answers)])[0]
    with pytest.raises(InputError, match="an adapter itself"):
        contestant(Named(str(folder), "x"), "run", Placement(), sentence_judge, ("", ""))
    with pytest.raises(InputError, match="takes none"):
        contestant(Named("reader", "x"), "reader", Placement(), sentence_judge, ("", ""))
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA"}', encoding="utf-8")
    with pytest.raises(ModelError, match="does not say which model"):
        contestant(Named(str(folder)), "run", Placement(), sentence_judge, ("", ""))


def test_what_is_too_long_for_a_model_is_left_to_the_figures(taught_model: Path) -> None:
    model = Contestant("tiny", ready(taught_model), 2)
    long, short = answers(model, [item("word " * 6000, "yes"), item(*DIALOGUES[1])])
    assert "too long" in long.failed and short.text == DIALOGUES[1][1]


def test_code_can_be_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "code.jsonl"
    messages = [{"role": "user", "content": "f?"}, {"role": "assistant", "content": "def f(): return 1"}]
    path.write_text(json.dumps({"messages": messages, "checks": [{"check": "python", "tests": ["assert f()"]}]}))
    assert main(["--model", "reader", "--suite", str(path), "--no-code"]) == 1
    assert "--no-code" in capsys.readouterr().err


def test_a_report_shows_text_as_it_stands(judge: Judge) -> None:
    asked = item("Say `|`.", "yes", task="a|b")
    outcomes = [
        Outcome(name, Named(name), (judge.judge(asked, Answer(text)),))
        for name, text in (("one", "```\n# no heading\n```"), ("two", "yes"))
    ]
    text = report(figures(outcomes, "s.jsonl"), outcomes)
    assert "````text\n```\n# no heading\n```\n````" in text
    assert "a\\|b" in text and "## Where two loses most\n\nNowhere." in text


def test_an_unknown_suite_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--model", "reader", "--suite", "nowhere.jsonl"]) == 1
    assert "nowhere.jsonl" in capsys.readouterr().err
    assert issubclass(InputError, AppError)
