"""The process that runs a stranger's code: `python -I -S -B code_process.py`, started by `evaluation/code_run.py`.

Standard input: one JSON object {"code", "tests", "processor_s", "memory_bytes"}. Standard output: {"passed", "reason"}.

Covered: no socket (on Linux, where the kernel lets it, not even a network: the process has an empty one of its own),
no further process, no file but Python's own library can be opened, nothing is written, deleted or signalled, C
libraries are not loaded, memory and processor time are capped, the environment is empty.
Not covered: code that sets out to break this. What refuses stands inside the interpreter that runs the code, so a fault
of it, or a call that Python does not audit, leads out with the rights of the user; for models that nobody trusts, run
the command in a container.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

_FORBIDDEN = (
    *("os.", "socket.", "subprocess.", "shutil.", "ctypes.", "pty.", "fcntl.", "mmap.", "signal.", "sqlite3."),
    *("ftplib.", "http.", "urllib.", "smtplib.", "webbrowser.", "glob.", "tempfile.", "gc.get_"),
)
_ALLOWED = frozenset({"os.listdir", "os.scandir"})
"""What an import does."""
_NO_IMPORT = frozenset({"_posixsubprocess", "_socket", "_ctypes", "ctypes", "_winapi", "nt", "posix"})
_NEW_USER, _NEW_NETWORK, _NO_NEW_PRIVILEGES = 0x10000000, 0x40000000, 38
_LIBRARY = os.path.dirname(os.__file__) + os.sep  # noqa: PTH120 - pathlib is not loaded here
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def main() -> None:
    out = os.fdopen(os.dup(1), "w")
    task = json.loads(sys.stdin.read())
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    _without_network()
    _limit(task["processor_s"], task["memory_bytes"])
    sys.addaudithook(_refuse)
    del globals()["_refuse"]  # the code could give it another body
    passed, reason = 0, ""
    module = type(sys)("answer")
    sys.modules[module.__name__] = module  # where dataclasses look for what annotations name
    space = module.__dict__
    try:
        _run(task["code"], "<answer>", space)
        for test in task["tests"]:
            _run(test, "<test>", space)
            passed += 1
    except BaseException as error:
        reason = f"{type(error).__name__}: {error}"[:300]
    out.write(json.dumps({"passed": passed, "reason": reason}))
    out.flush()


def _run(code: str, name: str, space: dict[str, Any]) -> None:
    exec(compile(code, name, "exec", dont_inherit=True), space)


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


def _refuse(
    event: str,
    told: tuple[Any, ...],
    *,
    library: str = _LIBRARY,
    writes: int = _WRITES,
    forbidden: tuple[str, ...] = _FORBIDDEN,
    allowed: frozenset[str] = _ALLOWED,
    no_import: frozenset[str] = _NO_IMPORT,
    kind: Any = type,
    text: Any = str,
    error: Any = PermissionError,
) -> None:
    """All that it goes by is its own: the code that it watches can change what names in modules stand for."""
    if event == "open":
        path, flags = told[0], told[2]
        # A text of a kind of its own could call itself something else than what is opened.
        if kind(path) is not text or not path.startswith(library) or ".." in path or flags & writes:
            raise error("an answer's code opens no files")
    elif event == "import":
        if kind(told[0]) is not text or told[0].rpartition(".")[2] in no_import:
            raise error(f"{told[0]} is not for an answer's code")
    elif event.startswith(forbidden) and event not in allowed:
        raise error(f"{event} is not for an answer's code")


if __name__ == "__main__":
    main()
