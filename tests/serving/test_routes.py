"""Our servers are found in whatever ASGI application holds them."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Mount, Route, Router
from tests.serving.echo import EchoApp
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from flocket.serving.routes import find, routes_of


def test_a_server_that_is_the_application() -> None:
    app = EchoApp()
    assert find(app, "/echo/") is app.flocket_engine
    assert find(app, "/other") is None
    assert routes_of(app).first is app.flocket_engine


def test_a_server_behind_middleware() -> None:
    app = EchoApp()
    assert find(ProxyHeadersMiddleware(CORSMiddleware(app)), "/echo/") is app.flocket_engine  # type: ignore[arg-type]


def test_servers_mounted_in_fastapi_and_starlette() -> None:
    one, two, three = EchoApp(), EchoApp(), EchoApp()
    app = FastAPI()

    @app.get("/plain")
    def plain() -> None: ...

    app.mount("/one", one)
    inner = Starlette(routes=[Mount("/two", CORSMiddleware(two)), Route("/two/route", lambda request: None)])
    app.mount("/inner/", inner)
    app.mount("/router", Router(routes=[Mount("/three", three)]))
    for path, server in {"/one": one, "/one/socket.io/": one, "/inner/two/x": two, "/router/three/": three}.items():
        assert find(app, path) is server.flocket_engine, path
    for path in ("/", "/plain", "/on", "/onetwo", "/inner", "/inner/twofold", "/two", "/router/four", "/echo/"):
        assert find(app, path) is None, path


def test_an_application_without_any_has_none() -> None:
    assert find(Starlette(), "/") is None
    assert find(object(), "/") is None
    assert routes_of(object()).first is None


def test_a_cycle_of_applications_ends() -> None:
    class Snake:
        @property
        def app(self) -> Snake:
            return Snake()

    assert find(Snake(), "/") is None


def test_an_application_is_searched_once() -> None:
    app = Starlette()
    assert find(app, "/late/") is None
    app.mount("/late", EchoApp())
    assert find(app, "/late/") is None
