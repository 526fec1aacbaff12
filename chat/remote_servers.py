"""The kinds of chat servers, what each understands beyond OpenAI's own fields, and how each is recognised.

The rule for sampling: temperature, top_p, seed and the length are every server's. A further option is sent, under the
server's own name for it, to servers that know it, always, so that no recommendation of the model's authors
(generation_config.json) takes its place. To a server that does not know it nothing is sent: an option that is off needs
nothing, one that nobody has touched (`Sampling.chosen`) is left to the server, any other is refused by name.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from chat.base import Sampling
from chat.sampling_limits import check
from errors import InputError

_OFF: Mapping[str, float] = MappingProxyType({"top_k": 0, "repetition_penalty": 1.0, "no_repeat_ngram": 0})
"""The options not every server knows, and the value that switches each off."""
_NO_THINKING: Mapping[str, Any] = MappingProxyType({"chat_template_kwargs": {"enable_thinking": False}})
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Server:
    """One kind of server."""

    name: str
    options: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    """Its names of the options in `_OFF`, as far as it knows them."""
    off: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    """Its values for off, where they are not the app's."""
    inside: str = ""
    """The field that carries `options` as JSON text; empty where they stand in the request itself."""
    always: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    """Fields that keep the server's own defaults from taking effect."""
    continues: Mapping[str, Any] | None = None
    """Fields that make it go on with a last assistant message; None where it cannot."""
    lists_all: bool = True
    """Whether `/v1/models` names every model that it answers for."""
    needs_model: bool = True
    """Whether a request must name the model."""
    top_p_of_one: bool = True
    """Whether it takes a top_p of 1, which is off."""


_PENALTY = {"top_k": "top_k", "repetition_penalty": "repetition_penalty"}

SERVERS: Mapping[str, Server] = MappingProxyType(
    {
        server.name: server
        for server in (
            Server("OpenAI-compatible"),
            Server(
                "vLLM",
                options=_PENALTY,
                off={"top_k": -1},
                always={"min_p": 0.0, **_NO_THINKING},
                continues={"continue_final_message": True, "add_generation_prompt": False},
            ),
            Server(
                "SGLang",
                options=_PENALTY,
                off={"top_k": -1},
                always={"min_p": 0.0, **_NO_THINKING},
                continues={"continue_final_message": True},
            ),
            Server(
                "llama-server",
                options={"top_k": "top_k", "repetition_penalty": "repeat_penalty"},
                always={"min_p": 0.0, "repeat_last_n": -1, **_NO_THINKING},
                continues={},
                needs_model=False,
                lists_all=False,
            ),
            Server("TGI", continues={}, needs_model=False, lists_all=False, top_p_of_one=False),
            Server(
                "transformers serve",
                options={**_PENALTY, "no_repeat_ngram": "no_repeat_ngram_size"},
                inside="generation_config",
                always=_NO_THINKING,
                needs_model=False,
                lists_all=False,
            ),
        )
    }
)
UNKNOWN = SERVERS["OpenAI-compatible"]

OWNERS: Mapping[str, str] = MappingProxyType({"vllm": "vLLM", "sglang": "SGLang", "llamacpp": "llama-server"})
"""Kind of server by the `owned_by` of its models."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A question beside the API (`path` below the server's root) that one kind of server answers as no other does."""

    path: str
    server: str
    fits: Callable[[Mapping[str, Any]], bool]


PROBES = (
    Probe("/info", "TGI", lambda said: said.get("router") == "text-generation-router"),
    Probe("/openapi.json", "transformers serve", lambda said: "/load_model" in (said.get("paths") or ())),
)

CONTEXTS: Mapping[str, tuple[str, tuple[str, ...]]] = MappingProxyType(
    {"TGI": ("/info", ("max_total_tokens",)), "llama-server": ("/props", ("default_generation_settings", "n_ctx"))}
)
"""Where a server tells how many tokens it reads at once, if not in its list of models."""


def context_in(said: object, path: tuple[str, ...]) -> int:
    """The number of tokens at `path` in what a server said; 0 where there is none."""
    for key in path:
        said = said.get(key) if isinstance(said, Mapping) else None
    return said if isinstance(said, int) and said > 0 else 0


def sampling_fields(sampling: Sampling, server: Server, host: str) -> dict[str, Any]:
    """The sampling as fields of a request. Raises `InputError` for what cannot be, or what the server cannot do."""
    check(sampling)
    greedy = sampling.temperature < _COLD
    fields: dict[str, Any] = {"temperature": 0 if greedy else sampling.temperature, **server.always}
    if sampling.top_p < 1 or server.top_p_of_one:
        fields["top_p"] = sampling.top_p
    if sampling.seed is not None:
        fields["seed"] = sampling.seed
    options: dict[str, Any] = {}
    for name, off in _OFF.items():
        value = getattr(sampling, name)
        unsent = (off,) if name in sampling.chosen else (off, getattr(_DEFAULTS, name))
        if name in server.options:
            options[server.options[name]] = server.off.get(name, value) if value == off else value
        elif value not in unsent and not (name == "top_k" and greedy):
            raise InputError(
                f"The setting {name} is {value}, and {host} ({server.name}) has no such setting; leave it at {off:g}.",
                zh=f"参数 {name} 的值是 {value}，而 {host}（{server.name}）没有这个参数；请保持为 {off:g}。",
            )
    if server.inside:
        return fields | {server.inside: json.dumps({"do_sample": not greedy, **options})}
    return fields | options


_DEFAULTS = Sampling()
_COLD = 1e-6
"""Below it the likeliest token is taken all but always, and many servers divide by it until no numbers are left."""
