"""Starting the app with settings that cannot work. python -m pytest tests/test_start.py"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from evaluation.startup import free_port, serving

_ROOT = Path(__file__).parent.parent


def _start(*flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "app.py", *flags], cwd=_ROOT, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--prot", "1"), "--prot"),
        (("--host", "no.such.host.invalid"), "cannot listen on no.such.host.invalid"),
        (("--moderation-policy", "no-such-file.toml"), "no-such-file.toml"),
    ],
)
def test_a_setting_that_cannot_work_stops_the_start_with_one_sentence(
    tmp_path: Path, flags: tuple[str, ...], said: str
) -> None:
    done = _start("--data-dir", str(tmp_path), *flags)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = _start("--data-dir", str(tmp_path), "--port", str(port))
    assert done.returncode == 2
    assert f"port {port}" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_interrupt_ends_the_app_in_good_order(tmp_path: Path) -> None:
    """While vectors are still being made: a thread that is torn out of PyTorch would abort the program."""
    command = [sys.executable, "app.py", "--data-dir", str(tmp_path), "--port", "0", "--model", "reader"]
    with subprocess.Popen(
        command,
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    ) as app:
        assert app.stdout is not None
        try:
            for line in app.stdout:
                if "Answers are ready" in line:
                    break
            app.send_signal(signal.SIGINT)
            rest, _ = app.communicate(timeout=60)
        finally:
            app.kill()
    assert app.returncode == 0, rest


def test_without_a_network_no_event_asks_for_forms_of_sources(tmp_path: Path) -> None:
    """Gradio wrote a warning to the log for each: there was no place for what they gave."""
    port = free_port()
    flags = ["--port", str(port), "--data-dir", str(tmp_path), "--model", "reader", "--network", "off"]
    with serving([sys.executable, "app.py", *flags], port):
        events = httpx.get(f"http://127.0.0.1:{port}/config").json()["dependencies"]
    asked = [event["targets"] for event in events if not event["outputs"]]
    assert sorted(name for targets in asked for _, name in targets) == ["click", "stop"]
