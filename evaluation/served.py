"""How fast answers are written to clients: `python -m evaluation.served [--users 1,16] [--json]`.

What `evaluation.speed` measures of functions, of two servers: this app as people start it, and a plain
`gr.ChatInterface` around a `TextIteratorStreamer` on the same weights. Both run all the time and are asked in turn, by
`gradio_client`, which gets the text as it is written; neither searches or screens. The clients' work is on the same
machine, for both.
"""

from __future__ import annotations

import argparse
import json
import queue
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from gradio_client import Client

from errors import AppError
from evaluation.machine import machine
from evaluation.shapes import SHAPES, make
from evaluation.speed import SAMPLINGS, Count, Writer, compare, measure, rounded, table
from evaluation.startup import free_port, serving

_PLAIN = """
import sys, gradio as gr
from transformers import AutoModelForCausalLM, AutoTokenizer
from chat.base import Sampling
from evaluation.speed import SAMPLINGS, plain
folder, port, sampling, tokens = sys.argv[1:]
network, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
write = plain(network.eval(), tokenizer, SAMPLINGS[sampling])
def answer(message, history):
    text = ""
    for piece in write(message, int(tokens)):
        text += piece
        yield text
page = gr.ChatInterface(answer, api_name="chat", analytics_enabled=False)
page.launch(server_name="127.0.0.1", server_port=int(port), quiet=True, ssr_mode=False)
"""
_LOADED_S = 120.0
_POLL_S = 0.5


class Users:
    """Clients of one server, one for each who asks at the same time; given back for the next question.

    Opening a client fetches the app's description, so none is opened while time is taken.
    """

    def __init__(self, port: int, number: int, **arguments: Any) -> None:
        self._free: queue.SimpleQueue[Client] = queue.SimpleQueue()
        for _ in range(number):
            self._free.put(Client(f"http://127.0.0.1:{port}/", verbose=False))
        self._arguments = arguments

    def write(self, question: str, tokens: int) -> Iterator[str]:
        """Pieces of the answer as they arrive; `tokens` is set in `arguments` where the server lets a client."""
        client = self._free.get()
        try:
            shown = ""
            for reply in client.submit(question, api_name="/chat", **self._arguments):
                text = reply["reply"] if isinstance(reply, dict) else reply
                yield text[len(shown) :]
                shown = text
        finally:
            self._free.put(client)

    def close(self) -> None:
        while not self._free.empty():
            self._free.get().close()


def _until_written(write: Writer, tokens: int, count: Count) -> None:
    """Until the model answers, not the reader that stands in while it loads."""
    until = time.monotonic() + _LOADED_S
    while True:
        try:
            measure(write, 1, 8, tokens, 0, count)
            return
        except AppError:
            if time.monotonic() > until:
                raise
            time.sleep(_POLL_S)


def run(folder: str, options: argparse.Namespace, users: Sequence[int]) -> dict[str, Any]:
    """The rows of `evaluation.speed.compare`, by number of users."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    sampling = SAMPLINGS[options.sampling]
    given = {
        "retrieval": [],
        "moderation": False,
        "temperature": sampling.temperature,
        "top_k": sampling.top_k or 0,
        "top_p": sampling.top_p or 1.0,
        "max_new_tokens": options.tokens,
    }

    def count(text: str) -> int:
        return len(tokenizer.encode(text, add_special_tokens=False))

    with ExitStack() as stack:
        data = stack.enter_context(tempfile.TemporaryDirectory())
        ports = free_port(), free_port()
        app = ["app.py", "--port", str(ports[0]), "--data-dir", data, "--model", folder, "--users", str(max(users))]
        stack.enter_context(serving([sys.executable, *app, "--network", "off"], ports[0]))
        other = ["-c", _PLAIN, folder, str(ports[1]), options.sampling, str(options.tokens)]
        stack.enter_context(serving([sys.executable, *other], ports[1]))
        ours, plain = Users(ports[0], max(users), **given), Users(ports[1], max(users))
        stack.callback(ours.close)
        stack.callback(plain.close)
        for each in (ours, plain):
            _until_written(each.write, options.tokens, count)
        time.sleep(options.settle)
        return {
            str(number): compare(ours.write, plain.write, number, options.rounds, options.prompt, options.tokens, count)
            for number in users
        }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m evaluation.served", description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="neox-80m", help=f"folder, or a shape: {', '.join(SHAPES)}")
    parser.add_argument("--users", default="1,16", help="numbers of users, separated by commas")
    parser.add_argument("--sampling", choices=sorted(SAMPLINGS), default="greedy")
    parser.add_argument("--rounds", type=int, default=3, help="pairs of measurements per number of users")
    parser.add_argument("--prompt", type=int, default=100, help="tokens of a question")
    parser.add_argument("--tokens", type=int, default=64, help="tokens of an answer")
    parser.add_argument("--settle", type=float, default=60.0, help="seconds until the library's vectors are made")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args(arguments)
    users = [int(number) for number in options.users.split(",")]
    with tempfile.TemporaryDirectory() as scratch:
        try:
            folder = str(make(options.model, Path(scratch) / "model")) if options.model in SHAPES else options.model
            rows = run(folder, options, users)
        except AppError as error:
            print(error, file=sys.stderr)
            return 1
    print(table(rows))
    if options.json:
        figures = {"model": options.model, "sampling": options.sampling, "users": rows, "machine": machine()}
        print(json.dumps(rounded(figures)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
