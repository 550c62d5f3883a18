"""The fixtures that run one test against every face of flocket, or, with FLOCKET_REFERENCE=1, against Node's
server.

A test marked `ours` states what flocket does differently on purpose, so Node's server is not asked.
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


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if REFERENCE:
        theirs = [item for item in items if item.get_closest_marker("ours") is None]
        config.hook.pytest_deselected(items=[item for item in items if item not in theirs])
        items[:] = theirs


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
