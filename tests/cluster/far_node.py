"""A node on a machine of its own. argv: its port, how it reaches the others (a URL, or bus+URL), its workers."""

from __future__ import annotations

import sys

from tests.cluster.chat_program import io

from flocket import ClusterAdapter
from flocket.adapters.buses.redis import RedisBus
from flocket.adapters.buses.redis_address import RedisAddress

port, url, workers = sys.argv[1:]
if url.startswith("bus+"):
    io.adapter(ClusterAdapter(RedisBus(RedisAddress.parse(url.removeprefix("bus+"))), key="a secret"))
else:
    io.adapter(url)

if __name__ == "__main__":
    io.run("0.0.0.0", int(port), workers=int(workers), drain=3.0)
