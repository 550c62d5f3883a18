"""One of several nodes on one Redis. argv: its port, Redis's port."""

from __future__ import annotations

import sys

from tests.cluster.chat_program import io

from flocket import RedisAdapter

io.adapter(RedisAdapter(host="localhost", port=int(sys.argv[2])))

if __name__ == "__main__":
    io.run("127.0.0.1", int(sys.argv[1]))
