"""One training step acted out with tensors that hold no numbers: what would lie in memory at its fullest moment.

    rehearse(config, recipe).working

The network is transformers' own, the adapters are PEFT's and the loss is TRL's, so that what they keep for the backward
pass is what they keep in training: nothing is worked out by formula but what no such run can show (`finetune.need`).
Tensors are PyTorch's fake ones, which know their shape and type; each is counted from the operation that makes it until
nothing refers to it.
"""

from __future__ import annotations

import copy
import re
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, fields
from typing import Any

from errors import InputError
from finetune.base_model import new_adapter
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
    moments: tuple[int, ...]
    """Bytes beside weights and optimizer at the fullest moment of the way forth, of the way back to the middle layer,
    and of the rest of it. Gradients are among them."""

    @property
    def working(self) -> int:
        return max(self.moments)


def rehearse(config: Any, recipe: Recipe, rows: int, length: int, packed: bool, kind: str = "cuda") -> Rehearsal:
    """Act out forward and backward pass of `rows` rows of `length` tokens, in one row where they are `packed`.

    Layers are alike, so a deep network is acted out with few of them, and once more with twice as many: what another
    layer adds is what all others add. Takes about a second. Raises `InputError` where an adapter finds no layer.
    """
    depth = int(config.get_text_config(decoder=True).num_hidden_layers)
    few = _period(config)
    few += few % 2 * few  # an even number, for the way back is noted in halves
    if 2 * few >= depth:
        return _acted(config, recipe, rows, length, packed, kind)
    less, more = (_acted(_shallow(config, n), recipe, rows, length, packed, kind) for n in (few, 2 * few))
    values: dict[str, Any] = {}
    for field in fields(Rehearsal):
        one, two = getattr(less, field.name), getattr(more, field.name)
        values[field.name] = (
            tuple(_at(depth, few, *pair) for pair in zip(one, two, strict=True))
            if isinstance(one, tuple)
            else _at(depth, few, one, two)
        )
    return Rehearsal(**values)


def _at(depth: int, few: int, less: int, more: int) -> int:
    """What is `less` with `few` layers and `more` with twice as many, with `depth` of them."""
    return less + (more - less) * (depth - few) // few


def _period(config: Any) -> int:
    """Layers after which their kinds repeat."""
    kinds = getattr(config.get_text_config(decoder=True), "layer_types", None) or [""]
    return next(n for n in range(1, len(kinds) + 1) if all(kinds[i] == kinds[i % n] for i in range(len(kinds))))


def _shallow(config: Any, depth: int) -> Any:
    """The same configuration with fewer layers."""
    config = copy.deepcopy(config)
    text = config.get_text_config(decoder=True)
    whole = text.num_hidden_layers
    for name, value in vars(text).items():
        if isinstance(value, list) and len(value) == whole:
            setattr(text, name, value[:depth])
    text.num_hidden_layers = depth
    return config


def _acted(config: Any, recipe: Recipe, rows: int, length: int, packed: bool, kind: str) -> Rehearsal:
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode

    with _quiet(), torch.random.fork_rng(devices=[]), FakeTensorMode(allow_non_fake_inputs=True):
        base, net = _network(config, recipe)
        trained = [weight for weight in net.parameters() if weight.requires_grad]
        alive = _alive_mode()
        _split_the_way_back(net, int(config.get_text_config(decoder=True).num_hidden_layers), alive)
        with alive:
            alive.known(net)
            # Where weights are sharded, gradients are too: only a second pass tells them from activations.
            for _ in range(2 if recipe.card.sharded else min(2, recipe.training.accumulate)):
                alive.begin()
                try:
                    _pass(base, net, recipe, rows, length, packed, kind, alive)
                except RuntimeError as error:
                    raise _unplannable(recipe) from error
    every = list(net.parameters())
    experts = _resting(net, config)
    embedding, output = base.get_input_embeddings().weight, base.get_output_embeddings().weight
    tied = embedding is output
    linears = [part.weight for part in net.modules() if isinstance(part, torch.nn.Linear)]
    parameters = sum(weight.numel() for weight in every)
    adapted = sum(weight.numel() for weight in trained)
    return Rehearsal(
        parameters=parameters,
        trained=adapted,
        trained_bytes=sum(weight.numel() * weight.element_size() for weight in trained),
        largest=max(weight.numel() for weight in trained),
        linear=max(weight.numel() for weight in linears if weight is not output),
        ends=embedding.numel() + (0 if tied else output.numel()),
        rows_and_columns=sum(sum(weight.shape) for weight in trained),
        multiplied=parameters - experts - (0 if tied else embedding.numel()),
        adapted=adapted - (experts if recipe.method.kind == "full" else 0),
        moments=tuple(alive.peaks),
    )


