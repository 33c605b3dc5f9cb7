"""Turns a template and its context into a response; the words for numbers, sizes and times live here."""

import hashlib
import json
import math
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from importlib import resources
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from app import amounts
from studio.base_models import DEMO_ID, FOLDER_PREFIX
from studio.budget.licensing import for_reading
from studio.db import utc_now
from studio.methods import METHODS

STATUS_ICONS = {
    "queued": "clock",
    "starting": "loader-circle",
    "running": "loader-circle",
    "finalizing": "save",
    "succeeded": "circle-check",
    "failed": "circle-x",
    "cancelled": "ban",
}
THEME_COOKIE = "theme"
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def render(
    request: Request,
    template: str,
    context: Mapping[str, Any],
    status_code: int = 200,
    headers: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """Render a page or a partial; nothing that depends on the moment is cached by the browser."""
    text = environment().get_template(template).render(request=request, theme=theme_of(request), **context)
    fresh = {"Cache-Control": "no-store", "Vary": "HX-Request, Cookie"}
    return HTMLResponse(text, status_code=status_code, headers=fresh | dict(headers or {}))


def is_fragment_request(request: Request) -> bool:
    """Whether htmx asks for a part of a page."""
    return request.headers.get("HX-Request") == "true"


def go_to(request: Request, path: str) -> Response:
    """Send the browser on after a change: by a redirect, or by a header when htmx asks."""
    if is_fragment_request(request):
        return Response(status_code=200, headers={"HX-Redirect": path})
    return RedirectResponse(path, status_code=303)


def theme_of(request: Request) -> str:
    """The look that the person chose; `system` follows the browser."""
    chosen = request.cookies.get(THEME_COOKIE, "system")
    return chosen if chosen in {"light", "dark"} else "system"


@lru_cache(maxsize=1)
def environment() -> Environment:
    """The templates; a name that is not there is an error, never an empty string."""
    made = Environment(
        loader=FileSystemLoader(str(resources.files("templates"))),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(asset=asset, sri=sri, icon=icon, status_icons=STATUS_ICONS, methods=METHODS)
    made.globals.update(dollars_between=amounts.dollars_between, time_between=amounts.time_between)
    made.filters.update(
        ago=ago,
        moment=moment,
        file_size=file_size,
        memory_size=memory_size,
        duration=duration,
        loss=loss,
        count=count,
        compact=compact,
        base_name=base_name,
        dollars=amounts.dollars,
        hourly=amounts.hourly,
        gib=amounts.gib,
        short_count=amounts.short_count,
        short_memory=amounts.short_memory,
        for_reading=for_reading,
    )
    return made


@lru_cache(maxsize=64)
def asset(path: str) -> str:
    """The URL of a static file; its hash in the query lets browsers keep it for ever."""
    content = resources.files("app").joinpath("static", path)
    digest = hashlib.sha256(content.read_bytes()).hexdigest()[:10] if content.is_file() else "missing"
    return f"/static/{path}?v={digest}"


def sri(path: str) -> Markup:
    """The `integrity` attribute of a vendored file, which set-up hashed; nothing for a file that it did not bring."""
    known = _vendored_hashes().get(path.removeprefix("vendor/"))
    return Markup(' integrity="sha384-{}"').format(known) if known else Markup("")


@lru_cache(maxsize=1)
def _vendored_hashes() -> dict[str, str]:
    """SHA-384 in base64 by file name, as scripts/vendor_frontend.py wrote them."""
    manifest = resources.files("app").joinpath("static", "vendor", "MANIFEST.json")
    entries = json.loads(manifest.read_text(encoding="utf-8")) if manifest.is_file() else []
    return {entry["file"]: entry["sha384"] for entry in entries}


def icon(name: str) -> Markup:
    """An icon of the sprite; words beside it carry the meaning."""
    source = f"{asset('vendor/icons.svg')}#{name}"
    return Markup('<svg class="icon icon-{}" aria-hidden="true"><use href="{}"></use></svg>').format(name, source)


def ago(value: datetime | None) -> str:
    """How long ago, in the largest unit that is at least one."""
    if value is None:
        return "never"
    seconds = max(0.0, (utc_now() - value).total_seconds())
    if seconds < 45:
        return "just now"
    for size, word in ((_DAY, "day"), (_HOUR, "hour"), (_MINUTE, "minute")):
        if seconds >= size:
            number = int(seconds // size)
            return f"{number} {word}{'' if number == 1 else 's'} ago"
    return "1 minute ago"


def moment(value: datetime | None) -> str:
    """The absolute time, for titles."""
    return value.strftime("%Y-%m-%d %H:%M:%S UTC") if value else ""


def file_size(size_bytes: float | None) -> str:
    """Files in decimal units, as file browsers show them."""
    return _scaled(size_bytes, 1000, ("bytes", "kB", "MB", "GB", "TB"))


def memory_size(size_bytes: float | None) -> str:
    """Memory in binary units, as drivers report it."""
    return _scaled(size_bytes, 1024, ("bytes", "KiB", "MiB", "GiB", "TiB"))


def duration(seconds: float | None) -> str:
    """A span of time in at most two units."""
    if seconds is None or not math.isfinite(seconds):
        return "–"
    whole = max(0, round(seconds))
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02d} s"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02d} min"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR} h"


def loss(value: float | None) -> str:
    """A loss with the digits that mean something."""
    if value is None:
        return "–"
    return f"{value:.3f}" if abs(value) >= 0.0995 else f"{value:.3g}"


def count(value: float | None) -> str:
    """A whole number with separators."""
    return "–" if value is None else f"{value:,.0f}"


def compact(value: float | None) -> str:
    """A setting as people write it: 2e-4, 0.05, 16."""
    if value is None:
        return "–"
    if isinstance(value, int) or value == 0 or 0.001 <= abs(value) < 100_000:
        return f"{value:g}"
    mantissa, exponent = f"{value:.6e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}"


def base_name(base_model_id: str) -> str:
    """A base model's id as a person reads it."""
    return "Demo base model" if base_model_id == DEMO_ID else base_model_id.removeprefix(FOLDER_PREFIX)


def _scaled(size: float | None, step: int, units: tuple[str, ...]) -> str:
    if size is None:
        return "–"
    for unit in units:
        if abs(size) < step or unit == units[-1]:
            break
        size /= step
    return f"{size:,.0f} {unit}" if unit == "bytes" or size >= 100 else f"{size:.3g} {unit}"
