"""`make run` with REDIS=: two services that share a Redis are one chat, each with workers of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.demo.person import person
from tests.support.programs import free_port, running
from tests.support.redis import RedisServer
from tests.support.venv import environment


def test_two_services_that_share_a_redis_are_one_chat(tmp_path: Path) -> None:
    ports = free_port(), free_port()
    made = environment(tmp_path)

    def settings(port: int) -> dict[str, Any]:
        return {"PORT": str(port), "WORKERS": "2", "REDIS": redis.url, "VENV": str(made)}

    command = ["sh", "tools/run.sh"]
    with (
        RedisServer() as redis,
        running(command, ports[0], **settings(ports[0])) as one,
        running(command, ports[1], **settings(ports[1])) as two,
        person(one, "ada") as ada,
        person(two, "bo") as bo,
    ):
        ada.until(lambda: ada.people == {"ada", "bo"})
        bo.until(lambda: bo.people == {"ada", "bo"})
        ada.say("from one to two", "a" * 24)
        bo.until(lambda: "message" in bo.seen)
        assert bo.seen["message"][0]["text"] == "from one to two"
        with person(two, "cy") as late:  # its history comes from whichever worker it asks
            assert late.history == ["from one to two"]
        for program in (one, two):
            assert f"2 workers, joined to others by {redis.url}" in program.printed()
            assert program.printed().count("The chat:") == 1
            status, seconds = program.end()
            assert (status, seconds < 2) == (0, True), program.printed()
            assert "Traceback" not in program.printed()