def _network(config: Any, recipe: Recipe) -> tuple[Any, Any]:
    """The network as the trainer has it, of fake tensors: without and with its adapter, which share their layers."""
    import torch
    from transformers import AutoModelForCausalLM

    # Sharded weights are gathered in the numbers that are computed in.
    dtype = getattr(torch, recipe.model.multiplied_in if recipe.card.sharded else recipe.model.dtype)
    with torch.device("meta"):
        base = AutoModelForCausalLM.from_config(copy.deepcopy(config), dtype=dtype, attn_implementation="sdpa")
        net = base.train()
        if recipe.method.kind != "full":
            net = _adapted(base, recipe)
    _onto_the_processor(net)
    if recipe.training.checkpointing:
        net.gradient_checkpointing_enable({"use_reentrant": False, "preserve_rng_state": False})
        if recipe.method.kind != "full":
            net.enable_input_require_grads()
    return base, net


def _onto_the_processor(net: Any) -> None:
    """Weights and buffers without a device become fake ones of the processor: autocast asks where a tensor lies."""
    import torch

    moved: dict[int, Any] = {}
    for part in net.modules():
        for name, weight in part.named_parameters(recurse=False):
            if id(weight) not in moved:
                fake = torch.empty(weight.shape, dtype=weight.dtype)
                moved[id(weight)] = torch.nn.Parameter(fake, requires_grad=weight.requires_grad)
            setattr(part, name, moved[id(weight)])
        for name, buffer in part.named_buffers(recurse=False):
            setattr(part, name, torch.empty(buffer.shape, dtype=buffer.dtype))


def _adapted(net: Any, recipe: Recipe) -> Any:
    """`net` with the adapter that is trained, in the numbers that TRL has it in. Raises as `new_adapter`."""
    import torch

    adapted = new_adapter(net, recipe, widened=recipe.card.sharding != "zero3")
    if recipe.method.kind == "qlora":  # as TRL does beside quantised weights
        for weight in adapted.parameters():
            if weight.requires_grad:
                weight.data = weight.data.to(torch.bfloat16)
    return adapted


def _pass(base: Any, net: Any, recipe: Recipe, rows: int, length: int, packed: bool, kind: str, alive: Any) -> None:
    """One forward and backward pass. The mask is a whole one: PyTorch takes it for packed and for padded rows."""
    import torch
    from trl.trainer.utils import add_fused_lm_head

    rows, length = (1, rows * length) if packed else (rows, length)
    ids = torch.zeros((rows, length), dtype=torch.long)
    mask = torch.ones((rows, 1, length, length), dtype=torch.bool)
    places = torch.arange(length).expand(rows, -1)
    compute = recipe.model.multiplied_in
    mixed = nullcontext() if compute == "float32" else torch.autocast("cpu", dtype=getattr(torch, compute))
    inputs = {"input_ids": ids, "attention_mask": mask, "position_ids": places, "use_cache": False}
    with mixed:
        if kind == "cpu":
            add_fused_lm_head(base, outputs=_OUTPUTS)
            loss = net(**inputs, labels=ids, fused_lm_head=True).loss
        else:
            loss = _loss_on_a_gpu(base, inputs, getattr(torch, compute))
    alive.turn(1)
    (loss / recipe.training.accumulate).backward()


