"""Servers beside, around and within other applications: which path is whose, and who begins and ends when.

Each application of apps.py, by the fast face and by the portable one, with the official client.
"""

from __future__ import annotations

import signal
import time

import pytest
from tests.serving.hosts import hosted
from tests.support.node import run_lines
from tests.support.polling import wait_for
from tests.support.programs import Program
from tests.support.raw import Connection, http

HOSTS = ["flocket run (fast)", "uvicorn"]
BOTH = pytest.mark.parametrize("host", HOSTS)


def asks(program: Program, path: str) -> list[str]:
    """What the official client is told of itself, over an upgrade."""
    (answer,) = run_lines("where.js", program.url, path, timeout=20)
    assert isinstance(answer, list)
    return answer


def opens(program: Program, path: str) -> int:
    return http(program.port, "GET", f"{path}?EIO=4&transport=polling").status


def printed(program: Program) -> list[str]:
    names = ("beside", "mounted", "started", "fastapi", "starlette", "together")
    return [line for line in program.printed().splitlines() if line.startswith(names)]


@BOTH
def test_beside_each_has_its_paths(host: str) -> None:
    with hosted(host, "tests.serving.apps:beside") as program:
        assert asks(program, "/socket.io") == ["beside", "/socket.io/"]
        assert http(program.port, "GET", "/hello").body == b'{"hello":"world"}'
        assert http(program.port, "GET", "/socket.iox").body == b'{"rest":"socket.iox"}'
        assert http(program.port, "GET", "/socket.io/socket.io.js").status in (200, 302)


@BOTH
def test_beside_ours_begins_first_and_ends_last(host: str) -> None:
    with hosted(host, "tests.serving.apps:beside") as program:
        opens(program, "/socket.io/")
        program.end(signal.SIGTERM)
        assert printed(program) == ["beside begins", "fastapi begins", "fastapi ends", "beside ends"]


@BOTH
@pytest.mark.parametrize("path", ["/realtime", "/realtime/socket.io"])
def test_mounted_it_serves_at_its_mount_and_below(host: str, path: str) -> None:
    with hosted(host, "tests.serving.apps:mounted") as program:
        assert asks(program, path) == ["mounted", path + "/"]
        assert http(program.port, "GET", "/hello").status == 200
        assert http(program.port, "GET", path + "/socket.io.js").status in (200, 302)
        assert opens(program, "/socket.io/") == 404
        assert opens(program, "/realtimes/") == 404
        assert opens(program, "/realtime/other/") == 404


@BOTH
def test_mounted_it_begins_with_its_first_request_and_ends_with_its_host(host: str) -> None:
    with hosted(host, "tests.serving.apps:mounted") as program:
        assert http(program.port, "GET", "/hello").status == 500, "emit before the start is NotRunning"
        wait_for(lambda: "NotRunning" in program.printed())
        assert printed(program) == []
        asks(program, "/realtime")
        assert http(program.port, "GET", "/hello").status == 200
        wait_for(lambda: "lost a client" in program.printed())
        program.end(signal.SIGTERM)
        assert printed(program)[:1] == ["mounted begins"]
        if host == HOSTS[0]:  # nobody else can know that a mounted application should end
            assert printed(program)[-1] == "mounted ends"


@BOTH
def test_mounted_it_may_begin_with_the_other_application(host: str) -> None:
    with hosted(host, "tests.serving.apps:started") as program:
        wait_for(lambda: "fastapi begins" in program.printed())
        assert printed(program) == ["started begins", "fastapi begins"]
        assert asks(program, "/realtime") == ["started", "/realtime/"]
        program.end(signal.SIGTERM)
        assert printed(program)[-2:] == ["fastapi ends", "started ends"]


@BOTH
@pytest.mark.parametrize("app", ["started", "mounted", "beside"])
def test_a_pending_poll_does_not_keep_any_of_them_from_ending(host: str, app: str) -> None:
    path = "/socket.io/" if app == "beside" else "/realtime/"
    with hosted(host, f"tests.serving.apps:{app}") as program:
        opened = http(program.port, "GET", f"{path}?EIO=4&transport=polling")
        sid = opened.text.split('"')[3]
        with Connection(program.port) as poll:
            poll.request("GET", f"{path}?EIO=4&transport=polling&sid={sid}")
            time.sleep(0.2)  # until it waits: nothing tells that from outside
            _, took = program.end(signal.SIGTERM)
            assert (poll.response().body, took < 2) == (b"1", True)


@BOTH
def test_mounted_in_starlette_below_two_names(host: str) -> None:
    with hosted(host, "tests.serving.apps:within_starlette") as program:
        assert asks(program, "/api/realtime") == ["starlette", "/api/realtime/"]
        assert http(program.port, "GET", "/").body == b"starlette"


@BOTH
def test_mounted_together_with_an_application_only_its_path_is_ours(host: str) -> None:
    with hosted(host, "tests.serving.apps:mounted_together") as program:
        assert asks(program, "/both/socket.io") == ["together", "/both/socket.io/"]
        assert http(program.port, "GET", "/both/hello").body == b'{"hello":"world"}'
        assert http(program.port, "GET", "/both/").body == b'{"rest":""}'


@pytest.mark.parametrize("root", ["/api", ""])
def test_behind_a_proxy_that_strips_a_prefix_the_root_path_changes_nothing(root: str) -> None:
    with hosted("uvicorn", "tests.serving.apps:beside", UVICORN_ROOT_PATH=root) as program:
        assert asks(program, "/socket.io")[0] == "beside"
        assert http(program.port, "GET", "/hello").body == b'{"hello":"world"}'
