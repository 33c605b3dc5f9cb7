"""The posted fields of a form whose names are not known to the route."""

from typing import Annotated

from fastapi import Depends, Request


async def _form_values(request: Request) -> dict[str, str]:
    """The posted fields; of two with one name the last counts, which is how an unticked box says no."""
    async with request.form(max_files=1, max_fields=500) as form:
        return {name: value for name, value in form.multi_items() if isinstance(value, str)}


FormValues = Annotated[dict[str, str], Depends(_form_values)]
