"""What screening adds to an answer: `python -m evaluation.moderated [--model SHAPE|ID] [--users 1,4] [--json]`.

The same assistant answers with moderation and without, in turn; `ratio` is that of the rates at which whole answers
were written, so 0.95 is a twentieth more time. Of a shape (see `evaluation.shapes`) the weights are random.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from chat.local import LocalModel
from encoder import SentenceEncoder
from errors import AppError
from evaluation.machine import machine
from evaluation.shapes import SHAPES, make
from evaluation.speed import SAMPLINGS, assistant_for, compare, measure, ours, rounded
from retrieval.index import DocumentIndex


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m evaluation.moderated", description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="neox-80m", help=f"hub id, folder, or a shape: {', '.join(SHAPES)}")
    parser.add_argument("--users", default="1,4", help="numbers of users, separated by commas")
    parser.add_argument("--rounds", type=int, default=5, help="pairs of measurements per number of users")
    parser.add_argument("--prompt", type=int, default=40, help="tokens of a question")
    parser.add_argument("--tokens", type=int, default=128, help="tokens of an answer")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args(arguments)
    try:
        users = [int(number) for number in options.users.split(",")]
    except ValueError:
        parser.error(f"--users is {options.users}; give numbers separated by commas, like 1,4")
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        try:
            folder = str(make(options.model, scratch / options.model)) if options.model in SHAPES else options.model
            model = LocalModel(folder, users=max(users))
            model.load()
            encoder = SentenceEncoder()
            index = DocumentIndex(scratch / "index", encoder)
            index.open()
            stack.callback(index.close)
            assistant = assistant_for(model, index, encoder)
            screened, plain = (ours(assistant, SAMPLINGS["greedy"], moderation) for moderation in (True, False))

            def count(text: str) -> int:
                return len(model.tokenizer.encode(text, add_special_tokens=False))

            for write in (screened, plain):
                measure(write, 1, options.prompt, options.tokens, seed=0, count=count)
            rows = {
                str(number): compare(screened, plain, number, options.rounds, options.prompt, options.tokens, count)
                for number in users
            }
        except AppError as error:
            print(error, file=sys.stderr)
            return 1
    for number, row in rows.items():
        print(f"{number:>3} users: {row['tokens_per_s']:.1f} tokens/s screened, {row['plain_tokens_per_s']:.1f} not")
    if options.json:
        print(json.dumps(rounded({"users": rows, "model": options.model, "machine": machine()})))
    return 0


if __name__ == "__main__":
    sys.exit(main())
