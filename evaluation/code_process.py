"""The process that runs a stranger's code: `python -I -S -B code_process.py`, started by `evaluation/code_run.py`.

Standard input: one JSON object {"code", "tests", "processor_s", "memory_bytes"}. Standard output: {"passed", "reason"}.

Covered: no socket (on Linux, where the kernel lets it, not even a network: the process has an empty one of its own),
no further process, no file but Python's own library can be opened, nothing is written, deleted or signalled, C
libraries are not loaded, memory and processor time are capped, the environment is empty.
Not covered: code that escapes from Python itself, through a fault of the interpreter, has the rights of the user; for
models that nobody trusts, run the command in a container.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

_FORBIDDEN = (
    *("os.", "socket.", "subprocess.", "shutil.", "ctypes.", "pty.", "fcntl.", "mmap.", "signal.", "sqlite3."),
    *("ftplib.", "http.", "urllib.", "smtplib.", "webbrowser.", "glob.", "tempfile."),
)
_ALLOWED = frozenset({"os.listdir", "os.scandir"})
"""What an import does."""
_NO_IMPORT = frozenset({"_posixsubprocess", "_socket", "_ctypes", "ctypes", "_winapi", "nt", "posix"})
_NEW_USER, _NEW_NETWORK, _NO_NEW_PRIVILEGES = 0x10000000, 0x40000000, 38
_LIBRARY = os.path.dirname(os.__file__) + os.sep  # noqa: PTH120 - pathlib is not loaded here


def main() -> None:
    out = os.fdopen(os.dup(1), "w")
    task = json.loads(sys.stdin.read())
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    _without_network()
    _limit(task["processor_s"], task["memory_bytes"])
    sys.addaudithook(_refuse)
    passed, reason = 0, ""
    space: dict[str, Any] = {"__name__": "answer"}
    try:
        exec(compile(task["code"], "<answer>", "exec"), space)
        for test in task["tests"]:
            exec(compile(test, "<test>", "exec"), space)
            passed += 1
    except BaseException as error:
        reason = f"{type(error).__name__}: {error}"[:300]
    out.write(json.dumps({"passed": passed, "reason": reason}))
    out.flush()


def _without_network() -> None:
    """A network of its own with nothing in it, and no way to more rights, where the kernel offers that."""
    try:
        import ctypes

        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(_NEW_NETWORK) != 0:
            libc.unshare(_NEW_USER | _NEW_NETWORK)
        libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    except (ImportError, OSError, AttributeError, TypeError):  # no Linux
        pass
    for name in [name for name in sys.modules if name.partition(".")[0] in _NO_IMPORT - {"posix", "nt"}]:
        del sys.modules[name]


def _limit(processor_s: int, memory_bytes: int) -> None:
    try:
        import resource
    except ImportError:  # Windows has none
        return
    for limit, most in (
        (resource.RLIMIT_CPU, processor_s),
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
    ):
        try:
            resource.setrlimit(limit, (most, most))
        except (ValueError, OSError):  # macOS refuses some
            continue


def _refuse(event: str, told: tuple[Any, ...]) -> None:
    if event == "open":
        path, mode = str(told[0]), str(told[1] or "r")
        if not path.startswith(_LIBRARY) or ".." in path or set(mode) & set("wax+"):
            raise PermissionError("an answer's code opens no files")
    elif event == "import":
        if told[0] in _NO_IMPORT:
            raise PermissionError(f"{told[0]} is not for an answer's code")
    elif event.startswith(_FORBIDDEN) and event not in _ALLOWED:
        raise PermissionError(f"{event} is not for an answer's code")


if __name__ == "__main__":
    main()
