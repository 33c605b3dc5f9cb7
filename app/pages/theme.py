"""The look that a person chose - light, dark or the system's - kept in a cookie."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse

from app.render import THEME_COOKIE

router = APIRouter()
_YEAR_SECONDS = 365 * 86_400


@router.post("/theme")
def choose_theme(request: Request, theme: Annotated[Literal["system", "light", "dark"], Form()]) -> RedirectResponse:
    """Remember the look and go back to the page."""
    response = RedirectResponse(_path_before(request), status_code=303)
    response.set_cookie(THEME_COOKIE, theme, max_age=_YEAR_SECONDS, samesite="lax", httponly=True)
    return response


def _path_before(request: Request) -> str:
    """The path of the page that was left; the host is dropped, so that nobody is sent elsewhere."""
    before = urlsplit(request.headers.get("referer", ""))
    path = "/" + before.path.lstrip("/")
    return f"{path}?{before.query}" if before.query else path
