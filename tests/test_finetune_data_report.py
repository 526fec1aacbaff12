"""What `python -m finetune.data` says: counts, tokens, and training texts that an evaluation set holds too.

python -m pytest tests/test_finetune_data_report.py
"""

from __future__ import annotations

import errno
import gzip
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chat.base import Role
from finetune import writing
from finetune.contamination import OWN, Reference, check, references, units
from finetune.data import examples, main, pairs
from finetune.examples import Example, Pair, Turn
from finetune.masking import encode, encoder
from finetune.token_counts import of_examples, of_pairs
from tests.tiny_model import _tokenizer, make_tiny_model

FLEMING = "Who discovered penicillin in 1928, after he came back from his holidays and found mould in a dish?"
LONG = (
    "Harlow Lighthouse stands on the northern tip of Merrin Island. It was built of grey granite between 1868 and "
    "1871, after eleven ships had been lost on the reef."
)
CHINESE = "谁在一九二八年度假归来后，在培养皿里发现了霉菌，从而发现了青霉素？"
SET = (
    Reference("set:1", FLEMING, asked=True),
    Reference("set:2", LONG, asked=False),
    Reference("set:3", CHINESE, asked=True),
    Reference("set:4", "What is love?", asked=True),
    Reference("set:5", "你好吗？", asked=True),
    Reference("set:6", "positive", asked=False),
    Reference("set:7", "Thanks!", asked=True),
)


def talk(question: str, answer: str = "Yes.", source: str = "a:1") -> Example:
    return Example((Turn(Role.USER, question), Turn(Role.ASSISTANT, answer)), source)


LOUD = "  who DISCOVERED penicillin in 1928 - after he came back from his holidays and found mould in a dish "
COUSIN = "After he came back from his holidays and found mould in a dish, he wrote."
HALF = "It was built of grey granite between 1868 and 1871, after eleven ships had been lost."


@pytest.mark.parametrize(
    ("item", "found"),
    [
        (talk(FLEMING), [("set:1", True)]),
        (talk(LOUD), [("set:1", True)]),
        (talk(f"Please tell me: {FLEMING}"), [("set:1", False)]),
        (talk("Who discovered penicillin in 1928?"), []),
        (talk("Tell me", COUSIN), [("set:1", False)]),
        (talk("Sum up.", f"It says: {LONG}"), [("set:2", False)]),
        (talk("Where is it? Harlow Lighthouse stands on the northern tip of Merrin Island."), []),
        (talk(HALF), [("set:2", False)]),
        (talk("Built between 1868 and 1871 of grey granite after ships had been lost on the reef"), []),
        (talk(CHINESE), [("set:3", True)]),
        (talk(f"请问，{CHINESE}谢谢"), [("set:3", False)]),
        (talk("谁在一九二八年发现了霉菌？"), []),
        (talk("WHAT is love"), [("set:4", True)]),
        (talk("What is love? And why?"), []),
        (talk("Say it", "What is love?"), []),
        (talk("你好吗"), [("set:5", True)]),
        (talk("positive"), []),
        (talk("Thanks"), []),
    ],
)
def test_what_counts_as_the_same_and_what_as_an_overlap(item: Example, found: list[tuple[str, bool]]) -> None:
    assert [(hit.reference, hit.same) for hit in check([item], SET).hits] == found


def test_an_overlap_shows_what_is_shared() -> None:
    (hit,) = check([talk("Oh. It was built of grey granite between 1868 and 1871, after eleven ships sank.")], SET).hits
    assert hit.shared == "it was built of grey granite between 1868 and 1871 after eleven …"
    (hit,) = check([talk(f"请问，{CHINESE}谢谢")], SET).hits
    assert hit.shared == "谁在一九二八年度假归来后 …"


def test_both_answers_of_a_pair_are_looked_through() -> None:
    item = Pair((Turn(Role.USER, "Sum up."),), "No.", LONG, "p:7")
    found = check([item, item], SET)
    assert [(hit.item, hit.reference) for hit in found.hits] == [("p:7", "set:2")]
    assert found.items == {"p:7"} and found.references == len(SET)


def test_what_many_evaluation_texts_say_counts_for_none() -> None:
    """An instruction that each task begins with; a task's own words count."""
    order = "Answer the question with as few words as possible, in the language that it is asked in, and add nothing."
    tasks = [Reference(f"set:{n}", f"{order} What is {n} and {n}?", asked=True) for n in range(11)]
    item = talk(f"{order} Who are you?")
    assert check([item], tasks).hits == ()
    assert len(check([item], tasks[:10]).hits) == 10
    assert [hit.reference for hit in check([talk(f"{order} What is 7 and 7?")], tasks).hits] == ["set:7"]


