"""A FastAPI application with login, whose ordinary routes speak to browsers over Socket.IO.

    pip install fastapi pyjwt
    flocket run app:app --port 3000     # in this folder; --workers 4 changes nothing here

POST /login answers with a token, with which the client connects: `io({auth: {token}})`. POST /notices then
reaches the browsers of whom it is for, on whichever worker they are.
"""

import asyncio
import hmac
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import jwt
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel

from flocket import ConnectError, Server, Socket

SECRET = os.environ.get("JWT_SECRET", "only for trying this out: set JWT_SECRET")
PASSWORDS = {"ada": "lovelace", "grace": "hopper"}  # yours are hashed, in a database
LIFETIME = float(os.environ.get("JWT_SECONDS", "3600"))


class Login(BaseModel):
    name: str
    password: str


class Notice(BaseModel):
    to: str
    text: str


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """FastAPI's own: whatever the application opens and closes in each worker."""
    app.state.notices = 0
    yield


io = Server()
api = FastAPI(lifespan=lifespan)
app = io.asgi(api)  # /socket.io/ is the Server's, everything else FastAPI's; both lifespans run


def user_of(token: object) -> tuple[str, float]:
    """Whose token it is, and until when it holds; jwt.InvalidTokenError if it is not ours or too old."""
    if not isinstance(token, str):
        raise jwt.InvalidTokenError("no token")
    claims = jwt.decode(token, SECRET, algorithms=["HS256"], options={"require": ["sub", "exp"]})
    return claims["sub"], claims["exp"]


@api.post("/login")
def login(given: Login) -> dict[str, str]:
    password = PASSWORDS.get(given.name, "")
    if not password or not hmac.compare_digest(password.encode(), given.password.encode()):
        raise HTTPException(401, "wrong name or password")
    claims = {"sub": given.name, "exp": time.time() + LIFETIME}
    return {"token": jwt.encode(claims, SECRET, algorithm="HS256")}


def current_user(bearer: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]) -> str:
    try:
        return user_of(bearer.credentials)[0]
    except jwt.InvalidTokenError as error:
        raise HTTPException(401, "log in again") from error


@api.post("/notices", status_code=202)
def notice(given: Notice, user: Annotated[str, Depends(current_user)]) -> dict[str, int]:
    """A `def` route runs in a thread of FastAPI's. `emit` may be called from any."""
    io.to(f"user:{given.to}").emit("notice", {"from": user, "text": given.text})
    api.state.notices += 1
    return {"sent by this worker": api.state.notices}


@api.get("/online/{name}")
def online(name: str, user: Annotated[str, Depends(current_user)]) -> dict[str, int]:
    """What must be awaited is asked of the loop, and waited for in this thread."""
    return {"clients": io.from_thread(io.to(f"user:{name}").count())}


@io.use
async def authenticate(socket: Socket) -> None:
    try:
        name, expires = user_of(socket.handshake.auth.get("token"))
    except jwt.InvalidTokenError as error:
        raise ConnectError("log in first", data={"retry": False}) from error
    socket.data.update(name=name, expires=expires)


@io.on("connection")
async def connection(socket: Socket) -> None:
    await socket.join(f"user:{socket.data['name']}")
    socket.create_task(until_the_token_expires(socket))


async def until_the_token_expires(socket: Socket) -> None:
    """A connection outlives any request: without this, it would outlive the login too."""
    await asyncio.sleep(socket.data["expires"] - time.time())
    socket.emit("log in again")
    socket.disconnect(close=True)


@io.on("whoami")
def whoami(socket: Socket) -> dict[str, Any]:
    return {"name": socket.data["name"]}
