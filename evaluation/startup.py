"""How soon the page is there and the first answer too: `python -m evaluation.startup [--runs 5] [--json]`.

Side by side, in turn: this app with an empty data folder, and a bare `gr.Blocks` app. Each is a process of its own;
the clock runs from its start to the first HTTP 200. Then the app is asked through its API: the first answer, counted
from the page being there (models are loaded and the library is indexed meanwhile), and later ones.
"""

from __future__ import annotations

import argparse
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
from gradio_client import Client

_ROOT = Path(__file__).parent.parent
_BARE = """
import sys, gradio as gr
with gr.Blocks(analytics_enabled=False) as page:
    gr.Chatbot()
    gr.Textbox()
page.launch(server_name="127.0.0.1", server_port=int(sys.argv[1]), quiet=True, ssr_mode=False)
"""
_QUESTIONS = ("Who discovered penicillin?", "How high is Mount Everest?", "When did the Berlin Wall fall?")
_POLL_S = 0.02
_LONGEST_S = 120.0


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(command: Sequence[str], port: int) -> Iterator[float]:
    """Run a server while the block runs; yields the seconds from its start to the first HTTP 200."""
    began = time.perf_counter()
    process = subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not _answers(port):
            if process.poll() is not None or time.perf_counter() - began > _LONGEST_S:
                raise RuntimeError(f"{command[:3]} did not answer on port {port}")
            time.sleep(_POLL_S)
        yield time.perf_counter() - began
    finally:
        process.terminate()
        process.wait()


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def ask(client: Client, question: str) -> float:
    """Seconds until the whole answer to a question is there, through the queue as a browser would."""
    began = time.perf_counter()
    reply = client.predict(message=question, api_name="/chat")
    if reply["verdict"]["outcome"] != "answered":
        raise RuntimeError(f"no answer to {question}: {reply}")
    return time.perf_counter() - began


def measure(runs: int) -> dict[str, float]:
    """Medians over `runs` pairs, in seconds."""
    bare: list[float] = []
    app: list[float] = []
    first: list[float] = []
    later: list[float] = []
    for _ in range(runs):
        port = free_port()
        with serving([sys.executable, "-c", _BARE, str(port)], port) as seconds:
            bare.append(seconds)
        port = free_port()
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "app.py", "--port", str(port), "--data-dir", folder, "--model", "reader"]
            with serving(command, port) as seconds:
                app.append(seconds)
                client = Client(f"http://127.0.0.1:{port}/", verbose=False)
                first.append(ask(client, _QUESTIONS[0]))
                later += [ask(client, question) for question in _QUESTIONS]
                client.close()
    ratios = [a / b for a, b in zip(app, bare, strict=True)]
    return {
        "bare_s": statistics.median(bare),
        "app_s": statistics.median(app),
        "ratio": statistics.median(ratios),
        "first_answer_s": statistics.median(first),
        "first_answer_worst_s": max(first),
        "warm_answer_s": statistics.median(later),
        "warm_answer_worst_s": max(later),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    figures = {name: round(value, 3) for name, value in measure(arguments.runs).items()}
    if not arguments.json:
        print("\n".join(f"{name:22} {value:8.3f}" for name, value in figures.items()))
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
