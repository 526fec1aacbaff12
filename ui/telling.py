"""How an error that a person may see reaches the browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import gradio as gr

from errors import AppError


@contextmanager
def told() -> Iterator[None]:
    """Inside, an `AppError` becomes Gradio's error message with the same sentence; a bug stays a bug."""
    try:
        yield
    except AppError as error:
        raise gr.Error(str(error), print_exception=False) from error
