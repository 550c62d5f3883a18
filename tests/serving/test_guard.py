"""The guard alone: what counts towards a head, and which time runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from flocket.options import Limits
from flocket.serving.guard import Guard


def guarded(test: Callable[[Guard], None]) -> None:
    async def main() -> None:
        test(Guard(Limits(header_bytes=100, headers=3), asyncio.get_running_loop()))

    asyncio.run(main())


def begin(guard: Guard) -> None:
    guard.in_head = True


def fits(guard: Guard, size: int, *met: Callable[[Guard], None], in_body: bool = False) -> bool:
    """Whether that much may come, of which the parser tells this."""
    guard.reads(size, in_body)
    for tell in met:
        tell(guard)
    return guard.fits()


def test_a_head_counts_from_its_first_byte_on() -> None:
    def test(guard: Guard) -> None:
        assert fits(guard, 60, begin)
        assert fits(guard, 40)
        assert not fits(guard, 1)

    guarded(test)


def test_a_head_that_begins_behind_another_request_is_counted_from_the_next_bytes_on() -> None:
    def test(guard: Guard) -> None:
        assert fits(guard, 90, begin, Guard.head_ends, Guard.message_ends, begin)
        assert fits(guard, 100)
        assert not fits(guard, 1)

    guarded(test)


def test_a_head_does_not_count_what_came_of_the_one_before_it() -> None:
    def test(guard: Guard) -> None:
        assert fits(guard, 60, begin)
        assert fits(guard, 60, Guard.head_ends, Guard.message_ends, begin)
        assert fits(guard, 100)
        assert not fits(guard, 1)

    guarded(test)


def test_a_body_does_not_count_and_what_the_parser_keeps_silent_about_does() -> None:
    def test(guard: Guard) -> None:
        assert fits(guard, 50, begin, Guard.head_ends)
        assert fits(guard, 90_000, Guard.body_comes, in_body=True)
        assert fits(guard, 100, in_body=True)  # trailers
        assert not fits(guard, 1, in_body=True)
        guard.message_ends()
        assert fits(guard, 100)

    guarded(test)


@pytest.mark.parametrize(
    ("received", "url", "headers", "admitted"),
    [
        (100, b"/" * 100, [(b"a", b"b")], True),
        (101, b"/" * 95, [(b"a", b"b")], False),
        (101, b"/" * 94, [(b"a", b"b")], True),
        (50, b"/", [(b"a", b"b")] * 4, False),
    ],
)
def test_a_whole_head_is_measured_where_it_might_be_too_large(
    received: int, url: bytes, headers: list[tuple[bytes, bytes]], admitted: bool
) -> None:
    def test(guard: Guard) -> None:
        fits(guard, received, begin, Guard.head_ends)
        assert guard.admits(url, headers) is admitted

    guarded(test)


def test_the_time_of_a_head_runs_from_when_it_was_first_expected() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        late: asyncio.Future[float] = loop.create_future()
        guard = Guard(Limits(header_time=0.05), loop)
        began = loop.time()
        guard.expect_head(lambda: late.set_result(loop.time()))
        guard.expect_head(lambda: late.set_result(-1))
        assert await asyncio.wait_for(late, 5) >= began + 0.05

    asyncio.run(main())


def test_a_body_has_its_time_for_each_part_and_for_all_of_it() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        for limits in (Limits(body_idle=0.05), Limits(poll_time=0.05)):
            late: asyncio.Future[None] = loop.create_future()
            guard = Guard(limits, loop)
            guard.body_time_begins()
            guard.expect_body(lambda late=late: late.set_result(None))  # type: ignore[misc]  # a lambda's default
            await asyncio.wait_for(late, 5)

    asyncio.run(main())


def test_nothing_is_late_once_it_came() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        called: list[str] = []
        guard = Guard(Limits(header_time=0.01), loop)
        guard.expect_head(lambda: called.append("head"))
        guard.head_ends()
        done: asyncio.Future[None] = loop.create_future()
        guard.within(0.03, lambda: done.set_result(None))
        await asyncio.wait_for(done, 5)
        assert called == []

    asyncio.run(main())
