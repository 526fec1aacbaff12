"""The dialogues are sound, and the figures are what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from errors import InputError
from evaluation.dialogues import Dialogue, Kind, Result, figures, load_dialogues

_CORPUS = Path(__file__).parent.parent / "assets" / "corpus"


def test_what_answers_stands_in_the_library() -> None:
    texts = {
        (folder, text.partition("\n")[0].removeprefix("# ")): text
        for folder in ("en", "zh")
        for text in (path.read_text(encoding="utf-8") for path in (_CORPUS / folder).glob("*.md"))
    }
    dialogues = load_dialogues()
    assert len(dialogues) >= 150
    assert {dialogue.kind for dialogue in dialogues} == set(Kind)
    for dialogue in dialogues:
        if dialogue.kind is Kind.CHAT:
            assert not dialogue.title
        else:
            assert dialogue.holds in texts[dialogue.language, dialogue.title], dialogue


def test_half_of_each_kind_is_held_out() -> None:
    for kind in Kind:
        held = [dialogue.held for dialogue in load_dialogues() if dialogue.kind is kind]
        assert abs(2 * sum(held) - len(held)) <= 1


@pytest.mark.parametrize("line", ["en\tnonsense\t\tWho?\tTea\tcup", "en\tswitch"])
def test_a_malformed_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "dialogues.tsv"
    path.write_text(f"language\tkind\tearlier\task\ttitle\tholds\n{line}\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"dialogues\.tsv, line 2"):
        load_dialogues(path)


def test_figures_are_shares_by_kind() -> None:
    def result(kind: Kind, good: bool, fresh: bool = True) -> Result:
        return Result(Dialogue("en", kind, (), "", "", "", False), "", good, fresh)

    shown = figures(
        [
            result(Kind.CHAT, True),
            result(Kind.CHAT, False),
            result(Kind.SWITCH, True, fresh=False),
            result(Kind.FOLLOW_UP, False),
        ]
    )
    assert shown[Kind.CHAT] == {"n": 2, "searched": 0.5}
    assert shown[Kind.SWITCH] == {"n": 1, "top_3": 1, "top_3_fresh": 0}
    assert shown[Kind.FOLLOW_UP] == {"n": 1, "top_3": 0}
