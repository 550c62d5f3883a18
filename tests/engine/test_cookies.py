from __future__ import annotations

import pytest

from flocket.engine.cookies import handshake_cookie
from flocket.options import Cookie


@pytest.mark.parametrize(
    ("cookie", "header"),
    [
        (Cookie(), "io=SID; Path=/; HttpOnly; SameSite=Lax"),
        (Cookie(name="n", path="", http_only=False, same_site=None), "n=SID"),
        (
            Cookie(max_age=60, domain="a.example", secure=True, same_site="none"),
            "io=SID; Max-Age=60; Domain=a.example; Path=/; HttpOnly; Secure; SameSite=None",
        ),
        (Cookie(max_age=0, same_site="strict"), "io=SID; Max-Age=0; Path=/; HttpOnly; SameSite=Strict"),
    ],
)
def test_each_attribute_is_written_as_browsers_read_it(cookie: Cookie, header: str) -> None:
    assert handshake_cookie(cookie, "SID") == header
