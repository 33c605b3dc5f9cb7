"""Requests wait for a session without holding a thread, so that those who have one can go on."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from fastapi import FastAPI

from studio.runs import Run

# More than the threads and the connections of the process together.
AT_ONCE = 80


@pytest.mark.parametrize("path", ["/api/runs/{}", "/runs/{}/status"])
def test_a_crowd_of_requests_is_answered(
    serve: Callable[[FastAPI], str], app: FastAPI, make_run: Callable[..., Run], path: str
) -> None:
    address = serve(app) + path.format(make_run().id)

    def ask(_: int) -> int:
        return httpx2.get(address, timeout=25, trust_env=False).status_code

    with ThreadPoolExecutor(AT_ONCE) as crowd:
        assert set(crowd.map(ask, range(AT_ONCE))) == {200}
