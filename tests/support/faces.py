"""The fixtures that run one test against every face of flocket, or, with FLOCKET_REFERENCE=1, against Node's
server.

A test marked `ours` states what flocket does differently on purpose, so Node's server is not asked; one marked
`fast_face` states a limit that on the portable face is the ASGI server's own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from tests.support.servers import Pool

__all__ = ["FACES", "face", "pool", "pytest_collection_modifyitems", "pytest_configure", "servers"]

REFERENCE = os.environ.get("FLOCKET_REFERENCE") == "1"
FACES = ["node"] if REFERENCE else ["fast", "asgi"]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "ours: flocket's own rule, where it differs from Node on purpose")
    config.addinivalue_line("markers", "fast_face: a limit that holds on the fast face only")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    wanted = [item for item in items if concerns(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in wanted])
    items[:] = wanted


def concerns(item: pytest.Item) -> bool:
    """Whether this test says anything of the face that it would run against."""
    callspec = getattr(item, "callspec", None)
    asked = callspec.params.get("face") if callspec is not None else None
    if item.get_closest_marker("fast_face") is not None:
        return bool(asked == "fast")
    return asked != "node" or item.get_closest_marker("ours") is None


@pytest.fixture(scope="session", params=FACES)
def face(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def pool(face: str) -> Iterator[Pool]:
    pool = Pool(face)
    yield pool
    pool.stop()


@pytest.fixture
def servers(pool: Pool) -> Iterator[Pool]:
    """Starts servers by their options; after the test all of them must be alive and quiet."""
    yield pool
    pool.examine()
