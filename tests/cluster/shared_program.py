"""Workers with one subscription to Redis for all. argv: port, Redis's URL, workers.

`io` and, where TWO is set, `other` beside it in the same process, on the path /other. KEY is the adapter's.
"""

from __future__ import annotations

import os
import re
import sys
from typing import Any

from flocket import Namespace, RedisAdapter, Server, Socket

if __name__ == "__main__":
    port, url, workers = sys.argv[1:]


def serve(path: str) -> Server[Any]:
    server: Server[Any] = Server(path=path)
    server.adapter(RedisAdapter(url, key=os.environ.get("KEY", "socket.io"), shared_subscription=True))

    names: list[str | re.Pattern[str]] = ["/", "/odd#name", "/odd", re.compile("^/child")]
    for name in names:
        nsp: Namespace[Any] = server.of(name)

        @nsp.on("join")
        async def join(socket: Socket, room: str) -> None:
            await socket.join(room)

        @nsp.on("shout")
        def shout(socket: Socket, *args: Any) -> None:
            socket.nsp.emit("heard", *args)

        @nsp.on("count")
        async def count(socket: Socket) -> list[int]:
            adapter = socket.nsp.adapter
            return [await adapter.server_count(), len(await socket.nsp.fetch_sockets())]

        @nsp.on("worker")
        def worker(socket: Socket) -> int:
            return server.worker

        @nsp.on("ask")
        async def ask(socket: Socket) -> list[Any]:
            return await socket.nsp.server_side_emit_with_ack("number")

        @nsp.on_server_side("number")
        def number() -> int:
            return server.worker

    @server.on("who")
    def who(socket: Socket) -> dict[str, Any]:
        holds = server.stats().get("adapter_holds_subscription", 0)
        hears = server.health()["adapter"]["hears"]
        return {"worker": server.worker, "pid": os.getpid(), "holds": holds, "hears": hears}

    @server.on("stats")
    def stats(socket: Socket) -> dict[str, int]:
        return server.stats()

    return server


if __name__ == "__main__":
    io = serve("/socket.io")
    if os.environ.get("TWO"):
        other = serve("/other")
        io.run("127.0.0.1", int(port), workers=int(workers), app=other, drain=3.0)
    else:
        io.run("127.0.0.1", int(port), workers=int(workers), drain=3.0)
