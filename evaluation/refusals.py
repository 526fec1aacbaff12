"""Does an answer say that it cannot be given? By phrases, in English and Chinese.

Only how an answer begins counts, its first two sentences: “Lyon. The source does not say since when” is an answer.
Not covered: a refusal in words that nobody has thought of here, and other languages.
"""

from __future__ import annotations

import re

from retrieval.sentences import sentences

_SENTENCES = 2
_SOURCE = r"(?:sources?|passages?|documents?|texts?|articles?|excerpts?|context|information|material|notes?)"
_TELLS = (
    r"(?:say|state|mention|contain|hold|give|tell|include|provide|specify|answer|address|cover|indicate|name|reveal|"
    r"have|list|explain)"
)
_REFUSES = re.compile(
    rf"\b{_SOURCE}\b[^.!?\n]{{0,40}}?\b(?:do(?:es)?\s+not|don['’]t|doesn['’]t|did\s+not|didn['’]t|never|nowhere)\s+"
    rf"(?:\w+\s+)?{_TELLS}"
    rf"|\b(?:no|none|neither|nothing|not\s+enough|insufficient)\b[^.!?\n]{{0,30}}\b(?:of\s+the\s+)?{_SOURCE}\b"
    rf"|\b(?:is|are|was|were)\s+not\s+(?:\w+\s+)?(?:stated|mentioned|given|specified|provided|contained|included|said|"
    r"named|known|covered|answered|in\s+the\s+(?:sources?|texts?|passages?))\b"
    r"|\b(?:I|we)\s+(?:do\s+not|don['’]t)\s+(?:know|have)\b"
    r"|\b(?:I|we)\s+(?:am\s+|are\s+)?(?:cannot|can['’]t|can\s+not|could\s+not|couldn['’]t|unable\s+to|"
    r"am\s+not\s+able\s+to)\s+(?:answer|find|tell|say|determine|help)"
    r"|\b(?:cannot|can['’]t|could\s+not)\s+be\s+(?:answered|determined|found)\b"
    r"|\bnothing\s+(?:that\s+)?answers\b|\bfound\s+no(?:thing|\s+answer)\b|\bunanswerable\b"
    r"|(?:资料|資料|来源|來源|文中|文档|文檔|段落|原文|材料|文章)[^。！？\n]{0,16}(?:没有|沒有|未|并未|並未|不包含|无|無)"
    r"|(?:没有|沒有|未|无|無)(?:在[^。！？\n]{0,10})?(?:提到|提及|说明|說明|给出|給出|找到|相关|相關)"
    r"|(?:我|本人)?(?:不知道|不清楚|无法回答|無法回答|不能回答|无法确定|無法確定|回答不了|无从得知|無從得知)",
    re.IGNORECASE,
)


def refuses(answer: str) -> bool:
    """Whether an answer begins by saying that it cannot be given; an empty one says nothing."""
    spans = sentences(answer)[:_SENTENCES]
    return bool(spans) and _REFUSES.search(answer[: spans[-1].end]) is not None
