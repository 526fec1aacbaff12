"""The connection to Milvus: every call has a time limit, and what goes wrong is one exception with a short reason."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from errors import DocumentError, SourceError
from retrieval.address import host_of, parsed
from retrieval.milvus_rows import LONGEST, Row, among, piece_pk

_WRITTEN_AT_ONCE = 1000
_WRITTEN_BYTES = 16 * 2**20
"""Of one message; Milvus takes 64 MB."""
_READ_AT_ONCE = 1000
_LIMIT_S = 30.0
_CONNECT_S = 5.0
_NOT_LOADED = 101
"""Milvus' code for a collection that has to be loaded first."""
_CHANNEL = {
    "grpc.enable_http_proxy": 0,  # the environment's proxies are for clients that trust it
    # A server that comes back is found at once: by default all channels share a wait that grows to two minutes.
    "grpc.use_local_subchannel_pool": 1,
    "grpc.initial_reconnect_backoff_ms": 200,
    "grpc.max_reconnect_backoff_ms": 2000,
    # A server that follows gRPC's defaults hangs up on a client that asks more often whether it is there.
    "grpc.keepalive_time_ms": 330_000,
    "grpc.keepalive_permit_without_calls": 0,
}
_PACKAGE = "pip install -r requirements-milvus.txt"


class MilvusError(Exception):
    """Milvus could not be asked, or refused; the text is a short reason."""

    def __init__(self, reason: str, *, released: bool = False) -> None:
        super().__init__(reason)
        self.released = released
        """Whether a collection was not loaded."""