def _loss_on_a_gpu(base: Any, inputs: Mapping[str, Any], compute: Any) -> Any:
    """A number that hangs on all that TRL's output layer holds on a GPU, where one kernel reads each tile of logits."""
    import torch
    from trl.kernels.chunked_logprob import TOKEN_CHUNK_SIZE
    from trl.trainer.utils import _CHUNKED_LOGPROB_CHUNK_SIZE

    class Head(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, hidden: Any, weight: Any) -> Any:
            ctx.save_for_backward(hidden, weight)
            Head.tile(hidden)
            return torch.zeros(())

        @staticmethod
        def backward(ctx: Any, *_: Any) -> Any:
            made = [
                torch.zeros(saved.shape) if needed else None
                for saved, needed in zip(ctx.saved_tensors, ctx.needs_input_grad, strict=True)
            ]
            tile = Head.tile(ctx.saved_tensors[0])
            grads = tuple(
                None if one is None else one.to(saved.dtype) for one, saved in zip(made, ctx.saved_tensors, strict=True)
            )
            del tile
            return grads

        @staticmethod
        def tile(hidden: Any) -> Any:
            return torch.empty((min(len(hidden), TOKEN_CHUNK_SIZE), _CHUNKED_LOGPROB_CHUNK_SIZE), dtype=compute)

    hidden = base.base_model(**inputs).last_hidden_state
    return Head.apply(  # type: ignore[no-untyped-call]
        hidden.reshape(-1, hidden.shape[-1]), base.get_output_embeddings().weight
    )


def _unplannable(recipe: Recipe) -> InputError:
    """PyTorch's products of experts have no rehearsal in float32, and a few operations have none at all."""
    return InputError(
        f"A step of {recipe.model.base} cannot be planned in {recipe.model.dtype}; "
        "use --set model.dtype=bfloat16, or another base.",
        zh=f"无法以 {recipe.model.dtype} 规划 {recipe.model.base} 的训练步；"
        "请用 --set model.dtype=bfloat16，或换用其他基础模型。",
    )


def _split_the_way_back(net: Any, depth: int, alive: Any) -> None:
    """Have the backward pass noted in two halves, of the upper and of the lower layers.

    Memory falls on the way back where activations weigh more than gradients, and rises where they weigh less: its peak
    is in one half whatever the depth, and grows with the depth in a straight line.
    """
    for name, weight in net.named_parameters():
        layer = re.search(r"\.(\d+)\.", name)
        if weight.requires_grad and layer and int(layer[1]) == depth // 2:
            weight.register_post_accumulate_grad_hook(lambda _: alive.turn(2))


def _resting(net: Any, config: Any) -> int:
    """Weights of the experts that a token is not sent to."""
    text = config.get_text_config(decoder=True)
    chosen = getattr(text, "num_experts_per_tok", None)
    there = getattr(text, "num_local_experts", None) or getattr(text, "num_experts", None)
    if not chosen or not there:
        return 0
    experts: int = sum(weight.numel() for name, weight in net.named_parameters() if ".experts." in name)
    return round(experts * (1 - int(chosen) / int(there)))


def _alive_mode() -> Any:
    """A PyTorch mode that knows how many bytes of tensors made under it are alive."""
    from torch import Tensor
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves
    from torch.utils.weak import WeakIdKeyDictionary

    class Alive(TorchDispatchMode):  # type: ignore[no-untyped-call]
        def __init__(self) -> None:
            super().__init__()  # type: ignore[no-untyped-call]
            self.now = 0
            self.peaks = [0, 0, 0]
            self._part = 0
            self._seen = WeakIdKeyDictionary()

        def begin(self) -> None:
            """A pass begins; those before it no longer count."""
            self.peaks, self._part = [self.now, 0, 0], 0

        def turn(self, part: int) -> None:
            """The way back begins (1), or its second half (2)."""
            if self._part < part:
                self.peaks[part], self._part = self.now, part

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
            self.peaks[self._part] = max(self.peaks[self._part], self.now)
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
