"""A server's life: when it begins, to which loop it belongs, how it ends, and what is said when it cannot begin."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from tests.serving.test_stopping import ENVIRONMENT
from tests.support.polling import until

from flocket import ConfigError, EngineServer, NotRunning, Server
from flocket.serving.signals import Overheard
from flocket.testing import connect

Messages = list[dict[str, Any]]


async def lifespan(app: Any, *, end: bool = True) -> Messages:
    """Serve a lifespan from start to end; what the host is told."""
    inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    told: Messages = []

    async def send(message: Any) -> None:
        told.append(message)

    await inbox.put({"type": "lifespan.startup"})
    if end:
        await inbox.put({"type": "lifespan.shutdown"})
    await asyncio.wait_for(app({"type": "lifespan", "asgi": {"version": "3.0"}}, inbox.get, send), 10)
    return told


def types(messages: Messages) -> list[str]:
    return [message["type"].removeprefix("lifespan.") for message in messages]


def life(notes: list[str], *, fails_at: str = "") -> Callable[[Any], contextlib.AbstractAsyncContextManager[None]]:
    @contextlib.asynccontextmanager
    async def lifespan(io: Any) -> AsyncIterator[None]:
        if fails_at == "start":
            raise RuntimeError("no database")
        notes.append("begin")
        yield
        notes.append("end")
        if fails_at == "end":
            raise RuntimeError("database gone")

    return lifespan


def test_nothing_begins_before_there_is_a_loop() -> None:
    notes: list[str] = []
    io = Server(lifespan=life(notes))
    with pytest.raises(NotRunning, match="Emitter"):
        io.emit("early")
    with pytest.raises(NotRunning):
        io.to("room").emit("early")
    assert notes == []


def test_a_context_begins_it_once_and_ends_it_once() -> None:
    notes: list[str] = []
    io = Server(lifespan=life(notes))

    async def scene() -> None:
        async with io:
            assert notes == ["begin"]
            assert io.health()["status"] == "ok"
            io.emit("to nobody")
        assert notes == ["begin", "end"]
        assert io.health()["status"] == "closed"
        await io.close()
        await io.close()
        with pytest.raises(NotRunning):
            io.emit("late")
        with pytest.raises(NotRunning):
            await io.__aenter__()

    asyncio.run(scene())
    assert notes == ["begin", "end"]


def test_a_server_that_never_began_closes_without_a_word() -> None:
    asyncio.run(Server().close())
    asyncio.run(EngineServer().close())


def test_it_belongs_to_the_loop_in_which_it_began() -> None:
    io = Server()

    async def scene() -> None:
        async with io:
            errors: list[Exception] = []

            def other_loop() -> None:
                try:
                    asyncio.run(io._begin())
                except NotRunning as error:
                    errors.append(error)

            thread = threading.Thread(target=other_loop)
            thread.start()
            await asyncio.to_thread(thread.join)
            assert "belongs to the loop" in str(errors[0])

    asyncio.run(scene())


def test_many_first_requests_begin_it_once() -> None:
    notes: list[str] = []
    io = Server(lifespan=life(notes))

    async def scene() -> None:
        await asyncio.gather(*(io._begin() for _ in range(10)))
        await io.close()

    asyncio.run(scene())
    assert notes == ["begin", "end"]


def test_a_lifespan_that_cannot_begin_is_told_to_the_host(caplog: pytest.LogCaptureFixture) -> None:
    io = Server(lifespan=life([], fails_at="start"))
    told = asyncio.run(lifespan(io))
    assert told == [{"type": "lifespan.startup.failed", "message": "no database"}]
    (record,) = caplog.records
    assert record.exc_info is not None


def test_an_error_of_ours_needs_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    @contextlib.asynccontextmanager
    async def misconfigured(io: Any) -> AsyncIterator[None]:
        raise ConfigError("do this instead")
        yield

    told = asyncio.run(lifespan(Server(lifespan=misconfigured)))
    assert types(told) == ["startup.failed"]
    assert [(record.exc_info, "do this instead" in record.getMessage()) for record in caplog.records] == [(None, True)]


@pytest.mark.parametrize("asynchronous", [True, False])
def test_a_lifespan_that_is_no_context_manager_is_said_in_one_line(
    caplog: pytest.LogCaptureFixture, asynchronous: bool
) -> None:
    async def generator(io: Any) -> AsyncIterator[None]:
        yield

    async def coroutine(io: Any) -> None: ...

    made: Any = generator if asynchronous else coroutine
    told = asyncio.run(lifespan(Server(lifespan=made)))
    assert types(told) == ["startup.failed"]
    (record,) = caplog.records
    assert record.exc_info is None
    assert "contextlib.asynccontextmanager" in record.getMessage()


def test_a_lifespan_that_fails_at_its_end_still_releases_everything(caplog: pytest.LogCaptureFixture) -> None:
    notes: list[str] = []
    io = Server(lifespan=life(notes, fails_at="end"))
    told = asyncio.run(lifespan(io))
    assert types(told) == ["startup.complete", "shutdown.failed"]
    assert notes == ["begin", "end"]
    with pytest.raises(NotRunning):
        io.emit("late")
    assert len(caplog.records) == 1


def test_a_server_that_could_not_begin_may_try_again_at_the_next_request() -> None:
    attempts: list[int] = []

    @contextlib.asynccontextmanager
    async def unreliable(io: Any) -> AsyncIterator[None]:
        attempts.append(1)
        if len(attempts) == 1:
            raise RuntimeError("not yet")
        yield

    io = Server(lifespan=unreliable)

    async def scene() -> None:
        with pytest.raises(RuntimeError, match="not yet"):
            await io._begin()
        with pytest.raises(NotRunning):
            io.emit("early")
        await io._begin()
        io.emit("now")
        await io.close()

    asyncio.run(scene())


def test_beside_an_application_that_fails_ours_ends_too() -> None:
    notes: list[str] = []
    io = Server(lifespan=life(notes))

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "its reason"})

    told = asyncio.run(lifespan(io.asgi(app)))
    assert told == [{"type": "lifespan.startup.failed", "message": "its reason"}]
    assert notes == ["begin", "end"]


def test_beside_an_application_without_a_lifespan_ours_lives() -> None:
    notes: list[str] = []
    io = Server(lifespan=life(notes))

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] != "lifespan"

    assert types(asyncio.run(lifespan(io.asgi(app)))) == ["startup.complete", "shutdown.complete"]
    assert notes == ["begin", "end"]


def test_a_handler_may_close_its_server() -> None:
    io = Server()
    ended: list[str] = []

    @io.on("stop")
    async def stop(socket: Any) -> None:
        await io.close()
        ended.append("stopped")

    async def scene() -> None:
        async with connect(io) as client:
            client.emit("stop")
            await until(lambda: ended)

    asyncio.run(scene())


def test_background_tasks_are_cancelled_and_handlers_waited_for() -> None:
    io = Server()
    notes: list[str] = []

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            notes.append("cancelled")
            raise

    @io.on("work")
    async def work(socket: Any) -> None:
        notes.append("working")
        await asyncio.sleep(0.1)
        notes.append("worked")

    async def scene() -> None:
        async with connect(io) as client:
            io.create_task(forever())
            client.emit("work")
            await until(lambda: notes)
            await io.close()

    asyncio.run(scene())
    assert notes == ["working", "worked", "cancelled"]


def test_a_hosts_signal_handlers_are_overheard_and_given_back() -> None:
    heard: list[Any] = []

    def hosts_own(number: int, frame: FrameType | None) -> None:
        heard.append("host")

    async def scene() -> None:
        before = signal.signal(signal.SIGTERM, hosts_own)
        try:
            overheard = Overheard(asyncio.get_running_loop(), lambda: heard.append("server"))
            signal.raise_signal(signal.SIGTERM)
            await until(lambda: len(heard) == 2)
            assert heard == ["host", "server"]
            overheard.restore()
            assert signal.getsignal(signal.SIGTERM) is hosts_own
        finally:
            signal.signal(signal.SIGTERM, before)

    asyncio.run(scene())


def test_where_nobody_handles_a_signal_nobody_overhears_it() -> None:
    async def scene() -> None:
        before = signal.getsignal(signal.SIGTERM)
        assert before is signal.SIG_DFL
        overheard = Overheard(asyncio.get_running_loop(), lambda: None)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        overheard.restore()

    asyncio.run(scene())


def test_in_another_thread_signals_are_left_alone() -> None:
    def elsewhere() -> None:
        async def scene() -> None:
            io = Server()
            assert types(await lifespan(io)) == ["startup.complete", "shutdown.complete"]

        asyncio.run(scene())

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()


def run_script(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    (folder / "script.py").write_text(text)
    return subprocess.run(
        [sys.executable, "script.py"],
        cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip


FAILING = """
import contextlib
from flocket import Server
@contextlib.asynccontextmanager
async def lifespan(io):
    raise RuntimeError("no database")
    yield
