"""What every request must pass and every response carries, as plain ASGI so that static files and streams are in."""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from studio.errors import Forbidden

# Nothing inline, nothing from elsewhere. Charts set styles through the CSSOM, which style-src 'self' allows.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
RESPONSE_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^\s:/@\[\]]+)(?::\d{1,5})?")


class ResponseHeaders:
    """Adds the headers of safety to every response, errors included."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add_headers(MutableHeaders(scope=message))
            await send(message)

        await self._app(scope, receive, guarded)


class HostCheck:
    """Refuses other host names: a foreign page that points its own name at this machine gets nothing."""

    def __init__(self, app: ASGIApp, allowed_hosts: Iterable[str]) -> None:
        self._app = app
        self._allowed = {name.lower() for name in allowed_hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in {"http", "websocket"}:
            hosts = Headers(scope=scope).getlist("host")
            if len(hosts) != 1 or host_name(hosts[0]) not in self._allowed:
                raise HTTPException(400, "This host name is not served here; set TUNEWRIGHT_ALLOWED_HOSTS to add it.")
        await self._app(scope, receive, send)


class OriginCheck:
    """Refuses changes that another site's page asks for.

    No cookie or other credential carries authority in local mode, so a request without both headers - curl, a
    script - has nothing to borrow and is let through: every browser sends at least one of them with an unsafe
    method. Whoever adds accounts must refuse such requests once they carry a session.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in _SAFE_METHODS and not _is_own(Headers(scope=scope)):
            raise Forbidden("This request came from another site and was refused. Use the studio's own pages.")
        await self._app(scope, receive, send)


def host_name(host: str) -> str | None:
    """The name in a Host header without its port; None when it is not of that form."""
    match = _HOST.fullmatch(host.lower())
    return match.group(1) if match else None


def _is_own(headers: Headers) -> bool:
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if origin == "null":
        return False
    if site is not None:
        return site in {"same-origin", "none"}
    return origin is None or _authority(origin) == headers.get("host", "").lower()


def _authority(origin: str) -> str | None:
    try:
        parts = urlsplit(origin.lower())
    except ValueError:
        return None
    return parts.netloc if parts.scheme in {"http", "https"} else None


def _add_headers(headers: MutableHeaders) -> None:
    for name, value in RESPONSE_HEADERS.items():
        headers[name] = value
    headers.setdefault("cache-control", "no-store")
    if headers.get("content-type", "").startswith("text/html"):
        # The same URL answers a page or a part of it.
        headers.add_vary_header("HX-Request")
