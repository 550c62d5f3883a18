"""RFC 6455: its opcodes (5.2), the first byte's flags and close codes (7.4.1), and which subprotocol is agreed on.

Does not know what a frame is made of, or how a handshake comes.
"""

from __future__ import annotations

from flocket.options import TOKEN

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
FIN, RSV1, RSV23, OPCODE = 0x80, 0x40, 0x30, 0x0F

NORMAL, GOING_AWAY, PROTOCOL_ERROR, INVALID_DATA, POLICY, TOO_BIG = 1000, 1001, 1002, 1007, 1008, 1009
# What a close frame may carry (7.4, and IANA's registry for 1012 to 1014).
CLOSE_CODES = frozenset((*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)))


def subprotocol(offered: str | None) -> str | None:
    """The subprotocol for an offer, as its header has it: the first, as in Node.

    Nobody here speaks any, but a browser that offers some, and is answered with none, ends the connection.
    """
    first = (offered or "").partition(",")[0].strip(" \t")
    return first if TOKEN.fullmatch(first) else None
