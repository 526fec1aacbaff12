"""The disk fills up while documents are indexed and encoded: python -m pytest tests/test_full_disk.py

A process may not write files beyond a size (RLIMIT_FSIZE): writing fails as on a full disk, at the same places, and no
special file system is needed. Space is freed by raising the limit.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parent.parent
_SCRIPT = """
import json, pathlib, resource, sys, threading
from encoder import SentenceEncoder
from errors import DocumentError
from retrieval import intake
from retrieval.base import Document, Incoming, Part, SearchRequest
from retrieval.index import DocumentIndex

def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))

def found(query):
    return [passage.id for passage in index.search(SearchRequest(query, k=1), "documents")]

intake._BATCH_CHARS = 5_000
index = DocumentIndex(pathlib.Path(sys.argv[1]), SentenceEncoder())
index.open()
index.add([Document("kept", "Kept", "A word about zebras.", "documents")])
said = {}
"""
_BOOK = """
def parts(start):
    for number in range(start, 40):
        words = " ".join(f"word{(number * 7919 + i * 104729) % 99991}" for i in range(400))
        yield Part(f"Chapter {number} tells of giraffe{number}. {words}.", f"page {number}", done=(number + 1) / 40)

book = Incoming("book", "Book", "documents", parts)
said["full"] = []
for size in (2_000, 5_000, 8_000):
    limit(size)
    try:
        index.add_incoming(book)
    except DocumentError as error:
        said["full"].append([size, str(error), error.told("zh"), [one.done for one in index.unfinished()]])
    limit(resource.RLIM_INFINITY)
    said["kept"] = found("zebras")
    said["early"] = found("giraffe1") + [one.id for one in index.documents("documents", "") if one.id != "kept"]
said["begun"] = [one.done for one in index.unfinished()]
asked = []
given = Incoming("book", "Book", "documents", lambda start: asked.append(start) or parts(start))
said["whole"] = index.add_incoming(given)
said["resumed"] = asked
said["text"] = index.document("book", "").text == "\\n\\n".join(part.text for part in parts(0))
said["found"] = found("giraffe39")
index.close()
print(json.dumps(said))
"""
_VECTORS = """
sentences = [f"Number {i} stands for a sentence that gets a vector." for i in range(40)]
index.add([Document(f"d{i}", "D", sentence, "documents") for i, sentence in enumerate(sentences)])
stop = threading.Event()
limit(20_000)
try:
    index.backfill(stop)
except OSError as error:
    said["full"] = error.strerror
index.start_backfill()
for _ in range(500):
    if index.backfill_progress.problem:
        break
    threading.Event().wait(0.02)
said["problem"] = index.backfill_progress.problem
said["before"] = index.backfill_progress.done
limit(resource.RLIM_INFINITY)
index.add([Document("new", "New", "One more sentence.", "documents")])
for _ in range(500):
    if index.backfill_progress.done == index.backfill_progress.total == 42:
        break
    threading.Event().wait(0.02)
progress = index.backfill_progress
said["after"] = [progress.done, progress.total, progress.problem]
index.close()
print(json.dumps(said))
"""


def _run(script: str, folder: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT + script, str(folder)], cwd=_ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


def test_what_was_indexed_is_kept_and_the_rest_follows_when_there_is_space(tmp_path: Path) -> None:
    said = _run(_BOOK, tmp_path)
    assert len(said["full"]) == 3
    for _, sentence, chinese, _ in said["full"]:
        assert "is full" in sentence or "could not be written" in sentence
        assert "\n" not in sentence and chinese != sentence
    assert said["kept"] == ["kept#0"] and said["early"] == []
    assert said["whole"] and said["text"] and said["found"][0].startswith("book#")
    assert said["resumed"] == [round(said["begun"][0] * 40) if said["begun"] else 0]


def test_vectors_go_on_when_there_is_space(tmp_path: Path) -> None:
    said = _run(_VECTORS, tmp_path)
    assert said["full"] == "File too large"
    assert said["problem"].startswith("Vectors cannot be written to") and "File too large" in said["problem"]
    assert 0 < said["before"] < 42
    assert said["after"] == [42, 42, ""]
