"""A small client of the studio's JSON API, for the demo; the standard library is enough."""

import hashlib
import http.client
import json
import secrets
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from studio.errors import StudioError

TIMEOUT_SECONDS = 60


class RequestFailed(StudioError):
    """The studio refused, or did not answer."""


class Client:
    """Requests to one studio."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def get(self, path: str) -> Any:
        """The JSON behind a path."""
        return self._json(urllib.request.Request(self._url + path))  # noqa: S310 - http, see check_url

    def text(self, path: str) -> str:
        """The text behind a path."""
        with self._open(urllib.request.Request(self._url + path)) as answer:  # noqa: S310
            return answer.read().decode(errors="replace")

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Send JSON, get JSON."""
        headers = {"content-type": "application/json"}
        return self._json(
            urllib.request.Request(self._url + path, json.dumps(body).encode(), headers)  # noqa: S310
        )

    def upload(self, path: str, file: Path) -> Any:
        """Send a file as the field `file` of a form (RFC 7578), get JSON."""
        boundary = secrets.token_hex(16)
        head = (
            f'--{boundary}\r\ncontent-disposition: form-data; name="file"; filename="{file.name}"\r\n'
            "content-type: application/octet-stream\r\n\r\n"
        )
        body = head.encode() + file.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
        headers = {"content-type": f"multipart/form-data; boundary={boundary}"}
        return self._json(urllib.request.Request(self._url + path, body, headers))  # noqa: S310

    def download(self, path: str, target: Path) -> str:
        """Save a file and return its SHA-256 in hex."""
        digest = hashlib.sha256()
        with self._open(urllib.request.Request(self._url + path)) as answer, target.open("wb") as file:  # noqa: S310
            while piece := answer.read(1 << 20):
                digest.update(piece)
                file.write(piece)
        return digest.hexdigest()

    def _json(self, request: urllib.request.Request) -> Any:
        with self._open(request) as answer:
            return json.load(answer)

    def _open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        # No proxy of the environment: the studio is on this machine or named by the person.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            answer: http.client.HTTPResponse = opener.open(request, timeout=TIMEOUT_SECONDS)
        except urllib.error.HTTPError as error:
            raise RequestFailed(_told(error)) from error
        except OSError as error:
            raise RequestFailed(f"The studio at {self._url} does not answer ({error}).") from error
        return answer


def check_url(url: str) -> str:
    """Only http and https addresses; raises RequestFailed."""
    if not url.startswith(("http://", "https://")):
        raise RequestFailed(f"{url} is not the address of a studio; one looks like http://127.0.0.1:8000.")
    return url


def _told(error: urllib.error.HTTPError) -> str:
    """The studio's own sentence where the answer has one."""
    said = error.read().decode(errors="replace")
    try:
        told = json.loads(said)["error"]
    except (ValueError, KeyError, TypeError):
        return f"The studio answered {error.code} to {error.url}."
    details = [*told.get("problems", []), *(f"{field}: {text}" for field, text in told.get("fields", {}).items())]
    return " ".join([told.get("message", f"The studio answered {error.code}."), *details[:5]])
