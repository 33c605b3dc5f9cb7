"""Where the website listens: loopback only until accounts exist, on a socket that outlives restarts of the website."""

import errno
import ipaddress
import socket

from studio.errors import StartupError
from studio.settings import Settings

BACKLOG = 128


def check_host(settings: Settings) -> None:
    """Refuse an address that other machines can reach; raises StartupError."""
    if settings.behind_proxy or _is_loopback(settings.host):
        return
    raise StartupError(
        f"TUNEWRIGHT_HOST={settings.host} is reachable from other machines, and there are no accounts yet to keep "
        "strangers out. Use 127.0.0.1, and reach it from elsewhere through an SSH tunnel."
    )


def listen(settings: Settings) -> socket.socket:
    """Bind and listen; port 0 takes a free one. Raises StartupError when the port is taken."""
    check_host(settings)
    host = settings.host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, settings.port))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise StartupError(_why_not(settings, error)) from error
    return listening


def url_of(listening: socket.socket) -> str:
    """The address to type into a browser on this machine."""
    host, port = listening.getsockname()[:2]
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - compared, not bound
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _why_not(settings: Settings, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {settings.port} is taken by another program. End that one, or choose another port: "
            "TUNEWRIGHT_PORT=8001 (0 takes any free one)."
        )
    if error.errno == errno.EACCES:
        return f"Port {settings.port} is reserved for the system. Choose one above 1023 with TUNEWRIGHT_PORT."
    return f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}. Check TUNEWRIGHT_HOST and _PORT."
