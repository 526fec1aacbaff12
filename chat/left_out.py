"""What of a conversation and its sources a model is not given, for want of room: one sentence each for the person."""

from __future__ import annotations

from collections.abc import Sequence

from chat.bilingual import Bilingual
from chat.budget import Kept
from retrieval.base import Passage


def what_was_left_out(kept: Kept, passages: Sequence[Passage], context: int) -> tuple[Bilingual, ...]:
    """One sentence each for the exchanges and passages that a model of so long a context is not given."""
    because = Bilingual(
        f"because this model reads at most {context:,} tokens at once",
        zh=f"因为此模型一次最多读 {context:,} 个词元",
    )
    left_out: list[Bilingual] = []
    if kept.oldest:
        left_out.append(_OLDEST if kept.oldest == 1 else _OLDER.filled(exchanges=kept.oldest))
    if kept.unrelated:
        left_out.append(_UNRELATED if kept.unrelated == 1 else _LESS_RELATED.filled(exchanges=kept.unrelated))
    if kept.shortened:
        left_out.append(_LAST_SHORTENED)
    count = len(kept.sources)
    if count and kept.sources[-1].text != passages[count - 1].text:
        left_out.append(_SHORTENED.filled(number=count))
    if count < len(passages):
        numbers = [f"[{n}]" for n in range(count + 1, len(passages) + 1)]
        left_out.append(_DROPPED.filled(numbers=Bilingual(", ".join(numbers), zh="、".join(numbers))))
    return tuple(_NOTICE.filled(what=what, because=because) for what in left_out)


_NOTICE = Bilingual("{what} {because}.", zh="{what}，{because}。")
_OLDEST = Bilingual("The oldest exchange was left out of the model's view", zh="最早的一轮对话没有交给模型")
_OLDER = Bilingual(
    "The {exchanges} oldest exchanges were left out of the model's view", zh="最早的 {exchanges} 轮对话没有交给模型"
)
_UNRELATED = Bilingual(
    "The earlier exchange that has least to do with the question was left out of the model's view",
    zh="与问题关系最小的一轮对话没有交给模型",
)
_LESS_RELATED = Bilingual(
    "The {exchanges} earlier exchanges that have least to do with the question were left out of the model's view",
    zh="与问题关系最小的 {exchanges} 轮对话没有交给模型",
)
_LAST_SHORTENED = Bilingual("The last exchange was shortened", zh="上一轮对话被截短")
_SHORTENED = Bilingual("Source [{number}] was shortened", zh="来源 [{number}] 被截短")
_DROPPED = Bilingual("{numbers} could not be given to the model", zh="{numbers} 没能交给模型")
