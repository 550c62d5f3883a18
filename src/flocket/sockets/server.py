"""The namespaces of one process and what they share: options, registry of "/", the engine's sessions.

Knows no network and no clock: serving/server.py puts it behind a port, and is what users call Server.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, TypeVar, overload

from flocket.engine.contracts import Handler
from flocket.engine.engine import Engine
from flocket.engine.session import Session
from flocket.engine.sid import make_sid, make_tag
from flocket.errors import ConfigError, NotRunning
from flocket.observe import Counters
from flocket.options import EngineOptions, Limits, Recovery
from flocket.sockets.adapter import Adapter
from flocket.sockets.client import Client
from flocket.sockets.contracts import LoopRuntime, Parser
from flocket.sockets.dynamic import ParentNamespace
from flocket.sockets.events import PLAIN, THREAD, EventHandler, Events
from flocket.sockets.generics import T
from flocket.sockets.namespace import Namespace
from flocket.sockets.parsers import choose_parser
from flocket.sockets.receives import Receives
from flocket.sockets.sends import BroadcastOperator, Sends
from flocket.sockets.tasks import Tasks

__all__ = ["AdapterFactory", "Server", "ServerOptions"]

N = TypeVar("N", bound=Namespace[Any])
AdapterFactory = Callable[[Namespace[Any]], Adapter]
NamespaceTest = Callable[[str, dict[str, Any]], Any]


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What concerns sockets; the engine's options are in `engine`. Times are seconds."""

    engine: EngineOptions
    connect_timeout: float = 45.0
    ack_timeout: float = 10.0
    cleanup_empty_child_namespaces: bool = True
    parser: str | Parser = "json"
    data: Callable[[], Any] = field(default=dict)
    recovery: Recovery | None = None


