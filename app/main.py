"""The website: services made once, checks around every request, and the routers of pages, API and streams."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import metadata, resources

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from app import api, downloads, errors, health, live, pages
from app.deps import Services
from app.housekeeping import Housekeeper
from app.limits import UPLOAD_SLACK_BYTES, BodyLimit
from app.security import HostCheck, OriginCheck, ResponseHeaders
from studio.datasets import discard_leftovers
from studio.db import make_engine, make_session_factory
from studio.house import UsageMeter
from studio.queue import CeleryQueue, SilentQueue
from studio.settings import Settings
from studio.storage import LocalStorage
from studio.wire import Wire

UPLOAD_ROUTES = (("POST", "/datasets"), ("POST", "/api/datasets"), ("PUT", "/api/datasets/upload"))
_YEAR_SECONDS = 365 * 86_400
LEFTOVER_SECONDS = 3600.0


def create_app(settings: Settings, services: Services | None = None) -> FastAPI:
    """Build the application; services that are passed in stay their owner's to close."""
    made = services or make_services(settings)
    streams = live.Streams(redis_url(settings), made.session_factory)
    housekeeper = Housekeeper(made)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        # What a killed process left half received; another website on the same folder may be receiving now.
        discard_leftovers(settings.uploads_dir, older_than_seconds=LEFTOVER_SECONDS)
        housekeeper.start()
        yield
        await streams.close()
        housekeeper.stop()
        if services is None:
            close_services(made)

    app = FastAPI(
        title="Tunewright",
        description="The studio's functions for programs; the pages stand on the same ones.",
        version=_version(),
        lifespan=lifespan,
        openapi_url="/api/openapi.json",
        # The bundled viewers load scripts from elsewhere and run them inline, which the CSP forbids.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        middleware=_middleware(settings),
    )
    app.state.services = made
    app.state.streams = streams
    app.state.housekeeping = housekeeper
    app.state.usage = UsageMeter(settings, made.session_factory)
    errors.install(app)
    app.mount("/static", _StaticFiles(directory=str(resources.files("app") / "static"), check_dir=False))
    app.include_router(health.router)
    app.include_router(api.router, prefix="/api", responses=errors.ERROR_RESPONSES)
    app.include_router(live.router, responses=errors.ERROR_RESPONSES)
    app.include_router(downloads.router, include_in_schema=False)
    app.include_router(pages.router)
    return app


def make_services(settings: Settings) -> Services:
    """Open what the settings name."""
    return Services(
        settings=settings,
        session_factory=make_session_factory(make_engine(settings.sqlalchemy_url)),
        storage=LocalStorage(settings.storage_dir),
        queue=CeleryQueue(settings.redis_url) if settings.redis_url else SilentQueue(),
        wire=Wire(redis_url(settings)),
    )


def close_services(services: Services) -> None:
    """Close the connections that `make_services` opened."""
    services.wire.close()
    services.session_factory.kw["bind"].dispose()


def redis_url(settings: Settings) -> str:
    """The configured Redis; without one a socket that nobody listens on, which is the same as Redis being down."""
    return settings.redis_url or f"unix://{settings.data_dir / 'no-redis.sock'}"


def _middleware(settings: Settings) -> list[Middleware]:
    """Outermost first: a refusal of any of them is worded by ErrorEdge and carries the headers."""
    upload_limit = settings.upload_limit_bytes + UPLOAD_SLACK_BYTES
    return [
        Middleware(ResponseHeaders),
        Middleware(errors.ErrorEdge),
        Middleware(HostCheck, allowed_hosts=settings.allowed_hosts),
        Middleware(OriginCheck),
        Middleware(BodyLimit, limits=dict.fromkeys(UPLOAD_ROUTES, upload_limit)),
    ]


class _StaticFiles(StaticFiles):
    """Static files: an address with the content's hash (`?v=`) is kept for a year, any other is asked for anew."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        versioned = scope["query_string"].startswith(b"v=") and response.status_code < 400
        keep = f"public, max-age={_YEAR_SECONDS}, immutable" if versioned else "no-cache"
        response.headers["cache-control"] = keep
        return response


def _version() -> str:
    try:
        return metadata.version("tunewright")
    except metadata.PackageNotFoundError:
        return "0"
