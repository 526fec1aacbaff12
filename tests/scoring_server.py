"""A small server on this machine that scores with a real model and speaks vLLM's format, or less of it.

    with ScoringServer(net, tokenizer) as server:
        RemoteScorer(server.url)                # http://127.0.0.1:PORT/v1
        server.can = {"tops"}                   # a part of ALL: what it still does

In the form of vLLM 0.11's /tokenize, /v1/completions (echo, logprobs) and /v1/chat/completions (top_logprobs): offsets
and the first token without a likelihood included, refusals as 404 and 400 with its error object.
"""

from __future__ import annotations

import threading
from typing import Any

from tests.listener import Answering, HangingUp, LocalServer

ALL = frozenset({"tokenize", "tokenize chats", "echo", "tops", "template"})
"""`template`: reads chat_template_kwargs."""


class ScoringServer(LocalServer):
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
        listener = _Listener(("127.0.0.1", 0), _Handler)
        listener.scoring = self
        super().__init__(listener)

    @property
    def url(self) -> str:
        return f"http://{self.host}/v1"

    def let_go(self) -> None:
        self.hold.set()


class _Listener(HangingUp):
    scoring: ScoringServer


class _Handler(Answering):
    server: _Listener

    def do_GET(self) -> None:
        if self.path != "/v1/models":
            return self.refuse(404, "Not Found")
        return self.json({"object": "list", "data": [{"id": self.server.scoring.model, "owned_by": "vllm"}]})

    def do_POST(self) -> None:
        scoring = self.server.scoring
        body = self.read_json()
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