class Milvus:
    """Safe to call from several threads once it is open. Every method raises `MilvusError`."""

    def __init__(self, url: str, token: str = "") -> None:
        self.host = host_of(parsed(url))
        self._url = url
        self._token = token
        self._client: Any = None

    @property
    def is_open(self) -> bool:
        return self._client is not None

    def open(self) -> None:
        """Connect. Raises `DocumentError` where the package is missing."""
        try:
            from pymilvus import MilvusClient
        except ImportError as error:
            raise DocumentError(
                f"--index needs the package pymilvus; install it with {_PACKAGE}.",
                zh=f"--index 需要 pymilvus 软件包，请用 {_PACKAGE} 安装。",
            ) from error
        # It logs each failure with its traceback, and with what was asked.
        logging.getLogger("pymilvus").setLevel(logging.CRITICAL)
        with _told():
            self._client = MilvusClient(
                uri=self._url, token=self._token, timeout=_CONNECT_S, dedicated=True, grpc_options=_CHANNEL
            )

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def make(self, name: str, schema: Any, indexes: Any) -> None:
        """Create a collection and its indexes, where they are not there, and load it."""
        with _told():
            client = self._opened()
            if not client.has_collection(name, timeout=_LIMIT_S):
                # What a client has written it reads; what others have, a moment later.
                client.create_collection(name, schema=schema, consistency_level="Session", timeout=_LIMIT_S)
            there = set(client.list_indexes(name, timeout=_LIMIT_S))
            missing = [one for one in indexes if one.field_name not in there]
            if missing:
                wanted = client.prepare_index_params()
                wanted.extend(missing)
                client.create_index(name, wanted, timeout=_LIMIT_S, sync=False)
            client.load_collection(name, timeout=_LIMIT_S)

    def write(self, name: str, rows: Sequence[Row]) -> None:
        """Put rows in the place of those of the same `pk`, in messages of bounded size."""
        batch: list[Row] = []
        size = 0
        for row in rows:
            batch.append(row)
            size += sum(len(v) * (1 if isinstance(v, str) else 4) for v in row.values() if isinstance(v, str | list))
            if len(batch) == _WRITTEN_AT_ONCE or size >= _WRITTEN_BYTES:
                self._write(name, batch)
                batch, size = [], 0
        self._write(name, batch)

    def _write(self, name: str, rows: list[Row]) -> None:
        if rows:
            with _told():
                self._opened().upsert(name, rows, timeout=_LIMIT_S)

    def change(self, name: str, rows: Sequence[Row]) -> None:
        """Change the given fields of rows that are there."""
        if rows:
            with _told():
                self._opened().upsert(name, list(rows), timeout=_LIMIT_S, partial_update=True)

    def remove(self, name: str, where: str) -> None:
        with _told():
            self._opened().delete(name, filter=where, timeout=_LIMIT_S)

    def count(self, name: str, where: str = "", limit_s: float = _LIMIT_S, *, strong: bool = False) -> int:
        """How many rows match; `strong`: of all that anybody has written, not only of what is known by now."""
        level = {"consistency_level": "Strong"} if strong else {}
        found = self._asked(
            name,
            lambda client: client.query(
                name, filter=where, output_fields=["count(*)"], timeout=_timeout(limit_s), **level
            ),
        )
        return int(found[0]["count(*)"])

    def find(
        self, name: str, where: str, fields: Sequence[str], limit: int = _READ_AT_ONCE, limit_s: float = _LIMIT_S
    ) -> list[Row]:
        """At most `limit` rows that match, in no order."""
        rows = self._asked(
            name,
            lambda client: client.query(
                name, filter=where, output_fields=list(fields), limit=limit, timeout=_timeout(limit_s)
            ),
        )
        return [dict(row) for row in rows]

    def every(self, name: str, where: str, fields: Sequence[str]) -> Iterator[Row]:
        """All rows that match, however many, in no order."""
        pages = self._asked(
            name,
            lambda client: client.query_iterator(
                name, batch_size=_READ_AT_ONCE, filter=where, output_fields=list(fields), timeout=_LIMIT_S
            ),
        )
        try:
            while True:
                with _told():
                    rows = pages.next()
                if not rows:
                    return
                yield from (dict(row) for row in rows)
        finally:
            pages.close()

    def nearest(
        self,
        name: str,
        field: str,
        query: Any,
        where: str,
        fields: Sequence[str],
        limit: int,
        limit_s: float,
        params: Mapping[str, Any],
    ) -> list[tuple[float, Row]]:
        """The rows that match `where` and score best against the query, best first, with their scores."""
        (hits,) = self._asked(
            name,
            lambda client: client.search(
                name,
                data=[query],
                anns_field=field,
                filter=where,
                limit=limit,
                output_fields=list(fields),
                search_params=dict(params),
                timeout=_timeout(limit_s),
            ),
        )
        return [(float(hit["distance"]), {"pk": hit["pk"], **hit["entity"]}) for hit in hits]

    def stored(self, documents: str, rows: Sequence[Row], limit_s: float = _LIMIT_S) -> list[list[str]]:
        """What rows hold in `stored` and in the pieces that belong to them, in order."""
        wanted = [piece_pk(row["pk"], n) for row in rows for n in range(1, row["pieces"] + 1)]
        there: dict[str, str] = {}
        at_once = max(1, 16 * 2**20 // LONGEST)
        for at in range(0, len(wanted), at_once):
            some = wanted[at : at + at_once]
            found = self.find(documents, among("pk", some), ["pk", "stored"], len(some), limit_s)
            there |= {row["pk"]: row["stored"] for row in found}
        return [
            [row["stored"], *(there.get(piece_pk(row["pk"], n), "") for n in range(1, row["pieces"] + 1))]
            for row in rows
        ]

    def _asked(self, name: str, ask: Callable[[Any], Any]) -> Any:
        """What a collection answers. One that a server has let go of, at its own restart say, is loaded again."""
        try:
            with _told():
                return ask(self._opened())
        except MilvusError as error:
            if not error.released:
                raise
        with _told():
            self._opened().load_collection(name, timeout=_LIMIT_S)
            return ask(self._opened())

    def _opened(self) -> Any:
        if self._client is None:
            raise MilvusError("it is not open")
        return self._client


def _timeout(limit_s: float) -> float:
    return max(limit_s, 0.001)


@contextmanager
def _told() -> Iterator[None]:
    """What the package and the connection below it raise, as one exception."""
    import grpc
    from pymilvus.exceptions import MilvusException

    try:
        yield
    except MilvusException as error:
        released = error.code == _NOT_LOADED or "released" in str(error.message)
        raise MilvusError(_short(error.message), released=released) from error
    except grpc.RpcError as error:
        code = error.code() if isinstance(error, grpc.Call) else None
        raise MilvusError(_short(code.name if code else str(error))) from error
    except grpc.FutureTimeoutError as error:
        raise MilvusError("no answer in time") from error


def _short(message: str) -> str:
    """The beginning of a reason, on one line, without a stop."""
    line = re.split(r"\n|\. |;", " ".join(str(message).split(" ")), maxsplit=1)[0]
    return "".join(char for char in line if char.isprintable())[:160].rstrip(" .,:") or "no reason given"


def not_asked(host: str, error: MilvusError) -> SourceError:
    """The sentence for a look-up that failed."""
    return SourceError(
        f"The index at {host} could not be asked ({error}); check that Milvus is running there.",
        zh=f"无法查询 {host} 上的索引（{error}），请检查 Milvus 是否在运行。",
    )


def not_changed(host: str, error: MilvusError) -> DocumentError:
    """The sentence for a change that failed."""
    return DocumentError(
        f"The index at {host} could not be changed ({error}); check that Milvus is running there, then try again.",
        zh=f"无法修改 {host} 上的索引（{error}），请检查 Milvus 是否在运行，然后重试。",
    )
