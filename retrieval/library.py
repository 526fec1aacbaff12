"""The starter library and the guide: documents that come with the app, kept in the index as they are on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from retrieval.base import Document
from retrieval.index_protocol import Index

LIBRARY = "library"
GUIDE = "guide"


def read_library(folder: Path) -> list[Document]:
    """`folder/<language>/*.md` as the library, `folder/guide-<language>.md` as the guide; each begins `# Title`."""
    articles = [_document(path, LIBRARY, path.parent.name) for path in sorted(folder.glob("??/*.md"))]
    guides = [_document(path, GUIDE, path.stem.removeprefix("guide-")) for path in sorted(folder.glob("guide-??.md"))]
    return articles + guides


def _document(path: Path, source: str, language: str) -> Document:
    text = path.read_text(encoding="utf-8")
    # The text's hash is part of the id: a changed article is another document, and the old one leaves.
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    title = text.partition("\n")[0].removeprefix("# ").strip()
    return Document(f"{source}-{language}-{path.stem}-{digest}", title, text, source, language=language)


def synchronise(index: Index, documents: list[Document], progress: Callable[[int, int], None]) -> int:
    """Make the index hold exactly these of the app's own documents; returns how many were added.

    `progress` is told (characters done, characters in all).
    """
    held = {info.id for source in (LIBRARY, GUIDE) for info in index.documents(source, "")}
    wanted = {document.id for document in documents}
    for stale in held - wanted:
        index.delete(stale, "")
    missing = [document for document in documents if document.id not in held]
    if missing:
        index.add(missing, progress=progress)
    return len(missing)
