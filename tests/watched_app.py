"""The app as people start it, and beside it a port that tells where the weights of the model that answers lie.

    python -m tests.watched_app PORT FLAGS…

GET / of 127.0.0.1:PORT answers {"model": name, "object": number of the base or whole model, "tensors": [addresses]}.
"""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import settings as configuration
from app import App, build_app, launch
from chat.adapted import AdaptedModel
from chat.local import LocalModel


def watch(app: App, port: int) -> None:
    """Serve what the module says, in the background."""

    class Teller(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            model = app.core.assistant.models.current
            whole = model.base if isinstance(model, AdaptedModel) else model
            net = model.network if isinstance(model, LocalModel) else None
            tensors = [weight.data_ptr() for weight in net.parameters()] if net is not None else []
            body = json.dumps({"model": model.name, "object": id(whole), "tensors": tensors}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    threading.Thread(target=HTTPServer(("127.0.0.1", port), Teller).serve_forever, daemon=True).start()


if __name__ == "__main__":
    chosen = configuration.load(sys.argv[2:], {})
    started = build_app(chosen)
    watch(started, int(sys.argv[1]))
    launch(started, chosen)
