"""What a published message costs to receive: our reader on an asyncio protocol, and redis-py's pub/sub loop.

`python -m bench.redis_reader`: CPU microseconds a message of this process, Redis and the publisher beside it.
"""

from __future__ import annotations

import asyncio
import socket
import time

from bench.scenarios.redis import redis_server

MESSAGES = 100_000
PAYLOAD = b"x" * 200  # an event with a few arguments
CHANNEL = "socket.io#/#"


def publish(port: int) -> None:
    """Publish all, pipelined; in a thread, whose CPU is counted with ours, the same for both."""
    words = [b"PUBLISH", CHANNEL.encode(), PAYLOAD]
    batch = (b"*3\r\n" + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)) * 500
    with socket.create_connection(("127.0.0.1", port)) as connection:
        for _ in range(MESSAGES // 500):
            connection.sendall(batch)
            answered = 0
            while answered < 500:
                answered += connection.recv(65536).count(b"\r\n")


async def ours(port: int) -> float:
    from flocket.adapters.buses.redis import RedisBus
    from flocket.adapters.buses.redis_address import RedisAddress
    from flocket.adapters.cluster import make_identity

    received, done = 0, asyncio.Event()

    def on_message(channel: str, data: bytes) -> None:
        nonlocal received
        received += 1
        if received == MESSAGES:
            done.set()

    bus = RedisBus(RedisAddress.parse(f"redis://127.0.0.1:{port}"))
    await bus.start(make_identity(), on_message)
    bus.subscribe(CHANNEL)
    await bus.settled()
    begun = time.process_time()
    publishing = asyncio.create_task(asyncio.to_thread(publish, port))
    await done.wait()
    used = time.process_time() - begun
    await publishing
    await bus.aclose()
    return used


async def redis_py(port: int) -> float:
    import redis.asyncio

    client = redis.asyncio.Redis(port=port, protocol=2)
    async with client.pubsub() as pubsub:
        await pubsub.subscribe(CHANNEL)
        await pubsub.get_message(timeout=5)
        begun = time.process_time()
        publishing = asyncio.create_task(asyncio.to_thread(publish, port))
        received = 0
        async for _ in pubsub.listen():
            received += 1
            if received == MESSAGES:
                break
        used = time.process_time() - begun
        await publishing
    await client.aclose()
    return used


def main() -> None:
    import uvloop

    with redis_server() as url:
        port = int(url.rpartition(":")[2])
        begun = time.process_time()
        publish(port)
        publishing = time.process_time() - begun
        for name, receive in (("hiredis on an asyncio protocol", ours), ("redis-py's pub/sub loop", redis_py)):
            used = min(uvloop.run(receive(port)) for _ in range(3)) - publishing
            print(f"{name:32} {used / MESSAGES * 1e6:5.2f} us of CPU a message")


if __name__ == "__main__":
    main()
