from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
from pathlib import Path

from tests.cluster.tools import until

from flocket.cluster.adopt import Adopter


def connected() -> tuple[socket.socket, socket.socket]:
    """The client's end, and the one that was accepted."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        client = socket.create_connection(listening.getsockname())
        accepted, _ = listening.accept()
    client.setblocking(False)
    accepted.setblocking(False)
    return client, accepted


def test_too_many_who_do_not_finish_their_handshake_push_out_the_oldest(tmp_path: Path) -> None:
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "certificate.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate,
         "-days", "1", "-subj", "/CN=localhost"],
        check=True, capture_output=True,
    )  # fmt: skip
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)

    async def main() -> None:
        adopter = Adopter(asyncio.Protocol, tls, handshakes=3)
        loop = asyncio.get_running_loop()
        clients = []
        for _ in range(5):
            client, accepted = connected()
            clients.append(client)
            adopter.adopt(accepted)
            await asyncio.sleep(0.01)
        for client in clients[:2]:
            assert await asyncio.wait_for(loop.sock_recv(client, 1), 5) == b""
        await until(lambda: adopter.pending == 3)
        await adopter.aclose()
        assert adopter.pending == 0
        for client in clients[2:]:
            assert await asyncio.wait_for(loop.sock_recv(client, 1), 5) == b""
        for client in clients:
            client.close()

    asyncio.run(main())
