"""Gradio fetches nothing: the way out to the network is `retrieval/fetch.py` alone.

Gradio 6.31 downloads a file that a browser names by its URL, for every input of every handler whatever the component,
and hands on what any public address says at `/gradio_api/file=<URL>`: any visitor could have the server call anybody,
without a limit. Both go through the package safehttpx, by one transport and one look-up of names. Both refuse.
"""

from __future__ import annotations

import gradio as gr
import httpx
import safehttpx
from gradio import processing_utils


class _Nowhere(httpx.AsyncBaseTransport):
    """Opens no connection and looks up no name."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raise gr.Error("Files are uploaded here, not fetched from an address.", print_exception=False)


async def _no_address(hostname: str) -> str:
    raise ValueError("nothing is fetched from an address")


def fetch_nothing() -> None:
    """From now on, in this process, Gradio refuses to fetch what a browser names by its URL."""
    processing_utils.async_transport = _Nowhere()  # type: ignore[assignment]  # declared as None
    safehttpx.async_validate_url = _no_address
