"""Which worker an address belongs to: one function, for the kernel and in Python.

Knows an IP header and SO_REUSEPORT; does not know who listens.

In the kernel: all sockets of an SO_REUSEPORT group share a port, and a program that is attached to the group
chooses for each new connection a socket by its place in the group: the order in which they began to listen.
The supervisor holds every socket of the group, in that order, for its whole life, and each worker inherits
its own. So the death of a worker moves no address: its successor inherits the same socket, and finds in it
whoever came meanwhile.

The program is classic BPF (the language of packet filters: an accumulator A, an index X, jumps forward only),
which needs no privilege. In it a packet is seen from its payload on; an offset that begins with SKF_NET_OFF
counts from the network header instead.

    A = first byte of the header >> 4          the version of IP; a socket that listens on :: gets both
    if A == 6: A = the four words of the source address, XORed; else: A = its one word
    A = A * 2654435761                         Knuth's multiplicative hash: neighbours part ...
    A = A >> 16                                ... in the upper half
    A = A mod n; return A                      the place in the group

An IPv4 address that is written as IPv6 (::ffff:a.b.c.d) is hashed as the IPv4 address that it is.
"""

from __future__ import annotations

import ctypes
import ipaddress
import socket
import struct
import sys

__all__ = ["attach", "in_kernel", "program", "slot_of"]

_ATTACH = 51  # SO_ATTACH_REUSEPORT_CBPF, asm-generic/socket.h: Python's socket module does not name it
_SKF_NET_OFF = -0x100000 & 0xFFFF_FFFF  # linux/filter.h
_GOLDEN = 2_654_435_761  # 2**32 divided by the golden ratio: Knuth, The Art of Computer Programming, 6.4
_IPV4_SOURCE, _IPV6_SOURCE = 12, 8  # where the source address begins: RFC 791, 3.1; RFC 8200, 3

# The instructions that we need: linux/bpf_common.h.
_LOAD_WORD, _LOAD_BYTE = 0x20, 0x30
_MUL, _SHIFT_RIGHT, _MOD, _XOR_X = 0x24, 0x74, 0x94, 0xAC
_A_TO_X, _RETURN_A = 0x07, 0x16
_JUMP, _IF_EQUAL = 0x05, 0x15


def slot_of(address: str, slots: int) -> int:
    """The worker, 0 to `slots` - 1, that this address belongs to."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    value = 0
    for (word,) in struct.iter_unpack("!I", ip.packed):
        value ^= word
    return ((value * _GOLDEN & 0xFFFF_FFFF) >> 16) % slots


def program(slots: int) -> bytes:
    """The same as instructions for the kernel."""
    source = _SKF_NET_OFF + _IPV6_SOURCE
    steps = [  # what to do, jump if true, jump if false, operand
        (_LOAD_BYTE, 0, 0, _SKF_NET_OFF),
        (_SHIFT_RIGHT, 0, 0, 4),
        (_IF_EQUAL, 0, 11, 6),  # else to the load of the IPv4 address
        (_LOAD_WORD, 0, 0, source),
        (_A_TO_X, 0, 0, 0),
        (_LOAD_WORD, 0, 0, source + 4),
        (_XOR_X, 0, 0, 0),
        (_A_TO_X, 0, 0, 0),
        (_LOAD_WORD, 0, 0, source + 8),
        (_XOR_X, 0, 0, 0),
        (_A_TO_X, 0, 0, 0),
        (_LOAD_WORD, 0, 0, source + 12),
        (_XOR_X, 0, 0, 0),
        (_JUMP, 0, 0, 1),  # over the load of the IPv4 address
        (_LOAD_WORD, 0, 0, _SKF_NET_OFF + _IPV4_SOURCE),
        (_MUL, 0, 0, _GOLDEN),
        (_SHIFT_RIGHT, 0, 0, 16),
        (_MOD, 0, 0, slots),
        (_RETURN_A, 0, 0, 0),
    ]
    return b"".join(struct.pack("HBBI", *step) for step in steps)


def attach(member: socket.socket, slots: int) -> None:
    """Make the kernel choose so in the SO_REUSEPORT group of this listening socket, from now on."""
    steps = program(slots)
    buffer = ctypes.create_string_buffer(steps, len(steps))
    # struct sock_fprog: the number of instructions, and a pointer to them.
    fprog = struct.pack("HP", len(steps) // 8, ctypes.addressof(buffer))
    member.setsockopt(socket.SOL_SOCKET, _ATTACH, fprog)


def in_kernel() -> bool:
    """Whether this system can; elsewhere connections are passed on by `slot_of`."""
    return sys.platform == "linux"
