"""Small guard models made on the spot: networks of the kinds that guards have, with chat templates shaped like theirs.

    folder = make_guard("Llama-Guard-3-1B", tmp_path)       # named as the catalogue knows it
    plain(net, tokenizer, ids, labels)                      # likelihoods by a plain forward pass

Their weights are random and their answers far apart, so that two labels are never mistaken for each other; `teach`
makes one answer as it should.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.tiny_model import _no_bars, _tokenizer

_TURNS = (
    "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate') }}{% endif %}"
)
_HEAD = "{% set role = 'User' if messages | length % 2 else 'Agent' %}<|begin|>Is the last {{ role }} message unsafe?\n"
_FOOT = "{% endfor %}<END CONVERSATION>\nJudge ONLY THE LAST {{ role }}.<|eot|><|head|>assistant<|end|>"
CODES_OF_PARTS = (
    f"{_HEAD}{_TURNS}{{{{ 'User' if m.role == 'user' else 'Agent' }}}}: "
    "{% for c in m.content | selectattr('type', 'equalto', 'text') %}{{ c.text | trim }}{% endfor %}{{ '\n\n' }}"
    + _FOOT
)
CODES = (
    f"{_HEAD}{_TURNS}{{{{ 'User' if m.role == 'user' else 'Agent' }}}}: {{{{ m.content | trim }}}}\n\n{_FOOT}"
    "{{ '\n\n' }}"
)
GUIDELINE = (
    "{% if guideline is not defined %}{{ raise_exception('a guideline is needed') }}{% endif %}"
    "<|begin|>{% if messages[-1].role == 'user' %}Human Question: {{ messages[-1].content }}\n"
    "{% else %}Human Question: {{ messages[-2].content }}\nChatbot Response: {{ messages[-1].content }}\n{% endif %}"
    "Our principle: {{ guideline }}\nIs it violated? Yes or No.<|end|>\n<|head|>model\n"
)
RISK = (
    "{% set risks = ['harm', 'social_bias', 'jailbreak', 'violence', 'sexual_content', 'unethical_behavior'] %}"
    "{% if guardian_config.risk_name not in risks %}{{ raise_exception('unknown risk') }}{% endif %}"
    "<|begin|>{{ messages[-1].role }} risk {{ guardian_config.risk_name }}\n"
    "{% for m in messages %}{{ m.role | capitalize }} Message: {{ m.content }}\n{% endfor %}Yes or No?<|end|>\n<|head|>"
)
_SPECIAL = ["<|begin|>", "<|eot|>", "<|head|>", "<|end|>", "<end_of_turn>"]
_SPREAD = 25.0
_HEADS = ("lm_head.weight", "embed_out.weight")


def _llama(size: int) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(LlamaConfig(num_key_value_heads=2, intermediate_size=64, **_shape(size)))


def _llama_4(size: int) -> Any:
    """One that also sees pictures."""
    from transformers import Llama4Config, Llama4ForConditionalGeneration

    text = _shape(size) | {
        "num_key_value_heads": 2,
        "head_dim": 8,
        "intermediate_size": 32,
        "intermediate_size_mlp": 64,
    }
    text |= {"num_local_experts": 1, "num_experts_per_tok": 1, "moe_layers": [], "attention_chunk_size": 512}
    vision = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4}
    vision |= {"image_size": 28, "patch_size": 14, "vision_output_dim": 32}
    vision |= {"projector_input_dim": 32, "projector_output_dim": 32}
    return Llama4ForConditionalGeneration(Llama4Config(text_config=text, vision_config=vision))


def _gemma(size: int) -> Any:
    from transformers import Gemma2Config, Gemma2ForCausalLM

    shape = _shape(size) | {"head_dim": 16, "sliding_window": 32, "query_pre_attn_scalar": 16}
    return Gemma2ForCausalLM(Gemma2Config(num_key_value_heads=2, intermediate_size=64, **shape))


def _granite(size: int) -> Any:
    from transformers import GraniteConfig, GraniteForCausalLM

    return GraniteForCausalLM(GraniteConfig(num_key_value_heads=2, intermediate_size=64, **_shape(size)))


def _gptj(size: int) -> Any:
    from transformers import GPTJConfig, GPTJForCausalLM

    config = GPTJConfig(vocab_size=size, n_positions=2048, n_embd=32, n_layer=2, n_head=4, rotary_dim=8)
    config.resid_pdrop = config.embd_pdrop = config.attn_pdrop = 0.0
    return GPTJForCausalLM(config)


def _mamba(size: int) -> Any:
    from transformers import MambaConfig, MambaForCausalLM

    return MambaForCausalLM(
        MambaConfig(vocab_size=size, hidden_size=32, num_hidden_layers=2, state_size=4, tie_word_embeddings=False)
    )


def _shape(size: int) -> dict[str, Any]:
    return {
        "vocab_size": size,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 8192,
        "tie_word_embeddings": False,
    }


@dataclass(frozen=True, slots=True)
class Kind:
    net: Callable[[int], Any]
    template: str = ""


GUARDS = {
    "Llama-Guard-3-1B": Kind(_llama, CODES_OF_PARTS),
    "Llama-Guard-3-8B": Kind(_llama, CODES),
    "Llama-Guard-4-12B": Kind(_llama_4, CODES_OF_PARTS),
    "shieldgemma-2b": Kind(_gemma, GUIDELINE),
    "granite-guardian-3.1-2b": Kind(_granite, RISK),
    "GPT-JT-Moderation-6B": Kind(_gptj),
    "a-state-space-model": Kind(_mamba),
}


def make_guard(name: str, base: Path) -> Path:
    """The guard in a folder of its name below `base`, made once. Seeded."""
    import torch

    folder = base / name
    if (folder / "tokenizer.json").exists():
        return folder
    kind = GUARDS[name]
    tokenizer = _tokenizer(chat_template=True)
    tokenizer.add_special_tokens({"additional_special_tokens": _SPECIAL})
    tokenizer.chat_template = kind.template or None
    with torch.random.fork_rng(devices=[]), _no_bars():
        torch.manual_seed(0)
        net = kind.net(len(tokenizer))
        with torch.no_grad():
            next(part for name, part in net.named_parameters() if name.endswith(_HEADS)).mul_(_SPREAD)
        net.eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def opened(folder: Path) -> tuple[Any, Any]:
    """The network in float32 and the tokenizer of a guard."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with _no_bars():
        return AutoModelForCausalLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)


