"""A dump that is taken into an index by a process that may be killed, and what an index then holds.

python -m tests.dumped DUMP FOLDER    reads it to its end; tells progress and peak memory
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from encoder import SentenceEncoder
from retrieval.base import Document, Passage
from retrieval.dump_intake import SOURCE, Advance, DumpIntake
from retrieval.index import DocumentIndex

_ROOT = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class Held:
    """What an index holds of dumps."""

    documents: dict[str, Document]
    passages: list[Passage]
    entries: int
    """Passages in the index, whatever they belong to."""


def opened(folder: Path) -> DocumentIndex:
    index = DocumentIndex(folder, SentenceEncoder())
    index.open()
    return index


def held(folder: Path) -> Held:
    """All of it, with each document read to its last passage."""
    index = opened(folder)
    documents = dict[str, Document]()
    passages = list[Passage]()
    for info in index.documents(SOURCE, ""):
        document = index.document(info.id, "")
        assert document is not None and info.id not in documents
        documents[info.id] = document
        there = [index.passage(f"{info.id}#{number}", "") for number in range(info.passages)]
        passages += [one for one in there if one is not None]
        assert None not in there and index.passage(f"{info.id}#{info.passages}", "") is None
    entries = index.frequencies(())[1]
    index.close()
    return Held(documents, sorted(passages, key=lambda one: one.id), entries)


def started(dump: Path, folder: Path) -> subprocess.Popen[str]:
    """A process that reads a dump."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.dumped", str(dump), str(folder)], cwd=_ROOT, stdout=subprocess.PIPE, text=True
    )


def told(process: subprocess.Popen[str]) -> Iterator[dict[str, float]]:
    """What it says, line by line."""
    assert process.stdout is not None
    for line in process.stdout:
        yield json.loads(line)


def main(dump: Path, folder: Path) -> None:
    index, began = opened(folder), time.monotonic()

    def show(advance: Advance) -> None:
        said = {"articles": advance.articles, "pages": advance.pages, "seconds": time.monotonic() - began}
        print(json.dumps(said | {"whole": advance.whole, "peak_bytes": _peak()}), flush=True)

    DumpIntake(index, dump).run(threading.Event(), show)
    index.close()


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
