"""Runs the code of an answer against tests, in a process that may do next to nothing (`evaluation.code_process`).

    run("def double(n): return 2 * n", ["assert double(4) == 8"])      # Outcome(passed=1, reason="")

The code gets Python's standard library, an empty folder that is thrown away, no environment, and limits of time and
memory. A model's code is a stranger's: `--no-code` leaves such items out.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

_PROCESS = Path(__file__).parent / "code_process.py"
_LONGEST = 50_000
"""Characters of code."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one answer's code may take, all its tests together."""

    processor_s: int = 4
    wall_s: float = 10.0
    memory_bytes: int = 2**29


@dataclass(frozen=True, slots=True)
class Outcome:
    passed: int
    """Tests that passed before the first that did not."""
    reason: str
    """Why not all of them did; empty where they did."""


def passes(code: str, tests: Sequence[str]) -> bool:
    """Whether the code passes every test; each is a statement that raises where it does not."""
    return run(code, tests).passed == len(tests) > 0


def run(code: str, tests: Sequence[str], limits: Limits | None = None) -> Outcome:
    """Run the code, then the tests in order, up to the first that fails."""
    limits = limits or Limits()
    if len(code) > _LONGEST:
        return Outcome(0, f"It has more than {_LONGEST:,} characters.")
    task = json.dumps({"code": code, "tests": list(tests), **asdict(limits)})
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", str(_PROCESS)],
            cwd=folder,
            env={"PYTHONUTF8": "1"} if os.name == "posix" else None,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            out, _ = process.communicate(task.encode(), timeout=limits.wall_s)
        except subprocess.TimeoutExpired:
            return Outcome(0, f"It ran for more than {limits.wall_s:g} s.")
        finally:
            process.kill()
            process.communicate()
    return _outcome(out, process.returncode, limits)


def _outcome(out: bytes, code: int, limits: Limits) -> Outcome:
    try:
        said = json.loads(out)
        return Outcome(int(said["passed"]), str(said["reason"]))
    except (ValueError, TypeError, KeyError):
        if os.name == "posix" and code in (-signal.SIGKILL, -signal.SIGXCPU):
            return Outcome(0, f"It took more than {limits.processor_s} s of processor time.")
        return Outcome(0, f"Its process ended with {code}.")
