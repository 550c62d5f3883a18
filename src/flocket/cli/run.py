"""`flocket run module:name`: serve a Server, an EngineServer or any ASGI application of the user's.

Knows how to find the object and which way it is run; does not know how it is served.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import sys
import traceback
from pathlib import Path
from typing import Any

from flocket.cli.serve import add_options, given
from flocket.errors import ConfigError, FlocketError

__all__ = ["add_parser", "load"]


def load(target: str) -> Any:
    """The object that `module:name` (or `module:name.attribute`) names; ConfigError if there is none.

    Where the module itself fails, its traceback is printed, as that says where.
    """
    module_name, separator, path = target.partition(":")
    if not (module_name and separator and path):
        raise ConfigError(f"{target!r}: module:name, as in app:io for `io` of app.py")
    found: Any = _module(module_name)
    for part in path.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise ConfigError(f"{target!r}: {module_name} has no {path!r}") from None
    return found


def _module(name: str) -> Any:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)  # an installed command does not look into the working directory by itself
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            raise ConfigError(f"no module {error.name!r} in {here} or on Python's path") from None
        raise _own_error(name, error) from error  # the module is there, and misses one of its own
    except FlocketError:
        raise
    except Exception as error:
        raise _own_error(name, error) from error


def _own_error(module: str, error: Exception) -> ConfigError:
    """Print the traceback of a user's module, from where it is the user's own; what is left to say in one line."""
    trace = error.__traceback__
    while trace is not None and _is_on_the_way(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    traceback.print_exception(type(error), error, trace)
    return ConfigError(f"{module} cannot be imported: {type(error).__name__}, see above")


def _is_on_the_way(file: str) -> bool:
    return file in (__file__, importlib.__file__) or file.startswith("<frozen importlib")


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command, with what it runs as `run`."""
    parser = commands.add_parser("run", help="serve a Server, or an ASGI application")
    parser.add_argument("target", metavar="MODULE:NAME", help="as app:io, for `io` of app.py in this folder")
    add_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    target = load(options.target)

    from flocket import EngineServer, Server
    from flocket.serving.lifecycle import run_app

    if options.adapter and not isinstance(target, Server):
        raise ConfigError(f"--adapter: {options.target} is no Server: call io.adapter(...) in its module")
    if isinstance(target, Server):
        if options.adapter:
            target.adapter(options.adapter)
        target.run(options.host, options.port, **given(options))
    elif isinstance(target, EngineServer):
        target.run(options.host, options.port, **given(options))
    elif callable(target):
        run_app(target, options.host, options.port, **given(options))
    else:
        raise ConfigError(f"{options.target} is neither a Server nor an ASGI application: {target!r:.60}")
    return 0
