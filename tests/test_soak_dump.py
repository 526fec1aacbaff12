"""A long run of a dump: make soak"""

from __future__ import annotations

import random
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from tests.dumped import held, started, told
from tests.dumps import of_size, write

pytestmark = pytest.mark.soak

_MEGABYTES = 100
_KILLS = 5
_MOST_BYTES = 300e6


def test_a_dump_of_a_hundred_megabytes_killed_five_times(tmp_path: Path) -> None:
    """The same documents and passages as without, in bounded memory."""
    dump = write(tmp_path / "made-multistream.xml.bz2", of_size(_MEGABYTES, seed=6))
    whole = _to_the_end(dump, tmp_path / "whole")
    drawn, killed, peaks = random.Random(7), list[int](), list[float]()
    folder = tmp_path / "killed"
    while len(killed) < _KILLS:
        process = started(dump, folder)
        lines = told(process)
        peaks.append(next(lines)["peak_bytes"])
        began = time.monotonic()
        wait_s = drawn.uniform(0.5, whole["seconds"] / (_KILLS + 2))
        articles = 0
        for line in lines:
            articles, peak = int(line["articles"]), line["peak_bytes"]
            peaks.append(peak)
            assert not line["whole"]
            if time.monotonic() - began >= wait_s:
                break
        time.sleep(drawn.uniform(0, 1.0))  # amid the next batch, or its commit
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
        killed.append(articles)
    last = _to_the_end(dump, folder)
    one, other = held(tmp_path / "whole"), held(folder)
    assert one.documents == other.documents and len(one.documents) == whole["articles"] == last["articles"]
    assert one.passages == other.passages
    assert one.entries == other.entries == len(one.passages)
    assert max(*peaks, whole["peak_bytes"], last["peak_bytes"]) < _MOST_BYTES
    size = sum(file.stat().st_size for file in (tmp_path / "whole").rglob("*") if file.is_file())
    seconds, pages = whole["seconds"], whole["pages"]
    print(
        f"{_MEGABYTES} MB, {pages} pages, {len(one.documents)} articles, {len(one.passages)} passages in "
        f"{seconds:.0f} s: {pages / seconds:.0f} pages/s, {_MEGABYTES / seconds:.2f} MB/s; index {size / 1e6:.0f} MB; "
        f"peak {whole['peak_bytes'] / 1e6:.0f} MB whole, {max(peaks) / 1e6:.0f} MB killed; "
        f"killed at {killed} articles, {last['pages']} pages left at last"
    )
    shutil.rmtree(tmp_path)


def _to_the_end(dump: Path, folder: Path) -> dict[str, Any]:
    process = started(dump, folder)
    said = list(told(process))
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait() == 0 and said[-1]["whole"]
    return said[-1]
