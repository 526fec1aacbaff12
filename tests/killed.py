"""An index whose process is killed again and again while it adds documents, and what must be true afterwards.

python -m tests.killed FOLDER    adds until every document of the last round is there
"""

from __future__ import annotations

import itertools
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from encoder import SentenceEncoder
from retrieval import intake
from retrieval.base import Document, Incoming, Part, SearchRequest
from retrieval.index import DocumentIndex

SOURCE = "documents"
_ROOT = Path(__file__).parent.parent
_DOCUMENTS, _ROUNDS = 6, 2
_BATCH_CHARS = 20_000
"""Small, so that most documents take several commits."""
_WORDS = tuple(map("word{}".format, range(2000)))


def _owner(number: int) -> str:
    return "" if number % 3 else "anna"


def _part(number: int, round_: int, place: int) -> str:
    drawn = random.Random(f"{number} {round_} {place}")
    words = " ".join(drawn.choices(_WORDS, k=400))
    return f"Page {place} tells of name{number}x{round_}x{place} and of {words}."


def _parts(number: int) -> int:
    return 1 + number * 7 % 40


def _incoming(number: int, round_: int) -> Incoming:
    def parts(start: int) -> Iterator[Part]:
        for place in range(start, _parts(number)):
            yield Part(_part(number, round_, place), f"page {place}", done=(place + 1) / _parts(number))

    return Incoming(f"d{number}", f"Round {round_}", SOURCE, parts, _owner(number), language="en")


def _text(number: int, round_: int) -> str:
    return "\n\n".join(_part(number, round_, place) for place in range(_parts(number)))


def opened(folder: Path) -> DocumentIndex:
    intake._BATCH_CHARS = _BATCH_CHARS
    index = DocumentIndex(folder, SentenceEncoder())
    index.open()
    return index


def rounds(index: DocumentIndex) -> dict[int, int]:
    """Which round of each document is there."""
    found = [*index.documents(SOURCE, ""), *index.documents(SOURCE, "anna")]
    return {int(info.id[1:]): int(info.title.removeprefix("Round ")) for info in found}


def add_all(folder: Path) -> None:
    """Every document of every round in order, going on where the last process was killed. Says when it begins."""
    index = opened(folder)
    print("begun", flush=True)
    for round_ in range(_ROUNDS):
        for number in range(_DOCUMENTS):
            if rounds(index).get(number, -1) < round_:
                if number % 4 == 1:
                    text = _text(number, round_)
                    owner = _owner(number)
                    index.add([Document(f"d{number}", f"Round {round_}", text, SOURCE, owner, language="en")])
                else:
                    index.add_incoming(_incoming(number, round_))
    index.close()


def kill(folder: Path, after_s: float) -> bool:
    """Start a process that adds, and kill -9 it so long after it began; whether it was still adding."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.killed", str(folder)], cwd=_ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "begun\n"
    try:
        process.wait(after_s)
        return False
    except subprocess.TimeoutExpired:
        process.kill()
        return True
    finally:
        process.wait()
        process.stdout.close()


def check(folder: Path) -> int:
    """The index opens and holds each document wholly or not at all; how many are begun and not whole."""
    index = opened(folder)
    there = rounds(index)
    for number, round_ in there.items():
        owner = _owner(number)
        document = index.document(f"d{number}", owner)
        assert document is not None and document.text == _text(number, round_)
        name = f"name{number}x{round_}x{_parts(number) - 1}"
        found = index.search(SearchRequest(name, owner=owner), SOURCE)
        assert [name in one.text for one in found] == [True]
    for number in range(_DOCUMENTS):
        for round_ in range(_ROUNDS):
            if there.get(number) != round_:
                asked = SearchRequest(f"name{number}x{round_}x0", owner=_owner(number))
                assert index.search(asked, SOURCE) == []
        if number not in there:
            assert index.document(f"d{number}", _owner(number)) is None
            assert index.passage(f"d{number}#0", _owner(number)) is None
    begun = len(index.unfinished())
    assert begun <= 1
    index.close()
    return begun


def killed(folder: Path, times: int, seed: int, longest_s: float) -> int:
    """Kill it so often at random moments, checking each time; how often that was amid a document.

    When all documents are there it begins again in another folder.
    """
    drawn = random.Random(seed)
    kills = amid = 0
    for number in itertools.count():
        adding = True
        while adding and kills < times:
            adding = kill(folder / str(number), drawn.uniform(0, longest_s))
            kills += adding
            amid += check(folder / str(number))
        add_all(folder / str(number))
        assert check(folder / str(number)) == 0
        _is_complete(folder / str(number))
        if kills == times:
            return amid
    raise AssertionError


def _is_complete(folder: Path) -> None:
    """Everything is there, and nothing is left over of what was begun or replaced."""
    index = opened(folder)
    assert rounds(index) == dict.fromkeys(range(_DOCUMENTS), _ROUNDS - 1)
    expected = sum(info.passages for owner in ("", "anna") for info in index.documents(SOURCE, owner))
    assert index.frequencies(())[1] == expected
    index.close()


if __name__ == "__main__":
    add_all(Path(sys.argv[1]))
