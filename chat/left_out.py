"""What of a conversation and its sources a model is not given, for want of room: one sentence each for the person."""

from __future__ import annotations

from collections.abc import Sequence

from chat.bilingual import Bilingual
from retrieval.base import Passage


def what_was_left_out(
    exchanges: int, passages: Sequence[Passage], sources: Sequence[Passage], context: int
) -> tuple[Bilingual, ...]:
    """One sentence each for exchanges and passages that a model of so long a context is not given."""
    because = Bilingual(
        f"because this model reads at most {context:,} tokens at once",
        zh=f"因为此模型一次最多读 {context:,} 个词元",
    )
    left_out: list[Bilingual] = []
    if exchanges == 1:
        left_out.append(_OLDEST)
    elif exchanges:
        left_out.append(_OLDER.filled(exchanges=exchanges))
    if sources and sources[-1] is not passages[len(sources) - 1]:
        left_out.append(_SHORTENED.filled(number=len(sources)))
    if len(sources) < len(passages):
        numbers = [f"[{n}]" for n in range(len(sources) + 1, len(passages) + 1)]
        left_out.append(_DROPPED.filled(numbers=Bilingual(", ".join(numbers), zh="、".join(numbers))))
    return tuple(_NOTICE.filled(what=what, because=because) for what in left_out)


_NOTICE = Bilingual("{what} {because}.", zh="{what}，{because}。")
_OLDEST = Bilingual("The oldest exchange was left out of the model's view", zh="最早的一轮对话没有交给模型")
_OLDER = Bilingual(
    "The {exchanges} oldest exchanges were left out of the model's view", zh="最早的 {exchanges} 轮对话没有交给模型"
)
_SHORTENED = Bilingual("Source [{number}] was shortened", zh="来源 [{number}] 被截短")
_DROPPED = Bilingual("{numbers} could not be given to the model", zh="{numbers} 没能交给模型")
