"""A handler's annotations as a check of what a client sent: count, type and conversion, by msgspec's strict rules.

Knows signatures and values; does not know events or sockets.
"""

from __future__ import annotations

import functools
import inspect
import sys
import typing
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from flocket.errors import ConfigError

__all__ = ["ArgumentError", "Signature", "check_takes"]

Convert = Callable[[Any], Any]

# What JSON has no type for may come as itself only: bytes from attachments, never from base64 text.
NATIVE_TYPES = (bytes, bytearray, memoryview)
POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def check_takes(function: object, *given: str, more: bool = False) -> None:
    """Raises ConfigError for what cannot be called with these arguments; with `more`, others may come behind them."""
    if not callable(function):
        raise ConfigError(f"a function is needed, not {function!r:.80}")
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return  # a builtin without a signature
    positional = [parameter for parameter in parameters if parameter.kind in POSITIONAL]
    if len(positional) < len(given) and not any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters):
        raise ConfigError(f"{_name(function)}: takes too few arguments; it is called with ({', '.join(given)})")
    if not more and any(p.default is inspect.Parameter.empty for p in positional[len(given) :]):
        raise ConfigError(f"{_name(function)}: takes too many arguments; it is called with ({', '.join(given)})")


class ArgumentError(Exception):
    """What the client sent does not fit; the message says which argument, and is sent to it."""


class Signature:
    """How one handler wants its arguments. `given` parameters (the socket, say) are filled by us, not by the client."""

    __slots__ = ("_converters", "_names", "_required", "_rest", "_simple")

    def __init__(self, function: Callable[..., Any], given: int, most: int | None = None) -> None:
        try:
            parameters = list(inspect.signature(function).parameters.values())
        except (TypeError, ValueError):  # a builtin without a signature takes what comes
            parameters = [inspect.Parameter("args", inspect.Parameter.VAR_POSITIONAL)]
        hints = _hints(function, parameters, given)
        self._names: list[str] = []
        self._converters: list[Convert | None] = []
        self._required = 0
        self._rest: Convert | bool = False  # whether more may come, and how each is converted
        for parameter in parameters:
            if parameter.kind in POSITIONAL:
                if given:
                    given -= 1
                    continue
                self._names.append(parameter.name)
                self._converters.append(_converter(hints.get(parameter.name, Any), function))
                if parameter.default is inspect.Parameter.empty:
                    self._required = len(self._names)
            elif parameter.kind is inspect.Parameter.VAR_POSITIONAL:
                self._rest, given = _converter(hints.get(parameter.name, Any), function) or True, 0
            elif (
                parameter.kind is inspect.Parameter.KEYWORD_ONLY
                and parameter.default is inspect.Parameter.empty
            ):
                raise ConfigError(
                    f"{_name(function)}: no client can fill the keyword argument {parameter.name!r}"
                )
        if given:
            raise ConfigError(f"{_name(function)}: takes too few arguments; the first is the socket")
        if most is not None and self._required > most:
            raise ConfigError(f"{_name(function)}: nothing is given for the argument {self._names[most]!r}")
        self._simple = not any(self._converters) and not callable(self._rest)

    @property
    def as_they_come(self) -> tuple[int, int]:
        """The least and the most arguments that `fit` would return unchanged; (1, 0) if it has to see them all."""
        if not self._simple:
            return 1, 0
        return self._required, sys.maxsize if self._rest else len(self._names)

    def fit(self, args: Sequence[Any]) -> Sequence[Any]:
        """The arguments as the handler gets them: surplus dropped, each checked. Raises ArgumentError."""
        count = len(args)
        if count < self._required:
            raise ArgumentError(f"argument {count + 1} ({self._names[count]}) is missing")
        if not self._rest and count > len(self._names):
            args = args[: len(self._names)]
        if self._simple:
            return args
        fitted = list(args)
        for index, value in enumerate(fitted):
            convert = self._converters[index] if index < len(self._names) else self._rest
            if callable(convert):
                try:
                    fitted[index] = convert(value)
                except (msgspec.ValidationError, ValueError) as error:
                    name = f" ({self._names[index]})" if index < len(self._names) else ""
                    raise ArgumentError(f"argument {index + 1}{name}: {_first_line(error)}") from error
        return fitted


def _hints(function: Callable[..., Any], parameters: list[inspect.Parameter], given: int) -> dict[str, Any]:
    """The types of what a client sends. What we give, and what is returned, may be annotated with anything."""
    needed = [p for p in parameters if p.annotation is not inspect.Parameter.empty]
    needed = [p for p in needed if p.kind not in POSITIONAL or parameters.index(p) >= given]
    target: Any = function
    while isinstance(target, functools.partial):
        target = target.func
    target = inspect.unwrap(target)
    if not hasattr(target, "__globals__"):  # an object with __call__
        target = getattr(target.__call__, "__func__", target)
    names = getattr(target, "__globals__", {})
    hints: dict[str, Any] = {}
    for parameter in needed:
        alone = _Annotated({parameter.name: parameter.annotation})
        try:
            hints |= typing.get_type_hints(alone, globalns=names, include_extras=True)
        except Exception as error:
            name = f"{_name(function)}: the annotation of {parameter.name!r}"
            raise ConfigError(f"{name} cannot be resolved: {error}") from error
    return hints


class _Annotated:
    """Something that has annotations: all that typing asks of it."""

    def __init__(self, annotations: dict[str, Any]) -> None:
        self.__annotations__ = annotations


def _converter(annotation: Any, function: Callable[..., Any]) -> Convert | None:
    if annotation is Any or annotation is inspect.Parameter.empty or isinstance(annotation, typing.TypeVar):
        return None
    if annotation is object:
        return None
    if _is_pydantic(annotation):
        return _pydantic_converter(annotation)
    try:
        msgspec.convert(None, annotation, strict=True, builtin_types=NATIVE_TYPES)
    except msgspec.ValidationError:
        pass
    except TypeError as error:
        raise ConfigError(f"{_name(function)}: annotation {annotation!r}: {_first_line(error)}") from error
    return lambda value: msgspec.convert(value, annotation, strict=True, builtin_types=NATIVE_TYPES)


def _is_pydantic(annotation: Any) -> bool:
    if hasattr(annotation, "__pydantic_core_schema__"):
        return True
    return any(_is_pydantic(part) for part in typing.get_args(annotation))


def _pydantic_converter(annotation: Any) -> Convert:
    from pydantic import TypeAdapter  # the user's own dependency: the annotation comes from it

    return TypeAdapter(annotation).validate_python


def _first_line(error: Exception) -> str:
    errors = getattr(error, "errors", None)
    if callable(errors):  # pydantic's own text spans lines and names its documentation
        first = errors()[0]
        path = ".".join(str(part) for part in first.get("loc", ()))
        return f"{path}: {first['msg']}" if path else str(first["msg"])
    return str(error).partition("\n")[0][:200]


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__qualname__", repr(function))
