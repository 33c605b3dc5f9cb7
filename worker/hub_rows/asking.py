"""The worker's side: what the program that fetches rows is asked, and in which environment it runs."""

from collections.abc import Mapping
from typing import Any

from worker.bench import Bench
from worker.hub_rows.order import TOKEN_VARIABLE
from worker.order import ENVIRONMENT


def request_of(source: Mapping[str, Any], bench: Bench) -> dict[str, Any]:
    """What the program is asked, for the source of an arrival."""
    settings = bench.settings
    return {**source, "endpoint": settings.hub_endpoint, "limit_bytes": settings.upload_limit_bytes}


def environ_of(bench: Bench) -> dict[str, str]:
    """The environment of downloads, with the token if there is one."""
    token = {TOKEN_VARIABLE: bench.hub_token} if bench.hub_token else {}
    return {**bench.download_environ, **ENVIRONMENT, **token}
