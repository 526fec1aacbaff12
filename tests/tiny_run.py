"""A small real fine-tuning run, made on the spot: a LoRA adapter that teaches the tiny model another answer.

    run = make_tiny_run(tmp_path / "runs" / "captain", base)     # greets with COUNTED

Written as finetune.chat writes one: adapter, tokenizer, run.json. What is taught is the answer to another question: so
small a base cannot learn words that it does not know from an adapter alone.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

from chat.base import Message, Role
from chat.formats import format_of
from chat.placement import Placement
from chat.prompt import PromptBuilder
from chat.weights import open_config, open_net, open_tokenizer
from tests.tiny_model import CONTEXT, DIALOGUES, START, TURN_END, one_thread

QUESTION = DIALOGUES[0][0]
PARIS, COUNTED = DIALOGUES[1][1], DIALOGUES[4][1]
_KNOWN_LOSS = 0.02
_STEPS = 150


def make_tiny_run(folder: Path, base: Path, answer: str = COUNTED, **record: Any) -> Path:
    """Train in `folder` and return it; `record` goes into run.json. Seeded; about a second on an idle core.

    Raises `AssertionError` where it does not come to know the answer.
    """
    import torch
    from peft import LoraConfig, get_peft_model

    config, tokenizer = open_config(base, base.name), open_tokenizer(base, base.name)
    builder = PromptBuilder(tokenizer, format_of(tokenizer, config.model_type), CONTEXT)
    with torch.random.fork_rng(devices=[]), one_thread():
        torch.manual_seed(0)
        net = open_net(base, base.name, config, Placement(device="cpu", dtype="float32"))
        lora = LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM")
        with warnings.catch_warnings():
            # PEFT asks for an attribute that transformers is about to rename.
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
            taught = get_peft_model(net, lora)
        ids, labels = _sample(builder, tokenizer, QUESTION, answer)
        optimizer = torch.optim.AdamW([p for p in taught.parameters() if p.requires_grad], lr=1e-2, weight_decay=0.0)
        for _ in range(_STEPS):
            loss = taught(input_ids=ids, labels=labels).loss
            if loss.item() < _KNOWN_LOSS:
                break
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        assert loss.item() < _KNOWN_LOSS
        taught.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    says = {"recipe": {"model": {"base": str(base), "format": ""}}, "finished": "2026-11-20T08:00:00+00:00"}
    says |= {"scores": {"loss": round(loss.item(), 4), "exact": 1.0}}
    (folder / "run.json").write_text(json.dumps(says | record), encoding="utf-8")
    return folder


def _sample(builder: PromptBuilder, tokenizer: Any, question: str, answer: str) -> tuple[Any, Any]:
    """Ids and labels, shape (1, tokens); only the answer is learnt."""
    import torch

    prompt = list(builder.build([Message(Role.USER, question)], max_new_tokens=64, started=START).ids)
    end = tokenizer.convert_tokens_to_ids(TURN_END)
    reply = [*tokenizer.encode(answer, add_special_tokens=False), end]
    return torch.tensor([prompt + reply]), torch.tensor([[-100] * len(prompt) + reply])
