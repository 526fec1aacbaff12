"""/healthz for load balancers and containers: 200 when an answer can be given, 503 with the reason before."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from chat.startup import Startup


def health_route(startup: Startup, moderators: Sequence[str] = ()) -> Route:
    """The route to hand to the server. `moderators`: names of those who screen, told to whoever asks."""
    return Route("/healthz", _health(startup, list(moderators)), methods=["GET"])


def _health(startup: Startup, moderators: list[str]) -> Callable[[Request], Awaitable[JSONResponse]]:
    async def health(request: Request) -> JSONResponse:
        if startup.ready:
            return JSONResponse({"status": "ok", "moderators": moderators})
        failed = startup.failure
        return JSONResponse(
            {"status": "failed" if failed else "starting", "detail": str(failed) if failed else startup.says}, 503
        )

    return health
