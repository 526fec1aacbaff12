"""Questions with the text that answers them, as a data set: python -m pytest tests/test_closed_questions.py"""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from errors import InputError
from finetune.closed_questions import load_closed

_TEXT = "The okapi is a hoofed animal. It lives in the forests of the Congo. Where else? Nowhere."


def _file(folder: Path, *rows: tuple[str, str]) -> Path:
    path = folder / "closed.jsonl.gz"
    messages = [[{"role": "user", "content": asked}, {"role": "assistant", "content": said}] for asked, said in rows]
    path.write_bytes(gzip.compress("\n".join(json.dumps({"messages": pair}) for pair in messages).encode()))
    return path


def test_the_sentence_that_says_the_answer_stands_for_it(tmp_path: Path) -> None:
    data = load_closed(
        _file(
            tmp_path,
            (f"Where do okapis live?\n\n{_TEXT}", "In the forests of the Congo"),
            (f"How heavy is one?\n\n{_TEXT}", "About as heavy as a small horse"),
        )
    )
    assert data.name == "closed"
    assert [(item.title, item.text) for item in data.corpus] == [("okapi", _TEXT)] * 2
    assert [(q.text, q.answers) for q in data.questions] == [
        ("Where do okapis live?", ("It lives in the forests of the Congo.",))
    ]
    assert data.relevant == {"1": {"1": 1}}


def test_a_malformed_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text('{"messages": [{"content": "only one"}]}\n')
    with pytest.raises(InputError, match="line 1"):
        load_closed(path)
