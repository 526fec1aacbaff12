"""One training step acted out with tensors that hold no numbers: what would lie in memory at its fullest moment.

    rehearse(config, recipe).working

The network is transformers' own, the adapters are PEFT's and the loss is TRL's, so that what they keep for the backward
pass is what they keep in training: nothing is worked out by formula but what no such run can show (`finetune.need`).
Tensors are PyTorch's fake ones, which know their shape and type; each is counted from the operation that makes it until
nothing refers to it.
"""

from __future__ import annotations

import copy
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from errors import InputError
from finetune.config import Recipe

_OUTPUTS = ("log_probs", "entropy", "is_top1")
"""What TRL's trainer has the output layer work out beside the loss."""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """Numbers and bytes of one device that holds the whole model."""

    parameters: int
    """Of the model and its adapter; weights used twice count once."""
    trained: int
    trained_bytes: int
    frozen_bytes: int
    """With frozen weights in the numbers they are loaded in, not quantised."""
    largest: int
    """Numbers of the largest trained weight."""
    linear: int
    """Numbers of the largest linear layer but the output's."""
    ends: int
    """Numbers of input embedding and output layer."""
    rows_and_columns: int
    """Sums over trained matrices of rows and columns, and trained vectors: what a factored optimizer remembers."""
    multiplied: int
    """Weights that a token is multiplied with: all but the input embedding and the experts it is not sent to."""
    adapted: int
    """Of `multiplied`, those trained."""
    working: int
    """Bytes that a step holds at its fullest moment beside weights and optimizer; gradients are among them."""


def rehearse(config: Any, recipe: Recipe, rows: int, length: int, packed: bool) -> Rehearsal:
    """Act out forward and backward pass of `rows` rows of `length` tokens, in one row where they are `packed`.

    Takes seconds. Raises `InputError` where an adapter has no layer to change.
    """
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode

    with _quiet(), FakeTensorMode(allow_non_fake_inputs=True), torch.random.fork_rng(devices=[]):
        net = _network(config, recipe)
        trained = [weight for weight in net.parameters() if weight.requires_grad]
        alive = _alive_mode()
        with alive:
            alive.known(net)
            # Where weights are sharded, gradients are too: only a second pass tells them from activations.
            for _ in range(2 if recipe.card.sharding != "none" else min(2, recipe.training.accumulate)):
                alive.peak = alive.now
                _pass(net, recipe, rows, length, packed)
    every = list(net.parameters())
    experts = _resting(net, config)
    embedding, output = net.get_input_embeddings().weight, net.get_output_embeddings().weight
    tied = embedding is output
    linears = [part.weight for part in net.modules() if isinstance(part, torch.nn.Linear)]
    parameters = sum(weight.numel() for weight in every)
    return Rehearsal(
        parameters=parameters,
        trained=sum(weight.numel() for weight in trained),
        trained_bytes=sum(weight.numel() * weight.element_size() for weight in trained),
        frozen_bytes=sum(weight.numel() * weight.element_size() for weight in every if not weight.requires_grad),
        largest=max(weight.numel() for weight in trained),
        linear=max(weight.numel() for weight in linears if weight is not output),
        ends=embedding.numel() + (0 if tied else output.numel()),
        rows_and_columns=sum(sum(weight.shape) for weight in trained),
        multiplied=parameters - experts - (0 if tied else embedding.numel()),
        adapted=sum(weight.numel() for weight in trained) - (experts if recipe.method.kind == "full" else 0),
        working=alive.peak,
    )


def _network(config: Any, recipe: Recipe) -> Any:
    """The network as the trainer has it, of fake tensors."""
    import torch
    from transformers import AutoModelForCausalLM
    from trl.trainer.utils import add_fused_lm_head

    config = copy.deepcopy(config)
    dtype = getattr(torch, weights_dtype(recipe))
    net = AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation="sdpa")
    net.train()
    base = net
    if recipe.method.kind != "full":
        net = _adapted(net, recipe)
    if recipe.training.checkpointing:
        net.gradient_checkpointing_enable({"use_reentrant": False, "preserve_rng_state": False})
        if recipe.method.kind != "full":
            net.enable_input_require_grads()
    add_fused_lm_head(base, outputs=_OUTPUTS)
    return net


