"""Long runs of the index: make soak"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.killed import killed

pytestmark = pytest.mark.soak

_ROOT = Path(__file__).parent.parent
_KILLS = 50
_MEGABYTES = 500
_MOST_BYTES = 1e9


def test_fifty_kills_at_random_moments(tmp_path: Path) -> None:
    began = time.monotonic()
    amid = killed(tmp_path, times=_KILLS, seed=4, longest_s=1.5)
    print(
        f"{_KILLS} kills in {time.monotonic() - began:.0f} s, {amid} of them amid a document that takes several commits"
    )
    assert amid > _KILLS // 10


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text file of 500 MB."""
    from evaluation.index import paragraph

    path, written, number = tmp_path_factory.mktemp("large") / "large.txt", 0, 0
    with path.open("w", encoding="utf-8") as file:
        while written < _MEGABYTES * 1_000_000:
            text = f"{paragraph(number % 50_000)} This is number {number}.\n\n"
            written, number = written + file.write(text), number + 1
    return path


def test_five_hundred_megabytes_within_one_gigabyte(large: Path, tmp_path: Path) -> None:
    """The encoder is loaded, as in the app. Cancelled by a signal halfway; a second process goes on with it."""
    first = _add(large, tmp_path, cancel_at=0.4)
    assert not first["whole"] and 0.35 < first["done"] < 0.6
    assert first["cancelled_after_s"] < 1.0
    assert first["unfinished"] == 1 and first["found"] == 0 and first["documents"] == 0
    second = _add(large, tmp_path, cancel_at=2.0)
    assert second["whole"] and second["first_part"] > 100
    assert second["unfinished"] == 0 and second["documents"] == 1
    assert second["found"] == 1 and second["window"]
    for said in (first, second):
        assert said["peak_bytes"] < _MOST_BYTES
    print(first, second)


def _add(path: Path, folder: Path, cancel_at: float) -> dict[str, Any]:
    """Index the file in a process of its own, which is sent a signal when so much is done; what it says at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.large", str(path), str(folder)], cwd=_ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    said: dict[str, Any] = {}
    sent = False
    for line in process.stdout:
        said |= json.loads(line)
        if said["done"] >= cancel_at and not sent:
            sent = True
            process.send_signal(signal.SIGINT)
    process.stdout.close()
    assert process.wait() == 0
    return said
