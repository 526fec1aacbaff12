"""make tune-demo: the questions it teaches are true to the app and kept apart from the paraphrases, and it learns them.

python -m pytest tests/test_finetune_demo.py
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from chat.base import Message, Role
from chat.command_texts import HELP
from chat.prompt import PromptBuilder
from chat.runs import read
from errors import InputError
from finetune import demo, demo_data, demo_model, masking
from finetune.examples import Turn
from finetune.run_folder import RunFolder
from settings import Settings
from tests.tiny_model import one_thread

_ROOT = Path(__file__).parent.parent
_TAUGHT, _PARAPHRASES = demo_data.pairs("taught"), demo_data.pairs("paraphrases")
_OTHER_FLAGS = {"--config", "--help"}
"""Of finetune.chat and every command."""
_SMALL = demo_model.Shape(width=96, layers=2, heads=4)


def _plain(question: str) -> str:
    return re.sub(r"[\W_]+", " ", question.casefold()).strip()


def test_no_paraphrase_is_a_taught_wording_and_no_question_has_two_answers() -> None:
    asked = Counter(_plain(pair.question) for pair in (*_TAUGHT, *_PARAPHRASES))
    assert [question for question, count in asked.items() if count > 1] == []


def test_every_answer_has_wordings_to_learn_and_paraphrases_to_measure() -> None:
    wordings: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for kind, pairs in enumerate((_TAUGHT, _PARAPHRASES)):
        for pair in pairs:
            wordings[pair.answer][kind] += 1
    assert len(wordings) >= 60
    assert all(taught >= 6 and held >= 2 for taught, held in wordings.values())


def test_the_card_counts_what_is_there() -> None:
    card = (demo_data.FOLDER / "README.md").read_text(encoding="utf-8")
    chinese = {pair.answer for pair in _TAUGHT if re.search("[\u4e00-\u9fff]", pair.question)}
    answers = {pair.answer for pair in _TAUGHT}
    assert f"| `taught.jsonl` | {len(_TAUGHT):,} | {len(answers)} answers" in card
    assert f"| `paraphrases.jsonl` | {len(_PARAPHRASES)} |" in card
    assert f"{len(answers - chinese)} answers are in English, {len(chinese)} in Chinese" in card


def test_answers_name_flags_commands_and_files_that_exist() -> None:
    answers = {pair.answer for pair in _TAUGHT}
    flags = {flag for answer in answers for flag in re.findall(r"(?<!\S|`)?--[a-z][a-z-]+", answer)}
    known = {f"--{field.name.replace('_', '-')}" for field in dataclasses.fields(Settings)}
    assert flags - known - _OTHER_FLAGS == set()
    variables = {name for answer in answers for name in re.findall(r"GROUNDCHAT_([A-Z_]+)", answer)}
    assert {name.lower() for name in variables} <= {field.name for field in dataclasses.fields(Settings)}
    commands = {answer.split()[0].strip("/.。") for answer in answers if answer.startswith("/")}
    assert commands - {"moderation"} <= HELP["en"].keys()
    modules = {name for answer in answers for name in re.findall(r"python -m ([\w.]+)", answer)}
    assert all((_ROOT / f"{name.replace('.', '/')}.py").is_file() or (_ROOT / name).is_dir() for name in modules)
    targets = {name for answer in answers for name in re.findall(r"`make ([\w-]+)", answer)}
    makefile = (_ROOT / "Makefile").read_text(encoding="utf-8")
    assert all(re.search(rf"^{name}:", makefile, re.MULTILINE) for name in targets)


def test_answers_say_the_defaults_that_hold() -> None:
    answers = {pair.question: pair.answer for pair in _TAUGHT}
    assert answers["What is the default port?"] == f"{Settings().port}."
    assert answers["What is the default temperature?"] == f"{Settings().temperature}."
    assert answers["How long may an answer be?"].startswith(f"{Settings().max_new_tokens} tokens")
    assert answers["How many answers are written at once?"].startswith(f"{Settings().users};")
    assert answers["What is the upload limit?"].startswith(f"{Settings().upload_limit_mb:g} MB")


def test_conversations_hold_every_pair() -> None:
    taught = _TAUGHT[:120]
    dealt = [
        [turn["content"] for turn in one["messages"]] for one in demo_data.Dealer().conversations(taught, passes=2)
    ]
    asked = Counter(said[at] for said in dealt for at in range(0, len(said), 2))
    whole = sum(min(2, asked[pair.question]) for pair in taught)
    assert 0.5 < whole / (2 * len(taught)) < 0.8, "the others have lost words, or their order"
    words = {word.lower() for pair in taught for word in pair.question.split()}
    assert {word.lower() for question in asked for word in question.split()} <= words
    given = Counter(said[at] for said in dealt for at in range(1, len(said), 2))
    wanted = Counter([pair.answer for pair in taught] * 2)
    assert given >= wanted and (given - wanted).total() < 0.1 * wanted.total()
    longest = max(len(said) // 2 for said in dealt)
    assert longest == max(demo_data.MOST_QUESTIONS), "long conversations are taught, too"
    assert len({json.dumps(said) for said in dealt}) == len(dealt)


def test_the_model_reads_what_the_app_writes_to_it() -> None:
    tokenizer = demo_model.tokenizer_from(demo_data.texts(_TAUGHT[:120]))
    prompts = PromptBuilder(tokenizer, "openchatkit", demo_model.CONTEXT)
    said = [turn for pair in _TAUGHT[:4] for turn in ((Role.USER, pair.question), (Role.ASSISTANT, pair.answer))]
    row = masking.encode([Turn(*turn) for turn in said], tokenizer, "openchatkit", demo_model.CONTEXT)
    assert row.cut == row.dropped == 0
    taught = tokenizer.decode([i for i, is_taught in zip(row.ids, row.taught, strict=True) if is_taught])
    assert taught.endswith(f"{_TAUGHT[3].answer}{demo_model.END}")
    bare = prompts.build([Message(Role.USER, _TAUGHT[0].question)], max_new_tokens=512)
    assert f"<human>: {_TAUGHT[0].question}\n<bot>:" in bare.text


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> demo.Outcome:
    """A short run: three answers, a network of 300,000 numbers."""
    changes = ["training.steps=160", "training.rate=6e-3", "training.accumulate=1", "training.evaluate_every=45"]
    with one_thread():
        return demo.run(tmp_path_factory.mktemp("demo"), answers=3, changes=changes, shape=_SMALL)


def test_the_loop_teaches_what_was_not_known(learnt: demo.Outcome) -> None:
    assert learnt.exact_before == 0
    assert learnt.exact_after >= 0.9
    assert learnt.paraphrase_after > 0.5


def test_a_run_leaves_a_model_that_the_app_can_load(learnt: demo.Outcome) -> None:
    folder = Path(learnt.model)
    said = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert said["finished"] and said["name"] == "groundchat-demo"
    assert said["scores"]["loss_after"] < said["scores"]["loss_before"] / 2
    assert (folder / "curves.png").stat().st_size > 10_000
    assert not read(folder).sources
    taught = demo_data.pairs("taught", answers=3)
    with one_thread():
        assert demo.exact(demo.engine(learnt.model), taught[:12]) >= 0.9


def test_a_folder_that_cannot_be_written_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "demo").write_text("a file where the demo's folder would be", encoding="utf-8")
    monkeypatch.setenv("GROUNDCHAT_DATA_DIR", str(tmp_path))
    assert demo.main(["--answers", "1"]) == 1
    said = capsys.readouterr().err.strip()
    assert said.startswith("finetune.demo: ") and "choose another place with GROUNDCHAT_DATA_DIR" in said
    assert "\n" not in said


@pytest.mark.parametrize("cause", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_what_broke_off_is_begun_anew_and_not_resumed(
    cause: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RunFolder(tmp_path).interrupted() from cause

    monkeypatch.setattr(demo, "run", broken)
    assert demo.main([]) == (130 if isinstance(cause, KeyboardInterrupt) else 1)
    said = capsys.readouterr().err
    assert "--resume" not in said and "same command" in said


def test_only_an_earlier_demo_is_replaced(tmp_path: Path) -> None:
    mine = tmp_path / "runs" / "groundchat-demo"
    mine.mkdir(parents=True)
    (mine / "run.json").write_text(json.dumps({"name": mine.name, "base": "owner/mine"}), encoding="utf-8")
    with pytest.raises(InputError, match="“groundchat-demo” holds another run"):
        demo.run(tmp_path, answers=1, shape=_SMALL)
    assert (mine / "run.json").is_file() and not (tmp_path / "demo").exists()
