"""`flocket demo`: the chat, served, and what is served where, said. The chat itself is flocket.demo."""

from __future__ import annotations

import argparse

from flocket.cli.serve import add_options, given

__all__ = ["add_parser"]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command, with what it runs as `run`."""
    parser = commands.add_parser("demo", help="serve a chat that shows what there is")
    add_options(parser)
    parser.add_argument("--cluster", metavar="NAME", help="be one with the demos of this machine that share the name")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from flocket.demo.app import io
    from flocket.demo.page import page
    from flocket.serving.lifecycle import run_app

    io._cluster = options.cluster  # the chat is made when it is imported; a program of yours says Server(cluster=)
    if options.adapter:
        io.adapter(options.adapter)
    run_app(
        io.asgi(page),
        options.host,
        options.port,
        on_listening=lambda urls: print(introduction(urls[0], options), flush=True),
        **given(options),
    )
    return 0


def introduction(root: str, options: argparse.Namespace) -> str:
    """What is served where."""
    from flocket.serving.client_files import CDN, ClientFiles

    folder = ClientFiles(True).folder
    served = f"{options.workers} workers" if options.workers > 1 else "one process"
    if options.adapter or options.cluster:
        served += f", joined to others by {options.adapter or options.cluster}"
    return "\n".join((
        f"The chat:        {root}/   (open it twice)",
        f"Socket.IO:       {root}/socket.io/",
        f"Its JavaScript:  {root}/socket.io/socket.io.js   from {folder or CDN}",
        f"Served by:       {served}",
        "Ctrl-C ends it.",
    ))
