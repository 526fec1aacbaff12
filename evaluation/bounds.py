"""What a network must do at the least for a token: arithmetic and reads from memory (the roofline's two limits).

Two operations (one multiplication, one addition) for each weight of a matrix product; attention takes, for each pair
of a token and one that it looks at, 2·h·d for the score and 2·h·d for the sum of values (h heads of d numbers), in
every layer. The input embedding is looked up, not multiplied: it counts in neither, unless it is the head as well.
Williams et al., "Roofline", CACM 2009; the counts are those of Kaplan et al., arXiv:2001.08361, table 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Work:
    """The shape of a network's work."""

    body: int
    """Weights that every token is multiplied by."""
    head: int
    """Weights of the output matrix: needed once for each token that is written."""
    read_bytes: int
    """Bytes of all weights that a step reads."""
    attention: int
    """Operations for one token to look at one other, in all layers together."""

    @classmethod
    def of(cls, net: Any) -> Work:
        """Counts the weights of a transformers network; dense ones only (of experts, a token meets a few)."""
        text = net.config.get_text_config()
        given, out = net.get_input_embeddings().weight, net.get_output_embeddings().weight
        others = [p for p in net.parameters() if p is not given and p is not out]
        per_head = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
        return cls(
            body=sum(p.numel() for p in others if p.dim() > 1),
            head=out.numel(),
            read_bytes=sum(p.numel() * p.element_size() for p in (*others, out)),
            attention=4 * text.num_hidden_layers * text.num_attention_heads * per_head,
        )

    def reading(self, tokens: int) -> int:
        """Operations for the first token after a prompt of so many: each looks at itself and those before it."""
        return 2 * self.body * tokens + 2 * self.head + self.attention * tokens * (tokens + 1) // 2

    def writing(self, context: int) -> int:
        """Operations for one more token that looks at `context` others."""
        return 2 * (self.body + self.head) + self.attention * context


@dataclass(frozen=True, slots=True)
class Limits:
    """What a device was measured to do."""

    bytes_per_s: float
    operations_per_s: float

    def seconds(self, read: float, operations: float) -> float:
        """The least time for so many bytes read and so many operations done side by side."""
        return max(read / self.bytes_per_s, operations / self.operations_per_s)


def first_token_s(work: Work, limits: Limits, tokens: int) -> float:
    """The least time to the first token after a prompt of so many."""
    return limits.seconds(work.read_bytes, work.reading(tokens))


def tokens_per_s(work: Work, limits: Limits, users: int, context: int, bytes_per_token: int) -> float:
    """The highest rate of so many users together, each with `context` tokens whose keys and values are read."""
    read = work.read_bytes + users * context * bytes_per_token
    return users / limits.seconds(read, users * work.writing(context))
