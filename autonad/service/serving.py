"""A port, and the server on it."""

from __future__ import annotations

import socket
from ipaddress import ip_address

import uvicorn

from autonad.errors import ConfigError
from autonad.service.app import Service, create_app
from autonad.service.limits import Limits
from autonad.service.protocol import impatient

# Idle connections of clients are kept so long, seconds; more than a line's usual pause between two images.
KEEP_ALIVE_S = 30
# Beyond the body's own limit, after which it has been answered already, seconds.
SPARE_S = 5


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Args:
        host: Name or address.
        port: 0 for any that is free.

    Raises:
        ConfigError: The port is taken, or the address is none of this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(
            f"cannot listen at {host}, port {port}: {reason}; choose another with --host and --port"
        ) from error


def address_of(listening: socket.socket) -> str:
    """Where a browser finds it."""
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def is_local(listening: socket.socket) -> bool:
    """Whether only this machine can reach it."""
    return ip_address(listening.getsockname()[0].partition("%")[0]).is_loopback


def make_server(service: Service, limits: Limits, token: str | None = None) -> uvicorn.Server:
    """The server; `run(sockets=[…])` answers until a signal asks to end, then what has begun is answered.

    Args:
        service: What answers.
        limits: How long clients may take.
        token: What clients must send; None asks for nothing.
    """
    config = uvicorn.Config(
        create_app(service, token),
        http=impatient(arrival_seconds=limits.body_seconds + SPARE_S, taking_seconds=limits.seconds),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=round(limits.seconds) + SPARE_S,
    )
    return uvicorn.Server(config)