def weights_dtype(recipe: Recipe) -> str:
    """The numbers of the weights in a forward pass: sharded ones are gathered in the numbers that are computed in."""
    sharded = recipe.card.sharding != "none"
    return (recipe.model.compute or recipe.model.dtype) if sharded else recipe.model.dtype


def _adapted(net: Any, recipe: Recipe) -> Any:
    """`net` with a LoRA adapter of the recipe's rank. Raises `InputError` where it has no layer of these names."""
    import torch
    from peft import LoraConfig, get_peft_model

    method = recipe.method
    targets = "all-linear" if method.targets == ("all-linear",) else list(method.targets)
    lora = LoraConfig(
        r=method.rank,
        lora_alpha=method.alpha,
        lora_dropout=method.dropout,
        target_modules=targets,
        task_type="CAUSAL_LM",
    )
    try:
        adapted = get_peft_model(net, lora, autocast_adapter_dtype=recipe.card.sharding != "zero3")
    except ValueError as error:
        asked = ", ".join(method.targets)
        there = sorted({name.rpartition(".")[2] for name, part in net.named_modules() if type(part) is torch.nn.Linear})
        raise InputError(
            f"method.targets is {asked}, and {recipe.model.base} has no such layers; it has {', '.join(there)}.",
            zh=f"method.targets 为 {asked}，而 {recipe.model.base} 没有这些层；它有 {'、'.join(there)}。",
        ) from error
    if method.kind == "qlora":  # as TRL does beside quantised weights
        for weight in adapted.parameters():
            if weight.requires_grad:
                weight.data = weight.data.to(torch.bfloat16)
    return adapted


def _pass(net: Any, recipe: Recipe, rows: int, length: int, packed: bool) -> None:
    """One forward and backward pass. The mask is a whole one: PyTorch takes it for packed and for padded rows."""
    import torch

    rows, length = (1, rows * length) if packed else (rows, length)
    ids = torch.zeros((rows, length), dtype=torch.long)
    mask = torch.ones((rows, 1, length, length), dtype=torch.bool)
    compute = recipe.model.compute or recipe.model.dtype
    mixed = nullcontext() if compute == "float32" else torch.autocast("cpu", dtype=getattr(torch, compute))
    with mixed:
        places = torch.arange(length).expand(rows, -1)
        loss = net(
            input_ids=ids, attention_mask=mask, position_ids=places, labels=ids, fused_lm_head=True, use_cache=False
        ).loss
    (loss / recipe.training.accumulate).backward()


def _resting(net: Any, config: Any) -> int:
    """Weights of the experts that a token is not sent to."""
    text = config.get_text_config(decoder=True)
    chosen = getattr(text, "num_experts_per_tok", None)
    there = getattr(text, "num_local_experts", None) or getattr(text, "num_experts", None)
    if not chosen or not there:
        return 0
    experts = sum(weight.numel() for name, weight in net.named_parameters() if ".experts." in name)
    return round(experts * (1 - chosen / there))


def _alive_mode() -> Any:
    """A PyTorch mode that knows how many bytes of tensors made under it are alive."""
    from torch import Tensor
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves
    from torch.utils.weak import WeakIdKeyDictionary

    class Alive(TorchDispatchMode):
        def __init__(self) -> None:
            super().__init__()
            self.now = 0
            self.peak = 0
            self._seen = WeakIdKeyDictionary()

        def known(self, net: Any) -> None:
            """Weights and buffers are not counted: they were there before."""
            for tensor in (*net.parameters(), *net.buffers()):
                self._seen[tensor.untyped_storage()] = True

        def __torch_dispatch__(
            self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
        ) -> Any:
            made = func(*args, **(kwargs or {}))
            for tensor in tree_leaves(made):
                if isinstance(tensor, Tensor):
                    self._count(tensor.untyped_storage())
            return made

        def _count(self, storage: Any) -> None:
            if storage in self._seen:
                return
            self._seen[storage] = True
            size = int(storage.nbytes())
            self.now += size
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._freed, size)

        def _freed(self, size: int) -> None:
            self.now -= size

    return Alive()


@contextmanager
def _quiet() -> Iterator[None]:
    """Libraries say things about a network without numbers that nobody needs to read."""
    import logging
    import warnings

    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