def test_units_are_words_and_single_characters() -> None:
    assert units("Ｔhe CAT’s_hat, 3.5\n我喜欢GPU!") == ["the", "cat", "s", "hat", "3", "5", "我", "喜", "欢", "gpu"]


def test_evaluation_sets_are_read_whatever_their_form(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(
        json.dumps({"messages": [{"role": "user", "content": "Q1"}, {"role": "assistant", "content": "A1"}], "id": "x"})
        + "\nnot json\n"
        + json.dumps({"question": "Q2", "sources": [{"text": "S2"}], "flagged": True}),
        encoding="utf-8",
    )
    (tmp_path / "b_train.jsonl").write_text(json.dumps({"text": "never"}), encoding="utf-8")
    (tmp_path / "c.tsv").write_text("en\tQ3\n", encoding="utf-8")
    (tmp_path / "d.toml").write_text('[site]\nasks = ["Q4"]\n', encoding="utf-8")
    (tmp_path / "e.jsonl.gz").write_bytes(gzip.compress(json.dumps({"text": "Q5"}).encode()))
    (tmp_path / "f.tsv.gz").write_bytes(gzip.compress(b"en\tQ7\n"))
    found = references([tmp_path])
    asked = {reference.text for reference in found if reference.asked}
    assert {"Q1", "Q2", "S2", "Q3", "Q4", "Q5", "Q7"} <= asked and "A1" not in asked
    assert "never" not in {reference.text for reference in found}
    assert {r.source for r in found if r.text == "Q2"} == {f"{tmp_path / 'a.jsonl'}:3"}
    beir = tmp_path / "beir"
    beir.mkdir()
    (beir / "queries.jsonl").write_text(json.dumps({"_id": "1", "text": "Q6"}), encoding="utf-8")
    (beir / "corpus.jsonl").write_text(json.dumps({"_id": "1", "text": "C"}), encoding="utf-8")
    assert "C" not in {reference.text for reference in references([beir])}


def test_this_projects_own_sets_are_found_in_themselves() -> None:
    found = references([OWN])
    asked = [one for one in found if one.asked and len(units(one.text)) > 5][::97]
    assert len(asked) > 20
    hit = check([talk(one.text, source=f"a:{n}") for n, one in enumerate(asked)], found)
    assert len(hit.items) == len(asked)


TALKS = [talk("word " * n, "yes " * (n // 2 + 1), f"a:{n}") for n in (1, 5, 9, 40, 41, 42)]


def test_tokens_are_counted_as_they_are_trained_on() -> None:
    tokenizer = _tokenizer(True)
    one = encoder(tokenizer, "chat-template")
    whole = [encode(item.turns, tokenizer, "chat-template", 4096) for item in TALKS]
    lengths = sorted(len(row.ids) for row in whole)
    counts = of_examples(TALKS, one, 4096)
    assert (counts.items, counts.tokens, counts.left_out, counts.cut) == (6, sum(lengths), 0, 0.0)
    assert counts.taught == sum(sum(row.taught) for row in whole)
    assert counts.percentiles["max"] == lengths[-1] and counts.percentiles["p5"] == lengths[0]
    assert (counts.rows, counts.unused) == (1, 1 - sum(lengths) / 4096)
    shorter = of_examples(TALKS, one, lengths[-1] - 1)
    assert shorter.cut == 1 / 6 and shorter.tokens == sum(lengths) - 1
    assert shorter.percentiles == counts.percentiles
    assert of_examples(TALKS, one, 3).left_out == 6
    assert of_examples([], one, 64).items == 0


def test_tokens_of_pairs_count_the_prompt_with_each_answer() -> None:
    one = encoder(_tokenizer(True), "chat-template")
    item = Pair((Turn(Role.USER, "Hello!"),), "Yes, of course.", "No.", "a:1")
    found = one.pair(item, 4096)
    counts = of_pairs([item], one, 4096)
    assert counts.tokens == 2 * len(found.prompt) + len(found.chosen) + len(found.rejected)
    assert counts.taught == len(found.chosen) + len(found.rejected)
    assert counts.percentiles["max"] == len(found.prompt) + len(found.chosen)


def record(question: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": "Yes."}]}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    file = tmp_path / "a.jsonl"
    said = [record("One?"), record(""), record(FLEMING), record("Two?")]
    file.write_text("\n".join(map(json.dumps, said)), encoding="utf-8")
    (tmp_path / "set.jsonl").write_text(json.dumps({"question": FLEMING}), encoding="utf-8")
    return file


def test_the_command_says_all_of_it(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = make_tiny_model(data.parent / "tiny", chat_template=True, steps=0)
    out, held = data.parent / "clean.jsonl", data.parent / "set.jsonl"
    flags = ["--data", str(data), "--skip-bad", "--model", str(model), "--length", "128", "--against", str(held)]
    assert main([*flags, "--clean", str(out), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["records"], said["skipped"], said["written"]) == (3, 1, 2)
    assert said["faults"][0]["field"] == "messages[0].content" and said["faults"][0]["line"] == 2
    assert said["tokens"]["items"] == 3 and said["tokens"]["taught"] < said["tokens"]["tokens"]
    assert said["contamination"]["by_set"] == {str(held): 1}
    assert [item.turns[0].text for item in examples(str(out)).items] == ["One?", "Two?"]
    assert main(flags) == 0
    text = capsys.readouterr().out
    assert "3 records, 3 in a pass" in text and "1 record left out" in text
    assert f"{data}:2: messages[0].content: the text is empty" in text
    assert "1 record with texts of the evaluation sets" in text and f"{data}:3 and {held}:1: who discovered" in text


def test_the_command_writes_pairs_that_it_can_read_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, out = tmp_path / "p.jsonl", tmp_path / "out.jsonl"
    file.write_text(json.dumps({"prompt": "A?", "chosen": "B", "rejected": "C"}), encoding="utf-8")
    assert main(["--data", str(file), "--pairs", "--clean", str(out)]) == 0
    (item,) = pairs(str(out)).items
    assert (item.turns[0].text, item.chosen, item.rejected) == ("A?", "B", "C")
    assert "1 record without them written" in capsys.readouterr().out


def test_the_command_tells_what_is_wrong_and_fails(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(data)]) == 1
    assert f"{data}:2: messages[0].content: the text is empty" in capsys.readouterr().err
    assert main(["--data", str(data), "--skip-bad", "--model", str(data.parent / "none")]) == 1
    assert "none" in capsys.readouterr().err
    plain = make_tiny_model(data.parent / "plain", chat_template=False, steps=0)
    assert main(["--data", str(data), "--skip-bad", "--model", str(plain), "--format", "chat-template"]) == 1
    assert "has no chat template" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that exists and cannot be read")
def test_a_file_that_cannot_be_read_is_named_without_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"prompt": "Who?", "completion": "She."}), encoding="utf-8")
    (tmp_path / "b.jsonl").symlink_to("/proc/self/mem")
    assert main(["--data", str(tmp_path), "--skip-bad"]) == 0
    assert f"\n  {tmp_path / 'b.jsonl'}: it cannot be read (" in capsys.readouterr().out


def test_files_that_cannot_be_used_are_told_in_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"prompt": "Who?", "completion": "She."}), encoding="utf-8")
    (tmp_path / "set.toml").write_text("[site", encoding="utf-8")
    assert main(["--data", str(tmp_path / "a.jsonl"), "--against", str(tmp_path / "set.toml")]) == 1
    assert "set.toml is not valid TOML" in capsys.readouterr().err
    assert main(["--data", str(tmp_path / "a.jsonl"), "--clean", str(tmp_path / "a.jsonl" / "out.jsonl")]) == 1
    assert "out.jsonl cannot be written (" in capsys.readouterr().err
    (tmp_path / "empty.jsonl").write_text('{"question": "Who', encoding="utf-8")
    assert main(["--data", str(tmp_path / "a.jsonl"), "--against", str(tmp_path / "empty.jsonl")]) == 1
    assert "There is no evaluation set at " in capsys.readouterr().err


def test_clean_data_takes_the_place_of_a_file_whole_or_not_at_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.jsonl"
    before = json.dumps({"prompt": "Who?", "completion": "She."})
    file.write_text(before, encoding="utf-8")
    with monkeypatch.context() as patch:
        patch.setattr(writing, "json", SimpleNamespace(dumps=_full))
        assert main(["--data", str(file), "--clean", str(file)]) == 1
    assert "a.jsonl cannot be written (the disk is full" in capsys.readouterr().err
    assert file.read_text(encoding="utf-8") == before and list(tmp_path.iterdir()) == [file]
    assert main(["--data", str(file), "--clean", str(file)]) == 0
    assert json.loads(file.read_text(encoding="utf-8"))["messages"][1]["content"] == "She."
    assert file.stat().st_mode & 0o077 == 0, "an export is its owner's, and so is what is made of it"


def _full(*_: object, **__: object) -> str:
    raise OSError(errno.ENOSPC, "No space left on device")
