"""What each source is called, in English and Chinese."""

from __future__ import annotations

from types import MappingProxyType

from chat.reader import DOCUMENTS
from retrieval.corpus import SHARED
from retrieval.dump_source import WikipediaDump
from retrieval.library import GUIDE, LIBRARY

LABELS = MappingProxyType(
    {
        LIBRARY: {"en": "Starter library", "zh": "入门资料库"},
        GUIDE: {"en": "Guide to Groundchat", "zh": "Groundchat 指南"},
        DOCUMENTS: {"en": "My documents", "zh": "我的文档"},
        SHARED: {"en": "Shared documents", "zh": "共享文档"},
        "wikipedia": {"en": "Wikipedia", "zh": "维基百科"},
        "news": {"en": "News", "zh": "新闻"},
        WikipediaDump.name: {"en": "Wikipedia dump", "zh": "维基百科转储"},
        "sports": {"en": "Sports scores", "zh": "体育比分"},
        "web": {"en": "Web search", "zh": "网页搜索"},
    }
)
"""By the source's name, its label by language."""
