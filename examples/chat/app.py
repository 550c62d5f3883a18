"""The smallest chat: whoever says something in a room is heard by everyone in it.

    python examples/chat/app.py         # or: flocket run app:io, without the page

Then open http://127.0.0.1:3000 twice.
"""

import os
from pathlib import Path
from typing import Any

from flocket import Server, Socket

io = Server()


@io.on("connection")
async def connection(socket: Socket) -> None:
    socket.data["name"] = socket.handshake.auth.get("name") or "somebody"
    await socket.join("lobby")
    socket.broadcast.emit("came", socket.data["name"])


@io.on("disconnect")
def disconnect(socket: Socket, reason: str) -> None:
    io.emit("left", socket.data["name"])


@io.on("chat message")
def chat_message(socket: Socket, text: str) -> str:
    """What this returns, the sender gets as the acknowledgement."""
    socket.to("lobby").emit("chat message", socket.data["name"], text)
    return "told the others"


async def page(scope: Any, receive: Any, send: Any) -> None:
    """Any ASGI application gets what is not Socket.IO; this one has a single page."""
    if scope["type"] == "http":
        headers = [(b"content-type", b"text/html")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        body = Path(__file__).with_name("index.html").read_bytes()
        await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    io.run("127.0.0.1", int(os.environ.get("PORT", "3000")), app=page)
