"""Every route of the application, so that a test of "all routes" cannot miss a new one."""

import re
from collections.abc import Iterator

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts

SOME_ID = "run_01k0000000000000000000000a"
SAFE = {"GET", "HEAD", "OPTIONS"}


def all_routes(app: FastAPI) -> Iterator[tuple[str, str]]:
    """Method and path template of each route; a mount stands for one file in it."""
    for context in iter_route_contexts(app.routes):
        path = str(context.path)
        if path == "/static":
            yield "GET", "/static/app.css"
            continue
        for method in sorted(getattr(context, "methods", None) or ()):
            yield method, path


def query_names(app: FastAPI) -> Iterator[tuple[str, list[str]]]:
    """Path template of each route that is read, with the names that its query may have."""
    for context in iter_route_contexts(app.routes):
        dependant = getattr(context, "dependant", None)
        if dependant is not None and "GET" in (context.methods or ()):
            yield str(context.path), sorted(_of_dependant(dependant))


def _of_dependant(dependant: Dependant) -> set[str]:
    own = {str(parameter.alias) for parameter in dependant.query_params}
    return own.union(*map(_of_dependant, dependant.dependencies))


def filled(path: str, value: str = SOME_ID) -> str:
    """The path with a value for every parameter."""
    return re.sub(r"\{[^}]+\}", value, path)


def unsafe_routes(app: FastAPI) -> list[tuple[str, str]]:
    """Those that change something."""
    return [(method, path) for method, path in all_routes(app) if method not in SAFE]
