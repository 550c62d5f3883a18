"""Every recipe of docs/recipes.md, run as it stands: what it emits reaches clients of a node of ours and of Node's."""

from __future__ import annotations

import re
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.support.documents import Document
from tests.support.node_process import NodeProcess
from tests.support.programs import ROOT, Program, flocket, free_port, running
from tests.support.redis import RedisServer

RECIPES = Document(ROOT / "docs" / "recipes.md")
WRITTEN = "redis://localhost:6379"

# What a Django project has around a view and a model.
SETTINGS = """
SECRET_KEY = "of a test"
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "urls"
INSTALLED_APPS = ["board"]
USE_TZ = True
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}
"""
URLS = """
from django.urls import path
from views import publish

urlpatterns = [path("publish", publish)]
"""


@dataclass
class Audience:
    """Clients of both languages' nodes; the recipes' files lie in `folder`."""

    redis: RedisServer
    folder: Path
    clients: list[NodeProcess]

    def hears(self, *event: Any, within: float = 10.0) -> None:
        for client in self.clients:
            assert client.line(within) == {"event": list(event)}


@pytest.fixture(scope="module")
def audience(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Audience]:
    folder = tmp_path_factory.mktemp("recipes")
    with ExitStack() as stack:
        redis = stack.enter_context(RedisServer())
        write_files(folder, redis.url)
        node = stack.enter_context(service(folder, "node"))
        ours = stack.enter_context(NodeProcess("hear.js", node.url))
        nodes = stack.enter_context(NodeProcess("listener.js", "classic", redis.url))
        assert (ours.line(), nodes.line()) == ({"connected": True}, {"ready": True})
        yield Audience(redis, folder, [ours, nodes])


def write_files(folder: Path, url: str) -> None:
    files = {"settings.py": SETTINGS, "urls.py": URLS, "board/__init__.py": ""}
    for kind, text in RECIPES.blocks:
        if kind == "python":
            named = re.match(r"# (\S+)\n", text)
            assert named, text
            files[named[1]] = text
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text.replace(WRITTEN, url))


@contextmanager
def service(folder: Path, module: str) -> Iterator[Program]:
    """The command of the document that serves this module, on a port of the test's."""
    found = [line.split() for line in RECIPES.commands if f"{module}:io" in line]
    assert len(found) == 1
    port = free_port()
    words = [str(port) if word.isdigit() else word for word in found[0][1:]]
    with running(flocket(*words), port, folder) as program:
        yield program
        assert program.end()[0] == 0
        assert "Traceback" not in program.printed()


def run_python(folder: Path, *arguments: str) -> None:
    environment = {"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin:/bin", "DJANGO_SETTINGS_MODULE": "settings"}
    subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, check=True, timeout=60)


def post(port: int, **fields: str) -> bytes:
    body = urllib.parse.urlencode(fields).encode()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/publish", body, timeout=10) as answer:
        said: bytes = answer.read()
    return said


def test_a_celery_task_emits(audience: Audience) -> None:
    assert "celery -A tasks worker" in RECIPES.commands
    command = [sys.executable, "-m", "celery", "-A", "tasks", "worker", "--concurrency", "1"]
    # It listens nowhere; Redis's port, which is there, stands for its own.
    with running(command, audience.redis.port, audience.folder):
        run_python(audience.folder, "-c", "import tasks; tasks.make_report.delay(7); tasks.make_report.delay(8)")
        audience.hears("report ready", 7, within=60.0)
        audience.hears("report ready", 8)


def test_a_django_view_emits(audience: Audience) -> None:
    port = free_port()
    command = [sys.executable, "-m", "django", "runserver", "--noreload", "--skip-checks", f"127.0.0.1:{port}"]
    settings = {"DJANGO_SETTINGS_MODULE": "settings", "PYTHONPATH": f"{ROOT / 'src'}:{audience.folder}"}
    with running(command, port, audience.folder, **settings):
        assert b"true" in post(port, text="Django says so")
        audience.hears("news", "Django says so")


def test_a_flask_view_emits(audience: Audience) -> None:
    port = free_port()
    command = [sys.executable, "-m", "flask", "--app", "web", "run", "--port", str(port)]
    with running(command, port, audience.folder):
        assert b"true" in post(port, text="Flask says so")
        audience.hears("news", "Flask says so")


def test_the_line_of_a_crontab_emits(audience: Audience) -> None:
    (line,) = RECIPES.program("cron").splitlines()
    *times, command = line.split(None, 5)
    assert times == ["*/5", "*", "*", "*", "*"]
    # As cron does: a bare % would end the command; it is run by sh.
    command = command.replace("\\%", "%").replace(WRITTEN, audience.redis.url)
    words = " ".join(flocket())
    began = int(time.time())
    shell = command.replace("flocket emit", f"{words} emit", 1)
    environment = {"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin:/bin"}
    subprocess.run(["/bin/sh", "-c", shell], env=environment, check=True, timeout=30)
    for client in audience.clients:
        event, seconds = client.line()["event"]
        assert event == "still here"
        assert began <= seconds <= time.time()


def test_djangos_orm_handles_a_clients_event(audience: Audience) -> None:
    run_python(audience.folder, "-m", "django", "migrate", "--run-syncdb", "--pythonpath", ".", "--verbosity", "0")
    with service(audience.folder, "notes") as program, NodeProcess("hear.js", program.url) as client:
        assert client.line() == {"connected": True}
        for number in (1, 2):
            client.say(["write", f"note {number}"])
            told = [client.line(), client.line()]
            assert {"event": ["written", number, f"note {number}"]} in told
            assert {"answer": number} in told


def test_flasks_code_handles_a_clients_event(audience: Audience) -> None:
    with service(audience.folder, "greeter") as program, NodeProcess("hear.js", program.url) as client:
        assert client.line() == {"connected": True}
        client.say(["greet", "<Ada>"])
        assert client.line() == {"answer": "Hello, &lt;Ada&gt;!"}