Server(lifespan=lifespan).run(port=0)
"""


def test_a_program_that_cannot_begin_ends_with_a_status_and_one_traceback(tmp_path: Path) -> None:
    done = run_script(tmp_path, FAILING)
    assert done.returncode == 3  # uvicorn's number for it
    assert done.stderr.count("Traceback") == 1
    assert "no database" in done.stderr


ENDING_BADLY = """
import asyncio, contextlib, os, signal
from flocket import Server
@contextlib.asynccontextmanager
async def lifespan(io):
    asyncio.get_running_loop().call_later(0.3, os.kill, os.getpid(), signal.SIGTERM)  # once it serves
    yield
    raise RuntimeError("no database to close")
Server(lifespan=lifespan).run(port=0)
"""


def test_a_program_that_does_not_end_well_says_so_once(tmp_path: Path) -> None:
    done = run_script(tmp_path, ENDING_BADLY)
    assert done.stderr.count("no database to close") == 2  # the line that raises it, and the error
    assert "uvicorn" not in done.stderr


def test_serve_that_cannot_begin_is_an_error_of_the_call_and_ends_no_program(caplog: pytest.LogCaptureFixture) -> None:
    @contextlib.asynccontextmanager
    async def lifespan(io: Server[Any]) -> AsyncIterator[None]:
        raise RuntimeError("no database")
        yield

    async def scene() -> None:
        with pytest.raises(NotRunning, match="could not start"):
            await Server(lifespan=lifespan).serve(port=0)

    asyncio.run(scene())
    assert [record.message for record in caplog.records if record.exc_info] == ["the server could not start"]


@pytest.mark.parametrize("when", ["before its end", "at its end"])
def test_what_an_application_beside_raises_without_a_word_is_told(when: str, caplog: pytest.LogCaptureFixture) -> None:
    async def beside(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        if when == "at its end":
            await receive()
        raise RuntimeError("no database to close")

    async def scene() -> None:
        told = await lifespan(Server().asgi(beside))
        assert told[-1] == {"type": "lifespan.shutdown.failed", "message": "no database to close"}

    asyncio.run(scene())
    assert [record.message for record in caplog.records if record.exc_info] == ["the server did not end well"]


def test_serve_lives_within_a_running_loop_until_it_is_cancelled(caplog: pytest.LogCaptureFixture) -> None:
    notes: list[str] = []
    io = Server(lifespan=life(notes))

    async def scene() -> None:
        with caplog.at_level(logging.INFO, "flocket"):
            serving = asyncio.create_task(io.serve(port=0))
            await until(lambda: notes == ["begin"] and "listening" in caplog.text)
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
        assert notes == ["begin", "end"]

    asyncio.run(scene())
