"""Slow and silent clients close, and do not shut out others; with real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from service.connections import MAX_CONCURRENCY, MAX_CONNECTIONS, TimedConnection

REQUEST = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"
WAIT_S = 30.0
"""Bound of every wait; no test depends on how long one takes."""


async def answer(request: Request) -> Response:
    return PlainTextResponse(f"received {len(await request.body())}")


@contextlib.asynccontextmanager
async def serve(header_timeout_s: float) -> AsyncIterator[int]:
    """Serve on a free port with the limits of the service but for the time."""

    class Connection(TimedConnection):
        pass

    Connection.header_timeout_s = header_timeout_s
    app = Starlette(routes=[Route("/", answer, methods=["GET", "POST"])])
    config = uvicorn.Config(
        app, http=Connection, port=0, log_config=None, lifespan="off", limit_concurrency=MAX_CONCURRENCY,
        timeout_graceful_shutdown=1,
    )  # fmt: skip
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        assert not task.done()
        await asyncio.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await task


def run(test: Callable[[int], Awaitable[None]], header_timeout_s: float) -> None:
    async def serve_and_test() -> None:
        async with serve(header_timeout_s) as port:
            await asyncio.wait_for(test(port), WAIT_S)

    asyncio.run(serve_and_test())


async def ask(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(REQUEST.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))
    reply = await reader.read()
    writer.close()
    return reply


def test_600_silent_connections_do_not_shut_out_another_client() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 4 * 600  # both ends of each connection are in this process
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(needed, hard)), hard))

    async def check(port: int) -> None:
        loop = asyncio.get_running_loop()
        silent = []
        for number in range(600):
            client = socket.socket()
            client.setblocking(False)
            await loop.sock_connect(client, ("127.0.0.1", port))
            if number % 2:
                await loop.sock_sendall(client, b"GET / HTTP/1.1\r\nhost: loc")
            silent.append(client)
        assert 600 > MAX_CONCURRENCY > MAX_CONNECTIONS
        replies = [await ask(port) for _ in range(3)]
        assert all(reply.startswith(b"HTTP/1.1 200") for reply in replies), replies
        for client in silent:
            client.close()

    try:
        run(check, header_timeout_s=3600)  # room is made before any time is up
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_header_that_arrives_byte_by_byte_is_cut_off() -> None:
    async def check(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.suppress(ConnectionError):
            while not reader.at_eof():
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.02)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(reader.read(1), 0.02)

    run(check, header_timeout_s=0.3)


def test_a_used_connection_is_cut_off_in_its_next_header() -> None:
    async def check(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(2):  # the timer starts again with each answer
            writer.write(REQUEST)
            assert (await reader.readuntil(b"received 0")).startswith(b"HTTP/1.1 200")
        writer.write(b"GET / HT")
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()

    run(check, header_timeout_s=0.5)


def test_a_body_may_take_longer_than_a_header() -> None:
    async def check(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 5\r\n\r\n")
        for byte in b"abcde":
            await asyncio.sleep(0.15)
            writer.write(bytes([byte]))
        assert (await reader.read()).endswith(b"received 5")
        writer.close()

    run(check, header_timeout_s=0.3)
