"""Polling by script elements: the answer is a program that hands over one string, and no message breaks out of it."""

from __future__ import annotations

import json
import re
from urllib.parse import quote

import pytest
from tests.support.peer import SEPARATOR, Poller, split3, target, units
from tests.support.raw import Response, http
from tests.support.servers import Pool

EVIL = [
    "</script><script>alert(1)</script>",
    '");alert(1)//',
    '\\");alert(1)//',
    "\u2028\u2029",
    "<!--",
    "]]>",
    "\x00\x1b",
]


class Scripts(Poller):
    """A poller that asks for scripts."""

    def packets(self, response: Response) -> list[str]:
        found = re.fullmatch(r"___eio\[7\]\((.*)\);", response.text, re.DOTALL)
        assert found, response.text
        payload = json.loads(found[1])
        return payload.split(SEPARATOR) if self.eio == 4 else split3(payload)

    def post(self, *packets: str) -> Response:
        if self.eio == 4:
            return self.submit(SEPARATOR.join(packets))
        return self.submit("".join(f"{units(packet)}:{packet}" for packet in packets))

    def submit(self, payload: str) -> Response:
        """As a form does: newlines of the text are escaped first, and then everything for the form."""
        escaped = payload.replace("\\n", "\\\\n").replace("\n", "\\n")
        return self.request(
            "POST", f"d={quote(escaped)}".encode(), {"Content-Type": "application/x-www-form-urlencoded"}
        )


@pytest.mark.parametrize("eio", [3, 4])
def test_a_script_hands_over_the_open_packet(servers: Pool, eio: int) -> None:
    scripts = Scripts(servers.start(allow_eio3=True).port, eio, j="7")
    assert scripts.open["sid"] == scripts.sid
    assert "html" not in (scripts.opening.header("content-type") or "")


@pytest.mark.parametrize("eio", [3, 4])
@pytest.mark.parametrize("text", EVIL)
def test_no_message_breaks_out_of_the_script(servers: Pool, eio: int, text: str) -> None:
    scripts = Scripts(servers.start(allow_eio3=True).port, eio, j="7")
    scripts.connect()
    packet = f"42{json.dumps(['echo', text], separators=(',', ':'))}"
    size = f"{len(packet)}:" if eio == 3 else ""
    assert scripts.submit(size + packet).text == "ok"
    answer = scripts.request("GET")
    assert "\u2028" not in answer.text
    assert "\u2029" not in answer.text
    (heard,) = scripts.packets(answer)
    assert json.loads(heard[2:]) == ["echo", text]


@pytest.mark.parametrize("text", ["a\nb", "a\\nb", "a\\\\nb", "\n", "plus + and % and & and ="])
def test_newlines_survive_the_form(servers: Pool, text: str) -> None:
    scripts = Scripts(servers.start(allow_eio3=True).port, 3, j="7")
    scripts.connect()
    packet = f"42{json.dumps(['echo', text], separators=(',', ':'))}"
    scripts.submit(f"{len(packet)}:{packet}")
    (heard,) = scripts.packets(scripts.request("GET"))
    assert json.loads(heard[2:]) == ["echo", text]


@pytest.mark.parametrize(
    ("index", "shown"), [("12", "12"), ("0];alert(1);//", "01"), ("</script>", ""), ("%C2%B2", "")]
)
def test_the_index_is_digits_and_nothing_else(servers: Pool, index: str, shown: str) -> None:
    answer = http(servers.start().port, "GET", target("polling", j=index))
    assert answer.status == 400 or answer.text.startswith(f'___eio[{shown}]("0{{')


def test_binary_is_base64_in_a_script(servers: Pool) -> None:
    scripts = Scripts(servers.start(allow_eio3=True).port, 3, j="7", b64="1")
    scripts.connect()
    head = '451-["echo",{"_placeholder":true,"num":0}]'
    scripts.submit(f"{len(head)}:{head}10:b4AQID/w==")
    packets: list[str] = []
    while len(packets) < 2:
        packets += scripts.packets(scripts.request("GET"))
    assert packets == [head, "b4AQID/w=="]
