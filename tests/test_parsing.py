"""The process that reads a file: its limits, its end, what it may not do. python -m pytest tests/test_parsing.py"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from errors import DocumentError
from retrieval.files import open_file
from retrieval.parsing import Limits, Parts, Reading
from tests.loading import FILES

_ROOT = Path(__file__).parent.parent
_PATIENCE_S = 20


def _worker() -> psutil.Process:
    (found,) = [child for child in psutil.Process().children() if "retrieval.formats" in child.cmdline()]
    return found


def _wait_until_gone(pid: int) -> None:
    until = time.monotonic() + _PATIENCE_S
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < until, "the process is still there"
        time.sleep(0.02)


@pytest.fixture
def big(tmp_path: Path) -> Path:
    """A text of many parts, so that its process waits with the next until they are taken."""
    path = tmp_path / "big.txt"
    path.write_text(("word " * 199 + "\n\n") * 30_000, encoding="utf-8")
    return path


def _reading(path: Path, limits: Limits | None = None) -> Parts:
    parts = open_file(path, path.name, "owner", limit=2**30, limits=limits).parts(0)
    assert isinstance(parts, Parts)
    return parts


def test_closing_ends_the_process_at_once(big: Path) -> None:
    parts = _reading(big)
    next(parts)
    pid = _worker().pid
    parts.close()
    assert not psutil.pid_exists(pid)
    assert list(parts) == []
    parts.close()


def test_forgetting_the_parts_ends_the_process(big: Path) -> None:
    parts: Iterator[object] = _reading(big)
    next(parts)
    pid = _worker().pid
    del parts
    assert not psutil.pid_exists(pid)


def test_closing_from_another_thread_ends_the_wait(tmp_path: Path, big: Path) -> None:
    parts = _reading(big)
    next(parts)
    process = _worker()
    process.suspend()
    timer = threading.Timer(0.3, parts.close)
    timer.start()
    with pytest.raises(DocumentError, match=r"Reading “big\.txt” was stopped\."):
        list(parts)
    timer.join()
    assert not psutil.pid_exists(process.pid)


def test_closing_while_the_process_starts_ends_it_too(big: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts, start, started = _reading(big, Limits(silence_s=5)), subprocess.Popen, list[int]()

    def closed_meanwhile(*given: Any, **more: Any) -> subprocess.Popen[bytes]:
        process = start(*given, **more)
        process.send_signal(signal.SIGSTOP)
        started.append(process.pid)
        parts.close()
        return process

    monkeypatch.setattr(subprocess, "Popen", closed_meanwhile)
    with pytest.raises(DocumentError, match=r"Reading “big\.txt” was stopped\."):
        parts.message()
    assert not psutil.pid_exists(started[0])


@pytest.mark.skipif(os.name != "posix", reason="nothing else counts a process's open files")
def test_where_no_process_can_be_started_that_is_one_sentence(big: Path) -> None:
    import resource

    reading = Reading(big, "big.txt", big.stat().st_size, Limits())
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        with pytest.raises(DocumentError) as caught:
            reading.title()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert str(caught.value).startswith("“big.txt” could not be read because this machine starts no more programs now")
    assert "无法启动" in caught.value.told("zh")


def test_a_process_that_is_killed_is_one_sentence(big: Path) -> None:
    parts = _reading(big)
    next(parts)
    _worker().send_signal(signal.SIGSEGV)
    with pytest.raises(DocumentError, match=r"“big\.txt” could not be read, probably because it is damaged"):
        list(parts)
    parts = _reading(big)
    next(parts)
    _worker().kill()  # as the kernel does when memory runs out
    with pytest.raises(DocumentError, match=r"Reading “big\.txt” takes more than the 1\.0 GB of memory allowed"):
        list(parts)


def test_a_process_that_stands_still_is_given_up(big: Path) -> None:
    parts = _reading(big, Limits(silence_s=0.5))
    next(parts)
    process = _worker()
    process.suspend()
    with pytest.raises(DocumentError, match=r"Reading “big\.txt” was given up because it stood still for 0\.5 s"):
        list(parts)
    assert not psutil.pid_exists(process.pid)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux caps a process's memory")
def test_a_file_that_fills_the_memory_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    path.write_bytes(b"<p>a" * 8_000_000)
    with pytest.raises(
        DocumentError, match=r"Reading “a\.html” takes more than the 0\.3 GB of memory allowed; split it up"
    ):
        list(_reading(path, Limits(memory_bytes=300 * 2**20)))


def test_a_slow_reader_is_not_taken_for_a_process_that_stands_still(big: Path) -> None:
    parts = _reading(big, Limits(silence_s=1.0))
    count = 0
    for count, _ in enumerate(parts, start=1):
        if count < 4:
            time.sleep(0.6)
    assert count > 20


def test_the_process_starts_without_anything_heavy_and_without_the_environment(
    big: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GROUNDCHAT_REMOTE_KEY", "a secret of the operator's")
    parts = _reading(big)
    next(parts)
    process = _worker()
    assert "GROUNDCHAT_REMOTE_KEY" not in process.environ()
    assert process.memory_info().rss < 150 * 2**20
    parts.close()
    code = "import sys, retrieval.formats.__main__; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=_ROOT, capture_output=True, text=True, check=True)
    heavy = {"torch", "transformers", "gradio", "numpy", "pandas", "tantivy", "lxml", "pypdfium2", "openpyxl"}
    assert not heavy & set(done.stdout.split())


def test_the_process_ends_with_the_app(big: Path) -> None:
    code = textwrap.dedent("""
        import sys, time
        from pathlib import Path
        import psutil
        from retrieval.files import open_file
        parts = open_file(Path(sys.argv[1]), "big.txt", "owner", limit=2**30).parts(0)
        next(parts)
        print(psutil.Process().children()[0].pid, flush=True)
        time.sleep(60)
    """)
    app = subprocess.Popen([sys.executable, "-c", code, str(big)], cwd=_ROOT, stdout=subprocess.PIPE, text=True)
    with app:
        assert app.stdout is not None
        pid = int(app.stdout.readline())
        app.kill()
    _wait_until_gone(pid)


@pytest.mark.parametrize(
    "act",
    [
        "socket.create_connection(('127.0.0.1', 9))",
        "socket.getaddrinfo('localhost', 80)",
        "subprocess.run(['true'])",
        "os.system('true')",
        "__import__('pathlib').Path('written').write_text('x')",
    ],
)
def test_a_loader_can_neither_connect_nor_start_nor_write(tmp_path: Path, act: str) -> None:
    code = f"import os, socket, subprocess\nfrom retrieval.formats.__main__ import _limit\n_limit(2**30)\n{act}"
    environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode != 0
    assert "is not for a loader" in done.stderr or "File too large" in done.stderr


def test_two_readings_of_one_file_side_by_side() -> None:
    incoming = open_file(FILES / "report.pdf", "report.pdf", "owner")
    one, two = incoming.parts(0), incoming.parts(0)
    assert [(next(one), next(two)) for _ in range(3)]
    assert list(one) == list(two) == []


def test_a_file_that_is_gone_or_changed_before_its_parts_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.docx"
    path.write_bytes((FILES / "report.docx").read_bytes())
    incoming = open_file(path, "a.docx", "owner")
    path.write_bytes(b"now it is text")
    with pytest.raises(DocumentError, match="whatever its name says: it holds text"):
        list(incoming.parts(0))
    path.unlink()
    with pytest.raises(DocumentError, match=r"“a\.docx” could not be opened"):
        list(incoming.parts(0))