class Server(Sends, Receives, Tasks, Generic[T]):
    """All of `io` but serving. `io` itself stands for `io.of("/")`."""

    def __init__(self, options: ServerOptions, runtime: LoopRuntime) -> None:
        self.counters = Counters()
        self._options = options
        self._runtime = runtime
        self._limits: Limits = options.engine.limits
        self._connect_timeout = options.connect_timeout
        self._ack_timeout = options.ack_timeout
        self._make_data = options.data
        self._recovery = options.recovery
        self._parser = choose_parser(options.parser, self._limits)
        self._tag = ""  # made when the server starts: never at import, or every fork would have the same
        self._engine = Engine(options.engine, runtime, self._on_session, self._make_sid, self.counters)
        self._deadlines = self._engine.deadlines
        self._adapter: Any = Adapter
        self._adapter_chosen = False
        self._tasks: set[asyncio.Task[Any]] = set()
        self._namespaces: dict[str, Namespace[T]] = {}
        self._parents: list[ParentNamespace[T]] = []
        self._handlers: set[asyncio.Task[Any]] = set()  # the user's, which an orderly end waits for
        self._adapters_ready: dict[str, asyncio.Task[None]] = {}
        self._adapters_closing: dict[str, asyncio.Task[None]] = {}
        self._running = False
        self._untold: list[Callable[[], None]] = []  # `new_namespace` handlers that need a loop, for the start
        self._root: Namespace[T] = Namespace(self, "/")
        self._namespaces["/"] = self._root

    # -- namespaces -----------------------------------------------------------------------------------------

    @overload
    def of(self, name: str | re.Pattern[str] | NamespaceTest) -> Namespace[T]: ...

    @overload
    def of(self, name: str | re.Pattern[str] | NamespaceTest, cls: type[N]) -> N: ...

    def of(self, name: str | re.Pattern[str] | NamespaceTest, cls: type[Any] | None = None) -> Any:
        """The namespace of that name, made if need be; for a pattern or a callable `(name, auth)` a dynamic one.

        `cls` is a Namespace subclass whose marked methods are the handlers. Raises ConfigError if the namespace is of
        another class, NotRunning if a new one is asked for from another thread.
        """
        if not isinstance(name, str):
            return self._dynamic(name, cls)
        if not name.startswith("/"):
            name = "/" + name
        nsp = self._namespaces.get(name)
        if nsp is None:
            self._must_be_here_to_make(name)
            parent = self._parent_by_pattern(name)
            nsp = parent.child(name) if parent is not None else self._make(name, cls or Namespace)
        elif nsp is self._root and cls is not None and type(nsp) is Namespace and not self._running:
            nsp = self._take_root(cls)
        if cls is not None and not isinstance(nsp, cls):
            raise ConfigError(
                f"{name} exists already, or is a pattern's child, and is no {cls.__name__}:"
                " name the class where it (or the pattern) is made first"
            )
        return nsp

    def _must_be_here_to_make(self, name: str) -> None:
        if self._running and self._elsewhere():
            raise NotRunning(f"{name} is a new namespace: made in the server's loop, or before it starts")

    def _take_root(self, cls: type[Namespace[T]]) -> Namespace[T]:
        """Make "/", which was there before the user could name its class, one of that class; its handlers stay."""
        root = cls(self, "/", self._root._events)
        root._register_marked()
        root.adapter._listeners.update(self._root.adapter._listeners)
        self._root = self._namespaces["/"] = root
        return root

    def _make(self, name: str, cls: type[Namespace[T]]) -> Namespace[T]:
        nsp = cls(self, name)
        self._namespace_made(nsp)
        return nsp

    def _dynamic(
        self, test: re.Pattern[str] | NamespaceTest, cls: type[Namespace[T]] | None
    ) -> ParentNamespace[T]:
        if not isinstance(test, re.Pattern) and not callable(test):
            raise ConfigError(f"a namespace is a string, a pattern or a callable, not {test!r:.80}")
        parent: ParentNamespace[T] = ParentNamespace(
            self,
            f"/_{len(self._parents)}",
            test,
            self._options.cleanup_empty_child_namespaces,
            cls or Namespace,
        )
        self._parents.append(parent)
        return parent

    def _parent_by_pattern(self, name: str) -> ParentNamespace[T] | None:
        return next((parent for parent in self._parents if parent.matches(name)), None)

    async def _find_namespace(self, name: str, auth: dict[str, Any]) -> Namespace[T] | None:
        while True:
            nsp = self._namespaces.get(name) or await self._allowed_child(name, auth)
            ready = self._adapters_ready.get(name)
            if nsp is not None and ready is not None:
                await asyncio.shield(ready)
                if self._namespaces.get(name) is not nsp:
                    continue  # its last socket left meanwhile, and it was given up
            return nsp

    async def _allowed_child(self, name: str, auth: dict[str, Any]) -> Namespace[T] | None:
        for parent in self._parents:
            if parent.matches(name) or await self._await_if_needed(parent.allows(name, auth)):
                return self._namespaces.get(name) or parent.child(name)
        return None

    def _namespace_made(self, nsp: Namespace[T]) -> None:
        self._namespaces[nsp.name] = nsp
        if self._running:
            ready = self._adapters_ready[nsp.name] = self.create_task(self._ready(nsp))
            ready.add_done_callback(lambda task: self._adapter_ready(nsp, task))
        for handler in tuple(self._root._events.life["new_namespace"]):
            tell = partial(self._call_watcher, self._as_watcher(handler), (nsp,))
            if handler.kind == PLAIN or self._running:
                tell()
            else:
                self._untold.append(tell)

    def _as_watcher(self, handler: EventHandler) -> Callable[..., Any]:
        if handler.kind != THREAD:
            return handler.function
        return partial(self._runtime.in_thread, handler.function)

    async def _ready(self, nsp: Namespace[T]) -> None:
        closing = self._adapters_closing.get(nsp.name)
        if closing is not None:
            await asyncio.wait((closing,))  # the same channels: to be left before they are joined again
        await nsp.adapter.init()

    def _namespace_gone(self, nsp: Namespace[T]) -> None:
        if not self._running:
            return  # the end closes all adapters
        self._namespaces.pop(nsp.name, None)
        closing = self._adapters_closing[nsp.name] = self.create_task(nsp.adapter.close())
        closing.add_done_callback(lambda task: self._forget_task(self._adapters_closing, nsp.name, task))

    def _adapter_ready(self, nsp: Namespace[T], task: asyncio.Task[None]) -> None:
        failed = not task.cancelled() and task.exception() is not None
        parent = nsp._parent
        if failed and parent is None:
            return  # who comes is refused as those were who waited for it: nobody enters where nothing is joined
        self._forget_task(self._adapters_ready, nsp.name, task)
        if failed and parent is not None:
            parent._child_emptied(nsp)  # whoever asks next may have more luck

    @staticmethod
    def _forget_task(tasks: dict[str, asyncio.Task[None]], name: str, task: asyncio.Task[None]) -> None:
        if tasks.get(name) is task:
            del tasks[name]

    # -- io stands for "/" ----------------------------------------------------------------------------------

    @property
    def _operator(self) -> BroadcastOperator:
        return self._root._operator

    @property
    def _registry(self) -> Events:
        return self._root._events

    @property
    def sockets(self) -> dict[str, Any]:
        return self._root.sockets

    @property
    def rooms(self) -> dict[str, set[str]]:
        return self._root.rooms

    def server_side_emit(self, event: str, *args: Any) -> Any:
        """Tell the other nodes; heard by `on_server_side`."""
        return self._root.server_side_emit(event, *args)

    async def server_side_emit_with_ack(self, event: str, *args: Any) -> Any:
        """Ask the other nodes; one answer of each."""
        return await self._root.server_side_emit_with_ack(event, *args)

    # -- adapter ----------------------------------------------------------------------------------------------

    def adapter(self, factory: Any) -> None:
        """Join other nodes: an Adapter class, or an object that makes one for a namespace when called with it."""
        if self._running:
            raise ConfigError("io.adapter(...) comes before the server starts")
        if not callable(factory):
            raise ConfigError(f"an adapter is a class or a factory, not {factory!r:.80}")
        self._adapter_chosen = True
        self._use_adapter(factory)

    def _use_adapter(self, factory: AdapterFactory) -> None:
        self._adapter = factory
        for nsp in [*self._namespaces.values(), *self._parents]:
            listeners = nsp.adapter._listeners  # registered before the server knew its adapter
            nsp.adapter = self._make_adapter(nsp)
            nsp.adapter._listeners.update(listeners)

    def _make_adapter(self, nsp: Namespace[Any]) -> Adapter:
        return self._adapter(nsp)  # type: ignore[no-any-return]  # a class or a factory

    # -- life -------------------------------------------------------------------------------------------------

    async def _start(self) -> None:
        """Begin, within the running loop, which the runtime is bound to by now."""
        self._tag = self._tag or make_tag(os.urandom)
        start = getattr(self._adapter, "start", None)
        if start is not None:
            await start()
        self._running = True
        untold, self._untold = self._untold, []
        for tell in untold:
            tell()
        for nsp in list(self._namespaces.values()):
            await nsp.adapter.init()

    def _end_sessions(self) -> None:
        """Take no new sessions, and end all that there are. Handlers that run go on."""
        for nsp in list(self._namespaces.values()):
            for socket in list(nsp.sockets.values()):
                socket._on_close("server shutting down")
        self._engine.close()

    async def _end_tasks(self) -> None:
        """Cancel what runs in the background, and the handlers that still run."""
        await self._end(self._tasks)
        await self._end(self._handlers)
        await self._end(self._tasks)  # those that handlers began at the end

    async def _stop(self) -> None:
        """Leave the other nodes."""
        self._running = False
        for nsp in list(self._namespaces.values()):
            await nsp.adapter.close()
        aclose = getattr(self._adapter, "aclose", None)
        if aclose is not None:
            await aclose()

    def _reopen(self) -> None:
        """Be as before the first start: in tests one server has many lives."""
        self._engine.reopen()
        for parent in self._parents:
            for name in parent.children:
                self._namespaces.pop(name, None)
            parent.children.clear()
        self._use_adapter(self._adapter)

    async def _end(self, tasks: set[asyncio.Task[Any]]) -> None:
        ending = [task for task in tasks if task is not asyncio.current_task()]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

    def _on_session(self, session: Session) -> Handler:
        client = Client(self, session)
        session.handler = client
        client.start()
        return client

    def _make_sid(self) -> str:
        return make_sid(self._tag, os.urandom)
