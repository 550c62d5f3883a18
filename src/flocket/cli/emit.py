"""`flocket emit`: one event to the clients of running nodes, from a shell or cron. Needs the broker, not a server."""

from __future__ import annotations

import argparse
import json
from typing import Any

from flocket.errors import ConfigError

__all__ = ["add_parser"]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command, with what it runs as `run`."""
    parser = commands.add_parser("emit", help="send one event to the clients of running nodes, through their broker")
    parser.add_argument("url", metavar="URL", help="redis://host:6379, or redis+sharded://, redis+streams://")
    parser.add_argument("event", metavar="EVENT")
    parser.add_argument("texts", nargs="*", metavar="TEXT", help="the event's arguments, as text")
    parser.add_argument("--json", action="append", default=[], metavar="VALUE", dest="values",
                        help="a further argument, behind the texts, that is not text; may be repeated")
    parser.add_argument("--room", action="append", default=[], help="only to this room; may be repeated")
    parser.add_argument("--except", action="append", default=[], metavar="ROOM", dest="excepted",
                        help="not to this room; may be repeated")
    parser.add_argument("--namespace", default="/", metavar="NAME", help="as /admin (/)")
    parser.add_argument("--key", help="the nodes' `key` or `channel_prefix`, if it is not the usual one")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from flocket.emitter import Emitter

    arguments = [*options.texts, *map(_value, options.values)]
    named = {} if options.key is None else {"key": options.key}
    with Emitter(options.url, **named) as emitter:
        target = emitter.of(options.namespace)
        if options.room:
            target = target.to(*options.room)
        if options.excepted:
            target = target.except_(*options.excepted)
        target.emit(options.event, *arguments)
    return 0


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ConfigError(f"--json {text!r:.80}: not JSON ({error})") from None
