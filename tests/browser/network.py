"""The network between browser and website, which can be cut or go silent: Chromium's "offline" spares open streams."""

import contextlib
import select
import socket
import threading
from types import TracebackType
from urllib.parse import urlsplit

_LOOK_SECONDS = 0.05


class Network:
    """Forwards connections to an address; `url` is what the browser is given."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self._target = (parts.hostname or "", parts.port or 80)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._is_cut = False
        self._is_over = False
        # Connections of an earlier number than this one carry nothing any more.
        self._silent_before = 0
        self._threads = [threading.Thread(target=self._accept)]
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"

    def __enter__(self) -> "Network":
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over = True
        for thread in self._threads:
            thread.join()
        self._listening.close()

    def cut(self) -> None:
        """Close every connection and let no new one through; nothing passes any more when this returns."""
        self._is_cut = True
        for thread in self._threads[1:]:
            thread.join()

    def mend(self) -> None:
        """Let new connections through again."""
        self._is_cut = False

    def silence(self) -> None:
        """Carry nothing more on the connections that are open, without a word to either side."""
        self._silent_before = len(self._threads)

    def _accept(self) -> None:
        while not self._is_over:
            if select.select([self._listening], [], [], _LOOK_SECONDS)[0]:
                near, _ = self._listening.accept()
                thread = threading.Thread(target=self._carry, args=(near, len(self._threads)))
                self._threads.append(thread)
                thread.start()

    def _carry(self, near: socket.socket, number: int) -> None:
        """Both ways until either side closes; a reset is an end, too."""
        with near, contextlib.suppress(OSError):
            if self._is_cut:
                return
            with socket.create_connection(self._target) as far:
                other = {near: far, far: near}
                while not (self._is_cut or self._is_over):
                    for source in select.select([near, far], [], [], _LOOK_SECONDS)[0]:
                        data = source.recv(65536)
                        if not data:
                            return
                        if number >= self._silent_before:
                            other[source].sendall(data)
