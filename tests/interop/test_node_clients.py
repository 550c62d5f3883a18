"""The official JavaScript clients, 4.8 and 2.5, over every transport: each check of tests/node is one test here.

One Node process runs all checks of one client over one transport; the tests look up their results.
"""

from __future__ import annotations

import functools
from typing import Any

import pytest
from tests.support.node import check_names, run_lines
from tests.support.servers import Pool, Running

FILES = ("events", "values", "rooms", "namespaces", "lifecycle", "traffic")
CLIENTS = [
    ("4.8", "polling", "json"),
    ("4.8", "websocket", "json"),
    ("4.8", "upgrade", "json"),
    ("4.8", "upgrade", "msgpack"),
    ("2.5", "polling", "json"),
    ("2.5", "jsonp", "json"),
    ("2.5", "websocket", "json"),
    ("2.5", "upgrade", "json"),
]


def cases() -> list[Any]:
    names = check_names(*(f"checks_{file}.js" for file in FILES))
    return [
        pytest.param(client, name, id=f"{'-'.join(client)}: {name}")
        for client in CLIENTS
        for kind, name in names
        if kind == "check"
        or (kind == "modern" and client[0] == "4.8")
        or (kind == "json" and client[2] == "json")
        or (kind == "upgrade" and client[1] == "upgrade")
    ]


@functools.cache
def results(url: str, version: str, transport: str, parser: str) -> dict[str, Any]:
    lines = run_lines("run.js", url, version, transport, parser, timeout=150)
    return {line["name"]: line for line in lines}


def chat_server(servers: Pool, parser: str) -> Running:
    options = {"parser": "msgpack"} if parser == "msgpack" else {}
    return servers.start(allow_eio3=True, cleanup_empty_child_namespaces=True, **options)


@pytest.mark.parametrize(("client", "name"), cases())
def test_official_client(servers: Pool, client: tuple[str, str, str], name: str) -> None:
    version, transport, parser = client
    found = results(chat_server(servers, parser).url, version, transport, parser)
    assert set(found) >= {name}, f"the script did not run this check: {sorted(found)}"
    assert found[name]["ok"], found[name]["detail"]
