"""What may be sent, as hypothesis makes it; kept small, so that the whole floor is tested in seconds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from flocket.codec.socketio import RESERVED_EVENTS, Packet, PacketType

quick = settings(max_examples=150, deadline=None)
quicker = settings(max_examples=40, deadline=None)  # where each example is cut at every byte

texts = st.text(max_size=20)
whole = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)  # without lone surrogates
integers = st.integers(-(2**53), 2**53)
floats = st.floats(allow_nan=False, allow_infinity=False)
plain_scalars = st.none() | st.booleans() | integers | floats
moments = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)).map(
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000, fold=0)
)


def values(scalars: st.SearchStrategy[Any], keys: st.SearchStrategy[str] = texts) -> st.SearchStrategy[Any]:
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=5) | st.dictionaries(keys, inner, max_size=5),
        max_leaves=15,
    )


json_values = values(plain_scalars | texts)
binary_values = values(plain_scalars | texts | st.binary(max_size=20))
msgpack_values = values(plain_scalars | whole | st.binary(max_size=20) | moments, whole)

namespaces = st.just("/") | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters=",?"), min_size=1, max_size=40
).map(lambda name: f"/{name}")
ids = st.integers(0, 2**53)
names = whole.filter(lambda name: name not in RESERVED_EVENTS) | integers


def packets(data: st.SearchStrategy[Any]) -> st.SearchStrategy[Packet]:
    objects = st.dictionaries(whole, data, max_size=4)
    return st.one_of(
        st.builds(Packet, st.just(PacketType.CONNECT), namespaces, st.none() | objects),
        st.builds(Packet, st.just(PacketType.DISCONNECT), namespaces),
        st.builds(
            Packet,
            st.just(PacketType.EVENT),
            namespaces,
            st.tuples(names, st.lists(data, max_size=4)).map(lambda event: [event[0], *event[1]]),
            st.none() | ids,
        ),
        st.builds(Packet, st.just(PacketType.ACK), namespaces, st.lists(data, max_size=4), ids),
        st.builds(Packet, st.just(PacketType.CONNECT_ERROR), namespaces, whole | objects),
    )
