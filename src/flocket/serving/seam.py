"""What the fast face uses of uvicorn's and httptools' inside, and whether the installed ones have it.

Imports nothing of ours, so that whoever may serve can ask before he imports the fast face.
"""

from __future__ import annotations

__all__ = ["check_seam"]

# By where they are defined.
METHODS = (
    "connection_made", "connection_lost", "data_received", "handle_websocket_upgrade", "on_body", "on_header",
    "on_headers_complete", "on_message_begin", "on_message_complete", "on_response_complete", "shutdown",
    "_should_upgrade", "_unset_keepalive_if_required", "_unsupported_upgrade_warning",
)  # fmt: skip
ATTRIBUTES = (
    "app", "client", "connections", "cycle", "expect_100_continue", "flow", "headers", "limit_concurrency", "loop",
    "parser", "pipeline", "scheme", "server_state", "tasks", "timeout_keep_alive_task", "transport",
)  # fmt: skip
OF_A_CYCLE = ("disconnected", "message_event", "response_complete", "response_started")
PARSER = ("feed_data", "get_http_version", "get_method", "should_keep_alive", "should_upgrade")


def check_seam() -> str | None:
    """Why the fast face does not fit the installed uvicorn and httptools; None if it does."""
    try:
        from httptools import HttpRequestParser
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
    except ImportError as error:
        return str(error)
    for name in METHODS:
        if not callable(getattr(HttpToolsProtocol, name, None)):
            return f"uvicorn's HttpToolsProtocol has no {name}()"
    for made, names in ((HttpToolsProtocol, ATTRIBUTES), (RequestResponseCycle, OF_A_CYCLE)):
        for name in names:
            if name not in made.__init__.__code__.co_names:
                return f"uvicorn's {made.__name__} has no attribute {name}"
    for name in PARSER:
        if not hasattr(HttpRequestParser, name):
            return f"httptools' parser has no {name}()"
    return None
