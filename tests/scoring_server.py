"""A small server on this machine that scores with a real model and speaks vLLM's format, or less of it.

    with ScoringServer(net, tokenizer) as server:
        RemoteScorer(server.url)                # http://127.0.0.1:PORT/v1
        server.can = {"tops"}                   # a part of ALL: what it still does

In the form of vLLM 0.11's /tokenize, /v1/completions (echo, logprobs) and /v1/chat/completions (top_logprobs): offsets
and the first token without a likelihood included, refusals as 404 and 400 with its error object.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Any

from tests.listener import HangingUp

ALL = frozenset({"tokenize", "tokenize chats", "echo", "tops", "template"})
"""`template`: reads chat_template_kwargs."""


class ScoringServer:
    """Listens on 127.0.0.1 while the `with` block runs."""

    def __init__(self, net: Any, tokenizer: Any, model: str = "meta-llama/Llama-Guard-3-1B") -> None:
        self.net, self.tokenizer, self.model = net, tokenizer, model
        self.can = set(ALL)
        self.key = ""
        """What must stand in the header; empty lets everybody in."""
        self.hold = threading.Event()
        """Nothing is answered until it is set, but for the list of models."""
        self.hold.set()
        self.seen: list[tuple[str, dict[str, Any]]] = []
        self._listener = _Listener(("127.0.0.1", 0), _Handler)
        self._listener.scoring = self
        self._thread = threading.Thread(target=self._listener.serve_forever, args=(0.02,), daemon=True)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._listener.server_port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}/v1"

    def __enter__(self) -> ScoringServer:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.hold.set()
        self._listener.shutdown()
        self._listener.hang_up()
        self._listener.server_close()
        self._thread.join()


class _Listener(HangingUp):
    scoring: ScoringServer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Listener

    def do_GET(self) -> None:
        if self.path != "/v1/models":
            return self.refuse(404, "Not Found")
        return self.json({"object": "list", "data": [{"id": self.server.scoring.model, "owned_by": "vllm"}]})

    def do_POST(self) -> None:
        scoring = self.server.scoring
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        scoring.seen.append((self.path, body))
        scoring.hold.wait(30)
        if scoring.key and self.headers["Authorization"] != f"Bearer {scoring.key}":
            return self.refuse(401, "Unauthorized")
        if body.get("model") != scoring.model:
            return self.refuse(404, f"The model `{body.get('model')}` does not exist.")
        answers = {"/tokenize": self.tokenize, "/v1/completions": self.complete, "/v1/chat/completions": self.chat}
        if self.path not in answers:
            return self.refuse(404, "Not Found")
        try:
            return answers[self.path](body, scoring)
        except Exception as error:  # a template that raises, as vLLM tells it
            return self.refuse(400, str(error))

    def tokenize(self, body: dict[str, Any], scoring: ScoringServer) -> None:
        needed = "tokenize chats" if "messages" in body else "tokenize"
        if needed not in scoring.can:
            return self.refuse(404, "Not Found")
        ids = self.ids(body, scoring)
        return self.json({"count": len(ids), "max_model_len": 2048, "tokens": ids, "token_strs": None})

    def ids(self, body: dict[str, Any], scoring: ScoringServer) -> Any:
        """The tokens of a text or of messages."""
        if "messages" not in body:
            return scoring.tokenizer.encode(body["prompt"], add_special_tokens=body.get("add_special_tokens", True))
        variables = body.get("chat_template_kwargs", {})
        if variables and "template" not in scoring.can:
            raise ValueError("Unrecognized request argument supplied: chat_template_kwargs")
        return scoring.tokenizer.apply_chat_template(
            body["messages"], add_generation_prompt=True, return_dict=False, **variables
        )

    def complete(self, body: dict[str, Any], scoring: ScoringServer) -> None:
        prompts = body["prompt"] if isinstance(body["prompt"], list) else [body["prompt"]]
        echo = bool(body.get("echo")) and "echo" in scoring.can
        if not echo and "tops" not in scoring.can:
            return self.refuse(400, "logprobs is not supported")
        choices = []
        for index, prompt in enumerate(prompts):
            ids = prompt if isinstance(prompt, list) else scoring.tokenizer.encode(prompt)
            steps = _steps(scoring, ids, body["max_tokens"], body["logprobs"], echo)
            told = {
                "text_offset": [0] * len(steps),
                "tokens": [step[0] for step in steps],
                "token_logprobs": [step[1] for step in steps],
                "top_logprobs": [dict(step[2]) if step[2] else None for step in steps],
            }
            text = "".join(step[0] for step in steps)
            choices.append({"index": index, "text": text, "logprobs": told, "finish_reason": "length"})
        # vLLM answers several prompts in the order in which they are done.
        return self.json({"object": "text_completion", "model": scoring.model, "choices": choices[::-1]})

    def chat(self, body: dict[str, Any], scoring: ScoringServer) -> None:
        if "tops" not in scoring.can:
            message = {"role": "assistant", "content": "safe"}
            return self.json({"choices": [{"index": 0, "message": message, "logprobs": None}]})
        steps = _steps(scoring, self.ids(body, scoring), body["max_tokens"], body["top_logprobs"], echo=False)
        content = [
            {"token": token, "logprob": value, "top_logprobs": [{"token": t, "logprob": v} for t, v in tops]}
            for token, value, tops in steps
        ]
        message = {"role": "assistant", "content": "".join(step[0] for step in steps)}
        choice = {"index": 0, "message": message, "logprobs": {"content": content}, "finish_reason": "length"}
        return self.json({"object": "chat.completion", "model": scoring.model, "choices": [choice]})

    def json(self, said: dict[str, Any], status: int = 200) -> None:
        body = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, status: int, says: str) -> None:
        self.json({"error": {"message": says, "type": "BadRequestError", "code": status}}, status)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: tests read `seen`."""


Step = tuple[str, float | None, list[tuple[str, float]]]


def _steps(scoring: ScoringServer, ids: list[int], room: int, tops: int, echo: bool) -> list[Step]:
    """Each token with its likelihood and the likeliest in its place: what is written greedily, after the prompt's."""
    import torch

    net, tokenizer = scoring.net, scoring.tokenizer
    written = list(ids)
    with torch.no_grad():
        for _ in range(room):
            token = int(net(torch.tensor([written])).logits[0, -1].argmax())
            written.append(token)
            if not echo and token == tokenizer.eos_token_id:
                break
        table = net(torch.tensor([written])).logits[0].log_softmax(-1)
    found: list[Step] = []
    for place in range(0 if echo else len(ids), len(written)):
        token = tokenizer.decode([written[place]])
        if place == 0:
            found.append((token, None, []))
            continue
        values, best = table[place - 1].topk(tops)
        likeliest = [(tokenizer.decode([int(i)]), float(value)) for i, value in zip(best, values, strict=True)]
        found.append((token, float(table[place - 1, written[place]]), likeliest))
    return found
