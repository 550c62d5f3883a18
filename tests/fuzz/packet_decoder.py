"""Feed the packet decoders with sound packets made unsound, and see that nothing but DecodeError comes out.

Run it as `python -m tests.fuzz.packet_decoder --seconds 10`; the seed that it prints repeats a run. A packet
that is accepted must also be one that the encoder can send, and that reads as the same then.
"""

from __future__ import annotations

import argparse
import json
import random
import secrets
import time
from collections import Counter
from collections.abc import Callable
from functools import partial

from flocket.codec import engineio3, msgpack, payload, socketio
from flocket.codec.errors import DecodeError
from flocket.codec.socketio import Assembly
from flocket.errors import EncodeError

TEXTS = [
    b"0",
    b'0/admin,{"token":"x"}',
    b"1/a,",
    b'2["e"]',
    b'2/a,12["e",{"a":[1,2.5e3,null,true,"\\ud83d\\ude00"]}]',
    b"3/a,7[]",
    b'4{"message":"no"}',
    b'51-["e",{"_placeholder":true,"num":0}]',
    b'52-/a,3["e",{"_placeholder":true,"num":1},[{"_placeholder":true,"num":0}]]',
    b'61-4[{"_placeholder":true,"num":0}]',
    b'2["\\ud800",-0,1e21,12345678901234567890]',
]
PAYLOADS = [
    b"2probe\x1e4hello\x1ebAQID",
    b"6:4hello6:b4AQID1:6",
    b"\x00\x06\xff4hello\x01\x04\xff\x04\x01\x02\x03",
]
MESSAGES = [
    bytes.fromhex("84a47479706502a46461746192a165d7ffa1a5d60065937d25a2696403a36e7370a22f61"),
    bytes.fromhex("83a47479706500a46461746181a3736964a178a36e7370a12f"),
    bytes.fromhex("82a47479706501a36e7370a12f"),
]
PIECES = [
    *[b"[", b"]", b"{", b"}", b'"', b"\\", b"\\ud800", b"\xf0\x9f\x98\x80", b"\xff", b"\x1e", b"/", b","],
    *[b"-", b"1", b"9" * 30, b"1e999", b"NaN", b"null", b"true", b'{"_placeholder":true,"num":-1}'],
    *[b"connect", b"[" * 200, b"\x91" * 200, b"\xdd\xff\xff\xff\xff", b"\xd9\xa3", b"\xc2\xb2", b"\x00"],
]


def mutate(data: bytes, chance: random.Random) -> bytes:
    """`data` changed in one to four places: a piece put in, a stretch cut, doubled or redrawn, a bit."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        start = chance.randint(0, len(changed))
        end = min(len(changed), start + chance.randint(0, 8))
        match chance.randrange(5):
            case 0:
                changed[start:start] = chance.choice(PIECES)
            case 1:
                del changed[start:end]
            case 2:
                changed[start:start] = changed[start:end]
            case 3:
                changed[start:end] = chance.randbytes(end - start)
            case _ if start < len(changed):
                changed[start] ^= 1 << chance.randrange(8)
    return bytes(changed)


def decode_text(data: bytes) -> None:
    packet = socketio.decode(data.decode("utf-8", "replace"))
    if packet.attachments:
        assembly = Assembly(packet)
        for _ in range(packet.attachments):
            packet = assembly.add(b"x") or packet
    try:
        text, buffers = socketio.encode(packet)
    except EncodeError as error:
        # The one thing that may come but not go: an integer of a sender that has more than doubles.
        if "the integer" in str(error):
            return
        raise
    again = socketio.decode(text[1:].decode(), namespace_bytes=10_000)
    assert again.attachments == len(buffers)
    assert (again.nsp, again.id) == (packet.nsp, packet.id)
    if not buffers:
        assert again.type == packet.type
        assert json.dumps(again.data) == json.dumps(packet.data)


def decode_message(data: bytes) -> None:
    msgpack.decode(data)


def decode_payloads(data: bytes) -> None:
    for read in (
        lambda: list(payload.decode_payload(data, 100)),
        lambda: engineio3.decode_payload(data, False, 100),
        lambda: engineio3.decode_payload(data, True, 100),
    ):
        refused(read)


TARGETS: list[tuple[Callable[[bytes], None], list[bytes]]] = [
    (decode_text, TEXTS),
    (decode_message, MESSAGES),
    (decode_payloads, PAYLOADS),
]


def refused(read: Callable[[], object]) -> bool:
    try:
        read()
    except DecodeError:
        return True
    return False


def fuzz(seconds: float, seed: int) -> Counter[str]:
    """Run for so long; returns how many inputs each target accepted and refused, or raises what it raised."""
    chance = random.Random(seed)
    counts: Counter[str] = Counter()
    corpora = [list(corpus) for _, corpus in TARGETS]
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for _ in range(100):
            number = chance.randrange(len(TARGETS))
            target, corpus = TARGETS[number][0], corpora[number]
            data = mutate(chance.choice(corpus), chance)
            try:
                bad = refused(partial(target, data))
            except Exception as error:
                error.add_note(f"{target.__name__} of {data!r}, seed {seed}")
                raise
            counts[f"{target.__name__} {'refused' if bad else 'accepted'}"] += 1
            if not bad and len(corpus) < 500 and len(data) < 2_000:
                corpus.append(data)  # what is still sound leads further in
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description="Fuzz the packet decoders.")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    seed = secrets.randbits(32) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    for name, count in sorted(fuzz(options.seconds, seed).items()):
        print(f"{count:>10,} {name}")


if __name__ == "__main__":
    main()
