"""Every test here runs against each face (tests/support/faces.py)."""

from tests.support.faces import face, pool, pytest_collection_modifyitems, pytest_configure, servers

__all__ = ["face", "pool", "pytest_collection_modifyitems", "pytest_configure", "servers"]
