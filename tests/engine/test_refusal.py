from __future__ import annotations

import json

import pytest

from flocket.engine.refusal import FORBIDDEN, MESSAGES, Refusal
from flocket.errors import EncodeError


@pytest.mark.parametrize("code", MESSAGES)
def test_http_answers_403_where_forbidden_and_400_elsewhere(code: int) -> None:
    refused = Refusal(code)
    assert refused.http_status == (403 if code == FORBIDDEN else 400)
    assert refused.upgrade_status == 400
    assert json.loads(refused.body()) == {"code": code, "message": MESSAGES[code]}
    assert dict(refused.http_headers())["Content-Type"] == "application/json"
    assert dict(refused.upgrade_headers())["Content-Type"] == "text/html"


def test_own_words_a_status_and_headers_take_their_place() -> None:
    refused = Refusal(FORBIDDEN, {}, "come back later", 503, (("Retry-After", "1"),))
    assert (refused.http_status, refused.upgrade_status, refused.text) == (503, 503, "come back later")
    assert ("Retry-After", "1") in refused.http_headers()
    assert ("Retry-After", "1") in refused.upgrade_headers()
    assert refused.details == {"message": "come back later"}
    assert json.loads(refused.body({"x": [1]})) == {"code": 4, "message": "come back later", "data": {"x": [1]}}


def test_data_that_cannot_be_sent_is_the_users_error() -> None:
    with pytest.raises(EncodeError):
        Refusal(FORBIDDEN).body({1})
