"""`flocket config`: a load balancer's configuration for your nodes, printed, with the reasons as comments.

Knows how to fill in a template of balancers/, which knows the rest; asks no balancer and no node. In a
template, a line that begins with `?kind` is for that stickiness only (the first named is the default), a line
with `@address@` is for each node, and `@listen@` and the like are values.
"""

from __future__ import annotations

import argparse
import ipaddress
import re
from pathlib import Path

from flocket.errors import ConfigError

__all__ = ["BALANCERS", "add_parser", "configuration"]

TEMPLATES = Path(__file__).with_name("balancers")
BALANCERS = {
    "nginx": "nginx.conf",
    "haproxy": "haproxy.cfg",
    "caddy": "Caddyfile",
    "traefik": "traefik.yml",
    "kubernetes": "kubernetes.yml",
}
NODES = ["127.0.0.1:6001", "127.0.0.1:6002", "127.0.0.1:6003", "127.0.0.1:6004"]
HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
PATH = re.compile(r"/([A-Za-z0-9_./-]*/)?")
VARIANT = re.compile(r"\?(\w+)(.*\n)")


def configuration(
    program: str, nodes: list[str], *, listen: int = 3000, sticky: str | None = None, path: str = "/"
) -> str:
    """The configuration as text. ConfigError if a node or port is none, or if the program cannot stick that way."""
    lines = (TEMPLATES / BALANCERS[program]).read_text().splitlines(keepends=True)
    variants = list(dict.fromkeys(variant[1] for variant in map(VARIANT.match, lines) if variant))
    sticky = sticky or variants[0]
    if sticky not in variants:
        raise ConfigError(f"{program} cannot do --sticky {sticky}; it can: {', '.join(variants)}")
    if not 0 < listen < 65_536:
        raise ConfigError(f"--listen {listen}: a port, from 1 to 65535")
    if not PATH.fullmatch(path):
        raise ConfigError(f"--path {path!r}: begins and ends with a slash, as /socket.io/")
    addresses = [checked(node) for node in nodes]
    values = {
        "addresses": " ".join(addresses),
        "listen": str(listen),
        "path": path,
        "port": addresses[0].rpartition(":")[2],
        "replicas": str(len(addresses)),
    }
    text = ""
    for line in lines:
        variant = VARIANT.match(line)
        if variant and variant[1] != sticky:
            continue
        text += _filled(variant[2] if variant else line, addresses, values)
    return text


def _filled(line: str, addresses: list[str], values: dict[str, str]) -> str:
    if "@address@" in line:
        numbered = enumerate(addresses, start=1)
        return "".join(line.replace("@address@", it).replace("@number@", str(n)) for n, it in numbered)
    return re.sub(r"@(\w+)@", lambda place: values[place[1]], line)


def checked(node: str) -> str:
    """A node's host:port, which is about to become part of a configuration."""
    host, _, port = node.rpartition(":")
    if port.isascii() and port.isdigit() and 0 < int(port) < 65_536:
        if HOST.fullmatch(host):
            return node
        if host.startswith("[") and host.endswith("]"):
            try:
                return f"[{ipaddress.IPv6Address(host[1:-1])}]:{port}"
            except ValueError:
                pass
    raise ConfigError(f"--nodes {node!r}: host:port, as 127.0.0.1:6001 or [::1]:6001")


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command, with what it runs as `run`."""
    parser = commands.add_parser("config", help="print a load balancer's configuration, with the reasons")
    parser.add_argument("program", choices=BALANCERS)
    parser.add_argument("--nodes", nargs="+", default=NODES, metavar="HOST:PORT",
                        help="where the nodes listen (four on 127.0.0.1, from 6001)")
    parser.add_argument("--listen", type=int, default=3000, metavar="PORT", help="the port in front (3000)")
    parser.add_argument("--sticky", choices=["session", "address", "none"],
                        help="how a client stays with a node (the best that the program can)")
    parser.add_argument("--path", default="/", help="what to pass on, as /socket.io/ (everything)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    print(configuration(options.program, options.nodes, listen=options.listen, sticky=options.sticky,
                        path=options.path), end="")
    return 0
