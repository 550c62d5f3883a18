"""A real redis-server for a test: on a free port of loopback, in a folder of its own, stopped at the end."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.ports import free_port

__all__ = ["RedisServer", "TlsRedisServer", "free_port", "redis_cluster"]


class RedisServer:
    """One redis-server; `with RedisServer() as server: server.url`. It may be stopped and started again."""

    def __init__(self, *options: str, port: int = 0) -> None:
        self.port = port or free_port()
        self.url = f"redis://127.0.0.1:{self.port}"
        self.folder = Path(tempfile.mkdtemp(prefix="flocket-redis-"))
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and return when it answers."""
        fixed = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self.start_with([*fixed, "--dir", str(self.folder), *self._options])

    def start_with(self, options: list[str]) -> None:
        """Start with these options alone, and return when it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(["redis-server", *options], stdout=log, stderr=log)
        deadline = time.monotonic() + 10
        while self._process.poll() is None and time.monotonic() < deadline:
            if self.command("PING") == "PONG" or "NOAUTH" in self.command("PING"):
                return
            time.sleep(0.02)
        raise AssertionError(f"redis-server does not start:\n{(self.folder / 'log').read_text()[-2000:]}")

    def stop(self, *, kill: bool = False) -> None:
        """End it, with `kill` as a crash would."""
        if self._process is not None:
            self._process.kill() if kill else self._process.terminate()
            self._process.wait(10)
            self._process = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def command(self, *words: str) -> str:
        """Say one command, as redis-cli does; its answer as text, or what went wrong."""
        done = subprocess.run(
            ["redis-cli", "-p", str(self.port), *words],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
        return (done.stdout or done.stderr).strip()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop(kill=True)
        shutil.rmtree(self.folder, ignore_errors=True)


class TlsRedisServer(RedisServer):
    """One that is also reached at `tls_url`, which trusts its certificate, and at the unix socket `socket`."""

    def __init__(self, folder: Path, *options: str) -> None:
        key, certificate, self.socket = folder / "key.pem", folder / "cert.pem", folder / "redis.sock"
        words = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
        words += f" -addext subjectAltName=DNS:localhost -keyout {key} -out {certificate}"
        subprocess.run(words.split(), check=True, capture_output=True)
        port = free_port()
        self.tls_url = f"rediss://localhost:{port}?ssl_ca_certs={certificate}"
        tls = ["--tls-port", str(port), "--tls-cert-file", str(certificate), "--tls-key-file", str(key)]
        tls += ["--tls-auth-clients", "no", "--tls-ca-cert-file", str(certificate)]
        super().__init__(*tls, "--unixsocket", str(self.socket), *options)


@contextmanager
def redis_cluster(masters: int = 3) -> Iterator[list[RedisServer]]:
    """A Redis Cluster of so many masters, its slots given out."""
    # The nodes of a cluster talk to each other on a second port, 10,000 above.
    options = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"]
    servers = [RedisServer(*options, port=free_port(10_000)) for _ in range(masters)]
    try:
        for server in servers:
            server.start()
        nodes = [f"127.0.0.1:{server.port}" for server in servers]
        subprocess.run(
            ["redis-cli", "--cluster", "create", *nodes, "--cluster-replicas", "0", "--cluster-yes"],
            capture_output=True,
            timeout=60,
            check=True,
        )
        deadline = time.monotonic() + 20
        while any("cluster_state:ok" not in server.command("CLUSTER", "INFO") for server in servers):
            assert time.monotonic() < deadline, "the Redis Cluster does not come up"
            time.sleep(0.05)
        yield servers
    finally:
        for server in servers:
            server.__exit__(None, None, None)
