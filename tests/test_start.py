"""Starting the app with settings that cannot work. python -m pytest tests/test_start.py"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).parent.parent


def test_a_setting_that_cannot_work_stops_the_start_with_one_sentence(tmp_path: Path) -> None:
    wrong = {
        "--prot": "1",
        "--host": "no.such.host.invalid",
        "--moderation-policy": "no-such-file.toml",
    }
    # One process: importing Gradio takes longer than all that is looked at here.
    code = (
        "import sys, app\n"
        f"for flag, value in {wrong!r}.items():\n"
        f"    sys.argv[1:] = ['--data-dir', {str(tmp_path)!r}, flag, value]\n"
        "    print(app.main())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=_ROOT, capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["2"] * len(wrong), done.stderr
    unknown, host, policy = done.stderr.strip().splitlines()
    assert "--prot" in unknown
    assert "cannot listen on no.such.host.invalid" in host
    assert "no-such-file.toml" in policy


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = [sys.executable, "app.py", "--data-dir", str(tmp_path), "--port", str(port)]
        done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, timeout=120)
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
