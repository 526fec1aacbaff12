"""A small real chat model made on the spot: a GPT-NeoX with a byte-level BPE tokenizer, saved like any hub model.

    model = LocalModel(str(make_tiny_model(tmp_path / "tiny", chat_template=False)))

It is trained for a moment, so that it answers `DIALOGUES` word for word, mostly says `FROM_SOURCES` when it is given
sources and something short otherwise, and ends its turns. Without a chat template it writes OpenChatKit's format
(`<human>:`, `<bot>:`), with one ChatML.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chat.base import ChatRequest, Chunk, Message, Role, Sampling
from chat.local import LocalModel
from chat.placement import ZEROGPU, Placement
from chat.prompt import PromptBuilder, grounded_turn
from chat.zerogpu import Lender
from retrieval.base import Passage

DIALOGUES = (
    ("Hello!", "Hello! How can I help you?"),
    ("What is the capital of France?", "The capital of France is Paris."),
    ("Show me an emoji.", "Here is one: 😀👩‍👩‍👧 and é."),
    ("你好吗?", "我很好,谢谢。"),
    ("Count to five.", "One, two, three, four, five."),
)
FROM_SOURCES = "The sources say so [1]."
UNKNOWN = "I do not know that."

END = "<|endoftext|>"
TURN_START, TURN_END = "<|im_start|>", "<|im_end|>"
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CONTEXT = 4096
START = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
GREEDY = Sampling(temperature=0, max_new_tokens=48)
_VARIANTS = 5
_LEARNING_RATE = 7e-3
_KNOWN_LOSS = 0.02
_HIDDEN = 64
_WORDS = (
    "system user assistant human bot source answer number river mountain science history music water light stone "
    "letter paper morning evening today tomorrow because between through without always never something nothing "
    "everything people world country city when where which who how did does was were are from with about into over"
)

Sample = tuple[list[int], list[int]]
"""Ids of a prompt and of its answer."""


def make_tiny_model(folder: Path, chat_template: bool, steps: int = 250) -> Path:
    """Make the model in `folder` and return it. Seeded; two seconds at most on an idle core.

    Training ends when every sample is known by heart, at most after `steps`; 0 leaves random weights.
    """
    import torch
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

    tokenizer = _tokenizer(chat_template)
    end = tokenizer.convert_tokens_to_ids(TURN_END if chat_template else END)
    with torch.random.fork_rng(devices=[]), one_thread(), _no_bars():
        torch.manual_seed(0)
        net = GPTNeoXForCausalLM(
            GPTNeoXConfig(
                vocab_size=len(tokenizer),
                hidden_size=_HIDDEN,
                num_hidden_layers=2,
                num_attention_heads=4,
                intermediate_size=2 * _HIDDEN,
                max_position_embeddings=CONTEXT,
                bos_token_id=0,
                eos_token_id=end,
                hidden_dropout=0.0,
                attention_dropout=0.0,
            )
        )
        chance = random.Random(0)
        _train(net, [_samples(tokenizer, chat_template, end, chance) for _ in range(_VARIANTS)], steps)
        net.eval().save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return folder


def make_endless_model(folder: Path) -> Path:
    """A model of random weights that knows no end of an answer: it writes nonsense up to the longest length."""
    make_tiny_model(folder, chat_template=False, steps=0)
    for name in ("config.json", "generation_config.json"):
        said = json.loads((folder / name).read_text(encoding="utf-8"))
        (folder / name).write_text(json.dumps(said | {"eos_token_id": None}), encoding="utf-8")
    said = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    said.pop("eos_token", None)
    (folder / "tokenizer_config.json").write_text(json.dumps(said), encoding="utf-8")
    return folder


def shared_tiny_model(base: Path, chat_template: bool) -> Path:
    """The same, made once for each `base`; give `tmp_path_factory.getbasetemp()` to share it through a test run."""
    folder = base / ("tiny-chatml" if chat_template else "tiny-openchatkit")
    return folder if (folder / "tokenizer.json").exists() else make_tiny_model(folder, chat_template)


def ready(folder: Path, lender: Lender | None = None) -> LocalModel:
    """The model in `folder`, loaded, in float32 so that it writes the same everywhere."""
    device = "cpu" if lender is None else ZEROGPU
    model = LocalModel(str(folder), Placement(device=device, dtype="float32"), lender=lender)
    model.load()
    return model


def ask(*said: str, sampling: Sampling = GREEDY, **more: Any) -> ChatRequest:
    """A request for what was `said`, user and assistant in turn."""
    messages = tuple(Message((Role.USER, Role.ASSISTANT)[n % 2], text) for n, text in enumerate(said))
    return ChatRequest(messages=messages, sampling=sampling, started=START, **more)


def text(chunks: list[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks)


def answer(model: LocalModel, *said: str, **more: Any) -> str:
    """What `model` says to what was `said`."""
    return text(list(model.stream(ask(*said, **more))))


@contextmanager
def one_thread() -> Iterator[None]:
    """So small a network is slower on several threads, above all on a busy machine."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def _no_bars() -> Iterator[None]:
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _tokenizer(chat_template: bool) -> Any:
    """Byte-level BPE over all 256 bytes and some English; emoji and CJK take several tokens a character."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE())
    backend.normalizer = normalizers.NFC()
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    special = [END, TURN_START, TURN_END, "</s>"]
    trainer = trainers.BpeTrainer(
        vocab_size=768,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    said = [text for pair in DIALOGUES for text in pair if text.isascii()]
    said += [FROM_SOURCES, UNKNOWN, _WORDS, _grounded(random.Random(1)), "Current Date Time AM PM UTC"]
    backend.train_from_iterator(said * 3, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        eos_token=TURN_END if chat_template else END,
        pad_token=END,
        additional_special_tokens=special[1:],
    )
    if chat_template:
        tokenizer.chat_template = CHATML
    return tokenizer


def _grounded(chance: random.Random) -> str:
    words = [" ".join(chance.choices(_WORDS.split(), k=8)) for _ in range(3)]
    passage = Passage(id="a#0", text=f"{words[0]}.", title=words[1][:12], source="library", document="a")
    return grounded_turn(f"{words[2][:30]}?", [passage])


def _samples(tokenizer: Any, chat_template: bool, end: int, chance: random.Random) -> tuple[list[Sample], list[Sample]]:
    """Short samples, and samples with sources; the prompts are written as the app writes them, at random times."""
    builder = PromptBuilder(tokenizer, "chat-template" if chat_template else "openchatkit", CONTEXT)

    def sample(question: str, answer: str) -> Sample:
        started = datetime(2020 + chance.randrange(9), 1 + chance.randrange(12), 2, chance.randrange(24), 4, 5)
        prompt = builder.build([Message(Role.USER, question)], max_new_tokens=64, started=started)
        reply = answer if chat_template else f" {answer}\n<human>:"
        return list(prompt.ids), [*tokenizer.encode(reply, add_special_tokens=False), end]

    noise = [" ".join(chance.choices(_WORDS.split(), k=5)).capitalize() + "?" for _ in range(3)]
    short = [*DIALOGUES, *((question, UNKNOWN) for question in noise)]
    return [sample(*pair) for pair in short], [sample(_grounded(chance), FROM_SOURCES) for _ in range(3)]


def _train(net: Any, variants: list[tuple[list[Sample], list[Sample]]], steps: int) -> None:
    """Short samples and samples with sources in turn, until all are known by heart or `steps` are done."""
    import torch

    batches = [_batch(samples) for variant in variants for samples in variant]
    optimizer = torch.optim.AdamW(net.parameters(), lr=_LEARNING_RATE, betas=(0.9, 0.95), weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.1, max(1, steps))
    net.train()
    losses: list[float] = []
    for step in range(steps):
        ids, labels = batches[step % len(batches)]
        loss = net(input_ids=ids, labels=labels).loss
        loss.backward()
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        if step >= len(batches) and max(losses[-len(batches) :]) < _KNOWN_LOSS:
            break


def _batch(samples: list[Sample]) -> tuple[Any, Any]:
    """Ids and labels, shape (samples, longest), padded at the end; only the answers are learnt."""
    import torch

    width = max(len(prompt) + len(reply) for prompt, reply in samples)
    ids = torch.zeros((len(samples), width), dtype=torch.long)
    labels = torch.full((len(samples), width), -100)
    for row, (prompt, reply) in enumerate(samples):
        ids[row, : len(prompt) + len(reply)] = torch.tensor(prompt + reply)
        labels[row, len(prompt) : len(prompt) + len(reply)] = torch.tensor(reply)
    return ids, labels
