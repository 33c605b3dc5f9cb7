"""The posted fields of a form whose names are not known to the route."""

from typing import Annotated

from fastapi import Depends, Request

_FIELDS = 500
# Some two thousand turns, with role, text and place each; the body's size is limited elsewhere.
_MANY_FIELDS = 6000


async def _form_values(request: Request) -> dict[str, str]:
    """The posted fields; of two with one name the last counts, which is how an unticked box says no."""
    return await _read(request, _FIELDS)


async def _many_values(request: Request) -> dict[str, str]:
    """The same of a form with the texts of long rows or of many."""
    return await _read(request, _MANY_FIELDS)


async def _read(request: Request, fields: int) -> dict[str, str]:
    async with request.form(max_files=1, max_fields=fields) as form:
        return {name: value for name, value in form.multi_items() if isinstance(value, str)}


FormValues = Annotated[dict[str, str], Depends(_form_values)]
ManyValues = Annotated[dict[str, str], Depends(_many_values)]
