"""How a passage is kept in the index: fields, scopes, bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from retrieval.base import Passage
from retrieval.vectors import encoded_texts, units, vector_key


def schema() -> Any:
    import tantivy

    builder = tantivy.SchemaBuilder()
    for name in ("id", "document", "part", "owner", "scope", "language", "stemmer"):
        builder.add_text_field(name, tokenizer_name="raw", index_option="basic")
    builder.add_text_field("body", tokenizer_name="whitespace", index_option="freq")
    builder.add_integer_field("key", fast=True)
    for name in ("passage", "around", "info"):
        builder.add_bytes_field(name, stored=True)
    return builder.build()


def scope(source: str, owner: str) -> str:
    return f"{source}\x1f{owner}"


def stored_key(passage: Passage) -> int:
    return vector_key(encoded_texts(passage, units(passage.text)))


def tiled(found: list[Passage], length: int) -> Iterator[tuple[Passage, int, int]]:
    """Each passage with the stretch of text that it stands for, so that the stretches make up the whole."""
    starts = [0, *(passage.end for passage in found[:-1])]
    ends = [*(passage.end for passage in found[:-1]), length]
    return zip(found, starts, ends, strict=True)


def packed(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")


def unpacked(hit: Any, field: str) -> Any:
    return json.loads(hit.get_first(field))


def closed(folder: Path) -> dict[str, str]:
    """The sentence for an index that was not opened, in both languages."""
    return {
        "text": f"The documents in {folder} are closed; open them first.",
        "zh": f"{folder} 中的文档尚未打开，请稍后再试。",
    }


def why_not(folder: Path, reason: str) -> dict[str, str]:
    """The sentence for an index that cannot be opened, in both languages."""
    if "LockBusy" in reason:
        return {
            "text": f"The documents in {folder} are in use by another Groundchat; stop it or choose another folder.",
            "zh": f"{folder} 中的文档正被另一个 Groundchat 使用，请先停止它，或换一个文件夹。",
        }
    reason = reason.partition("\n")[0]
    return {
        "text": f"The documents in {folder} cannot be read ({reason}); move the folder away and start again.",
        "zh": f"无法读取 {folder} 中的文档（{reason}），请移走该文件夹后重新启动。",
    }
