"""The chat's page as an ASGI application: its files, and nothing else."""

from __future__ import annotations

import asyncio
import re
from collections.abc import MutableMapping
from typing import Any

import pytest

from flocket.demo.page import FILES, STATIC, page


def get(path: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    sent: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    async def receive() -> MutableMapping[str, Any]:
        raise AssertionError("the page reads no body")

    asyncio.run(page({"type": "http", "method": method, "path": path}, receive, send))
    start, body = sent
    return start["status"], {name.decode(): value.decode() for name, value in start["headers"]}, body["body"]


@pytest.mark.parametrize("path", sorted(FILES))
def test_each_file_is_served_whole(path: str) -> None:
    status, headers, body = get(path)
    assert (status, body) == (200, (STATIC / FILES[path]).read_bytes())
    assert headers["content-length"] == str(len(body))
    assert get(path, "HEAD") == (200, headers, b"")


@pytest.mark.parametrize("path", ["/nothing", "/../app.py", "/static/chat.js", "/app.py", ""])
def test_anything_else_is_not_found(path: str) -> None:
    assert get(path)[0] == 404
    assert get("/", "POST")[0] == 404


def test_the_page_refers_only_to_what_is_there() -> None:
    referred = re.findall(r'(?:src|href)="(/[^"]*)"', get("/")[2].decode())
    scripts = [STATIC / name for name in FILES.values() if name.endswith(".js")]
    referred += [path for file in scripts for path in re.findall(r'from "(/[^"]*)"', file.read_text())]
    assert len(referred) >= 8
    assert set(referred) - {"/socket.io/socket.io.js"} <= set(FILES)


def test_every_element_that_the_scripts_name_is_on_the_page() -> None:
    html = (STATIC / "index.html").read_text()
    for file in STATIC.glob("*.js"):
        for name in re.findall(r'\$\("([^"]+)"\)', file.read_text()):
            assert f'id="{name}"' in html, f"{file.name} wants #{name}"
