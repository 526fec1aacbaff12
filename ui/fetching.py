"""Gradio fetches nothing: the way out to the network is `retrieval/fetch.py` alone.

Gradio 6.31 downloads a file that a browser names by its URL, for every input of every handler, whatever the component:
any visitor could have the server call any public address. Its downloads go through one transport, which refuses.
"""

from __future__ import annotations

import gradio as gr
import httpx
from gradio import processing_utils


class _Nowhere(httpx.AsyncBaseTransport):
    """Opens no connection and looks up no name."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raise gr.Error("Files are uploaded here, not fetched from an address.", print_exception=False)


def fetch_nothing() -> None:
    """From now on, in this process, Gradio refuses to download what a browser names by its URL."""
    processing_utils.async_transport = _Nowhere()  # type: ignore[assignment]  # declared as None
