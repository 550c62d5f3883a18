"""A client that polls by script elements (JSONP), as browsers without CORS did: by hand, on one connection."""

from __future__ import annotations

import json
import re
from http.client import HTTPConnection
from urllib.parse import quote

__all__ = ["ScriptClient"]


class ScriptClient:
    """Connected to "/" when made; `address` is where it comes from."""

    def __init__(self, port: int, address: str = "127.0.0.1") -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=10, source_address=(address, 0))
        self._query = "/socket.io/?EIO=4&transport=polling&j=0"
        self.sid = json.loads(self._poll()[1:])["sid"]
        self._query += f"&sid={self.sid}"
        self.post("40")
        assert self._poll().startswith("40")

    def _poll(self) -> str:
        self._connection.request("GET", self._query)
        body = self._connection.getresponse().read().decode()
        script = re.fullmatch(r"___eio\[0\]\((.*)\);", body)
        assert script is not None, body
        text: str = json.loads(script[1])
        return text

    def post(self, text: str) -> None:
        """Send one packet."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        self._connection.request("POST", self._query, "d=" + quote(text), headers)
        assert self._connection.getresponse().read() == b"ok"

    def events(self, count: int) -> list[str]:
        """The next so many events."""
        packets: list[str] = []
        while len(packets) < count:
            found = self._poll().split("\x1e")
            if "2" in found:
                self.post("3")
            packets += [packet for packet in found if packet.startswith("42")]
        return packets

    def close(self) -> None:
        self._connection.close()
