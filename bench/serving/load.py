"""The load: clients over kept-alive connections, closed loop or at a rate, and what they saw.

Raw HTTP/1.1 over asyncio, so that the load takes little of the two cores that the server
under test needs as well. It knows answers with a Content-Length, which all contenders give.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

CONNECT_S = 10


@dataclass
class Seen:
    """milliseconds and ends: of each answer 200, and when it came (s since the start)."""

    milliseconds: list[float] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    late: int = 0  # rate: requests that no free connection could send in time
    seconds: float = 0.0

    def summary(self) -> dict[str, Any]:
        times = np.array(self.milliseconds) if self.milliseconds else np.array([np.nan])
        return {
            "rps": len(self.milliseconds) / self.seconds if self.seconds else 0.0,
            "p50_ms": float(np.percentile(times, 50)),
            "p99_ms": float(np.percentile(times, 99)),
            "max_ms": float(times.max()),
            "statuses": dict(self.statuses),
            "late": self.late,
            "seconds": self.seconds,
        }


class Connection(asyncio.Protocol):
    """One kept-alive connection, one request at a time."""

    def __init__(self) -> None:
        self.waiting: asyncio.Future[int] | None = None
        self.buffer = b""
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's has no such base

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, separator, body = self.buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if len(body) < length:
            return
        self.buffer = body[length:]
        if self.waiting is not None and not self.waiting.done():
            self.waiting.set_result(int(head[9:12]))

    def connection_lost(self, error: Exception | None) -> None:
        if self.waiting is not None and not self.waiting.done():
            self.waiting.set_result(0)

    async def send(self, request: bytes) -> int:
        """The status of the answer; 0 where the connection was lost."""
        assert self.transport is not None
        if self.transport.is_closing():
            return 0
        self.waiting = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self.waiting


def request_of(path: str, body: bytes, port: int) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _connect(port: int) -> Connection:
    loop = asyncio.get_running_loop()
    _, connection = await asyncio.wait_for(
        loop.create_connection(Connection, "127.0.0.1", port), CONNECT_S
    )
    return connection


async def closed_loop(port: int, requests: Sequence[bytes], clients: int, seconds: float) -> Seen:
    """Each client sends its next request when it has the answer to the last."""
    seen, started = Seen(), time.perf_counter()
    until = started + seconds
    connections = [await _connect(port) for _ in range(clients)]

    async def client(number: int) -> None:
        connection, at = connections[number], number
        while (now := time.perf_counter()) < until:
            status = await connection.send(requests[at % len(requests)])
            end = time.perf_counter()
            seen.statuses[status] += 1
            if status == 200:
                seen.milliseconds.append(1000 * (end - now))
                seen.ends.append(end - started)
            elif status == 0:
                connection = await _connect(port)
            at += clients

    await asyncio.gather(*(client(number) for number in range(clients)))
    seen.seconds = time.perf_counter() - started
    _close(connections)
    return seen


async def at_rate(
    port: int, requests: Sequence[bytes], a_second: float, seconds: float, connections: int = 256
) -> Seen:
    """Requests at fixed times, whether or not the earlier ones are answered; the time of an
    answer counts from when its request was due (no coordinated omission)."""
    seen = Seen()
    free: asyncio.Queue[Connection] = asyncio.Queue()
    every = [await _connect(port) for _ in range(connections)]
    for at, connection in enumerate(every):  # a server may still have to accept it
        await connection.send(requests[at % len(requests)])
    for connection in every:
        free.put_nowait(connection)
    started = time.perf_counter()
    tasks: set[asyncio.Task[None]] = set()

    async def one(number: int, due: float, connection: Connection) -> None:
        status = await connection.send(requests[number % len(requests)])
        end = time.perf_counter()
        seen.statuses[status] += 1
        if status == 200:
            seen.milliseconds.append(1000 * (end - started - due))
            seen.ends.append(end - started)
        if status == 0:
            connection = await _connect(port)
        free.put_nowait(connection)

    number = 0
    while (due := number / a_second) < seconds:
        pause = started + due - time.perf_counter()
        if pause > 0:
            await asyncio.sleep(pause)
        if free.empty():
            seen.late += 1
            if pause <= 0:
                await asyncio.sleep(0)
        else:
            task = asyncio.create_task(one(number, due, free.get_nowait()))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        number += 1
    await asyncio.gather(*tasks)
    seen.seconds = time.perf_counter() - started
    _close(every)
    return seen


def _close(connections: Sequence[Connection]) -> None:
    for connection in connections:
        if connection.transport is not None:
            connection.transport.close()
