"""Runs with the settings of an earlier one, or with what a suggestion makes of them."""

from collections.abc import Callable

import pytest

from studio import runs
from studio.actors import LOCAL_ACTOR
from studio.db import SessionFactory, transaction
from studio.errors import InvalidInput
from studio.queue import SilentQueue
from studio.runs import Run
from studio.runs.lifecycle import next_name
from studio.settings import Settings
from tests.runs.states import in_state


def test_running_again_takes_the_spec_or_a_suggestion_of_it(
    session_factory: SessionFactory, make_run: Callable[..., Run], settings: Settings
) -> None:
    parent = make_run(base_model={"id": "Qwen/Qwen3-0.6B"})
    in_state(session_factory, parent, "failed", settings.runs_dir)

    def _again(**options: str) -> Run:
        with transaction(session_factory) as session:
            return runs.run_again(session, LOCAL_ACTOR, parent.id, queue=SilentQueue(), settings=settings, **options)

    same, smaller = _again(idempotency_key="k1"), _again(suggestion="batch")

    assert (same.spec, same.parent_run_id, same.checkpoint_step) == (parent.spec, parent.id, None)
    assert _again(idempotency_key="k1").id == same.id
    assert smaller.run_spec.hyperparameters.batch_size == 2
    assert smaller.run_spec.hyperparameters.effective_batch == 16
    with pytest.raises(InvalidInput, match="no such suggestion"):
        _again(suggestion="magic")


def test_names_count_on() -> None:
    assert [next_name("Demo"), next_name("Demo (2)"), next_name("A (b)")] == ["Demo (2)", "Demo (3)", "A (b) (2)"]
    assert len(next_name("x" * 200)) <= 200
