"""A moderator of its own process, to be killed and stopped: `python -m tests.moderator_process PORT JUDGED`.

Speaks vLLM's /v1/models and /v1/chat/completions with top_logprobs, finds everything safe, and writes what it was asked
to the file JUDGED before it answers.
"""

from __future__ import annotations

import json
import sys
import threading
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import TextIO

from tests.listener import Answering

MODEL = "meta-llama/Llama-Guard-3-1B"
_TOPS = [{"token": "safe", "logprob": -0.01}, {"token": "unsafe", "logprob": -5.0}]
_CONTENT = [{"token": "\n\n", "logprob": 0.0, "top_logprobs": [{"token": "\n\n", "logprob": 0.0}]}]
_SAFE = [*_CONTENT, {"token": "safe", "logprob": -0.01, "top_logprobs": _TOPS}]


class _Handler(Answering):
    judged: TextIO
    writing = threading.Lock()

    def do_GET(self) -> None:
        self.json({"object": "list", "data": [{"id": MODEL, "owned_by": "vllm"}]})

    def do_POST(self) -> None:
        body = self.read_json()
        if self.path != "/v1/chat/completions":
            return self.refuse(404, "Not Found")
        with self.writing:
            self.judged.write(f"{json.dumps(body)}\n")
            self.judged.flush()
        message = {"role": "assistant", "content": "\n\nsafe"}
        choice = {"index": 0, "message": message, "logprobs": {"content": _SAFE}, "finish_reason": "stop"}
        return self.json({"object": "chat.completion", "model": MODEL, "choices": [choice]})


def main() -> None:
    with Path(sys.argv[2]).open("a", encoding="utf-8") as judged:
        _Handler.judged = judged
        ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), _Handler).serve_forever()


if __name__ == "__main__":
    main()
