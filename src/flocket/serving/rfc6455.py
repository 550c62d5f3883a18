"""The numbers of RFC 6455: opcodes (5.2), the first byte's flags, close codes (7.4.1)."""

from __future__ import annotations

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
FIN, RSV1, RSV23, OPCODE = 0x80, 0x40, 0x30, 0x0F

NORMAL, GOING_AWAY, PROTOCOL_ERROR, INVALID_DATA, POLICY, TOO_BIG = 1000, 1001, 1002, 1007, 1008, 1009
# What a close frame may carry (7.4, and IANA's registry for 1012 to 1014).
CLOSE_CODES = frozenset((*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)))
