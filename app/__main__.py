"""Runs the website: `python -m app`, on its own socket or on one that the supervisor holds (`--listen-fd N`)."""

import argparse
import logging
import socket
import sys
from typing import cast

import uvicorn
from fastapi import FastAPI

from app.main import create_app
from studio.errors import StartupError
from studio.listening import check_host, listen
from studio.settings import Settings

# Downloads get this long before a restart cuts them.
SHUTDOWN_SECONDS = 5


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; 1 when it cannot start."""
    parser = argparse.ArgumentParser(prog="python -m app", description=__doc__)
    parser.add_argument("--listen-fd", type=int, help="descriptor of a listening socket")
    options = parser.parse_args(arguments)
    settings = Settings()
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        check_host(settings)
        listening = listen(settings) if options.listen_fd is None else socket.socket(fileno=options.listen_fd)
    except StartupError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    serve(settings, listening)
    return 0


class Server(uvicorn.Server):
    """Ends the streams of open pages first: the server waits for connections before it ends the application."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await cast(FastAPI, self.config.app).state.streams.close()
        await super().shutdown(sockets)


def serve(settings: Settings, listening: socket.socket) -> None:
    """Run uvicorn on an open socket."""
    config = uvicorn.Config(
        create_app(settings),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    Server(config).run(sockets=[listening])


if __name__ == "__main__":
    sys.exit(main())
