"""A ladder of LoRA over the demo model that is started, and climbed by a round."""

from collections.abc import Callable
from typing import Any

import pytest

from studio import ladders
from studio.actors import LOCAL_ACTOR
from studio.datasets import DatasetVersion
from studio.db import SessionFactory, transaction
from studio.runs import RunSpec
from studio.settings import Settings
from tests.ladders.climbs import QUEUE, Start


@pytest.fixture
def start(session_factory: SessionFactory, settings: Settings, version: DatasetVersion) -> Start:
    """Start a ladder of LoRA over the demo model; gives its id."""

    def _start(key: str | None = None, *, budget: dict[str, float] | None = None, **named: Any) -> str:
        data = {"dataset_version_id": version.id, "sha256": version.sha256}
        spec = RunSpec.model_validate({"data": data, "method": {"kind": "lora"}, "budget": budget or {}})
        with transaction(session_factory) as session:
            return ladders.start_ladder(
                session, LOCAL_ACTOR, spec, queue=QUEUE, settings=settings, idempotency_key=key, **named
            ).id

    return _start


@pytest.fixture
def climb(session_factory: SessionFactory, settings: Settings) -> Callable[[], int]:
    """Make one round over the ladders."""
    return lambda: ladders.climb(session_factory, queue=QUEUE, settings=settings)