def plain(net: Any, tokenizer: Any, ids: Sequence[int], labels: Sequence[str]) -> list[float]:
    """Log-likelihoods of labels after the prompt `ids`, each by a forward pass of its own."""
    import torch

    found = []
    for label in labels:
        tail = tokenizer.encode(label, add_special_tokens=False)
        with torch.no_grad():
            logits = net(torch.tensor([[*ids, *tail]])).logits[0].log_softmax(-1)
        places = range(len(ids) - 1, len(ids) + len(tail) - 1)
        found.append(sum(float(logits[place, token]) for place, token in zip(places, tail, strict=True)))
    return found


def teach(folder: Path, examples: Sequence[tuple[list[dict[str, Any]], str]], steps: int = 150) -> None:
    """Make the guard in `folder` answer conversations by heart: (messages, what it writes)."""
    import torch

    net, tokenizer = opened(folder)
    samples = []
    for messages, answer in examples:
        prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
        reply = tokenizer.encode(answer, add_special_tokens=False)
        samples.append((torch.tensor([prompt + reply]), torch.tensor([[-100] * len(prompt) + reply])))
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3)
    net.train()
    for _ in range(steps):
        losses = [net(input_ids=ids, labels=labels).loss for ids, labels in samples]
        mean: Any = torch.stack(losses).mean()
        mean.backward()
        optimizer.step()
        optimizer.zero_grad()
        if max(loss.item() for loss in losses) < 0.02:
            break
    with _no_bars():
        net.eval().save_pretrained(folder)
