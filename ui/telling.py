"""The language that a visitor's page speaks, and how an error that they may see reaches the browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import gradio as gr

from chat.bilingual import page_language
from errors import AppError


def spoken(request: gr.Request) -> str:
    """The page's language for this visitor."""
    return page_language(request.headers.get("accept-language", ""))


@contextmanager
def told() -> Iterator[None]:
    """Inside, an `AppError` becomes Gradio's error message with the same sentence; a bug stays a bug."""
    try:
        yield
    except AppError as error:
        raise gr.Error(str(error), print_exception=False) from error
