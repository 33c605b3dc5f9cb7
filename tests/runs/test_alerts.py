"""Alerts on a run's curves: kept once, forgotten where the run goes back to before them, found again."""

from collections.abc import Callable
from pathlib import Path

from studio import runs
from studio.db import SessionFactory, reading, transaction
from studio.runs import Lease, Run
from studio.runs.events import Alerted
from tests.runs.states import checkpointed, claimed

MakeRun = Callable[..., Run]


def test_an_alert_that_is_told_twice_is_kept_as_it_was_first_told(
    session_factory: SessionFactory, make_run: MakeRun
) -> None:
    run = make_run()
    lease = claimed(session_factory, run)

    _tell(session_factory, lease, Alerted(kind="divergence", step=4, facts={"from": 2.0}))
    _tell(session_factory, lease, Alerted(kind="divergence", step=9, facts={"from": 1.0}))
    _tell(session_factory, lease, Alerted(kind="overfitting", step=2))

    assert _alerts(session_factory, run) == [("overfitting", 2, 1, {}), ("divergence", 4, 1, {"from": 2.0})]


def test_what_was_found_behind_the_checkpoint_is_forgotten_and_may_be_found_again(
    session_factory: SessionFactory, make_run: MakeRun, tmp_path: Path
) -> None:
    run = make_run()
    first = claimed(session_factory, run)
    _tell(session_factory, first, Alerted(kind="overfitting", step=2))
    checkpointed(session_factory, first, tmp_path, 2)
    _tell(session_factory, first, Alerted(kind="divergence", step=3))
    with transaction(session_factory) as session:
        runs.hand_back(session, first, "The worker was stopped.")

    second = claimed(session_factory, run)
    kept = _alerts(session_factory, run)
    _tell(session_factory, second, Alerted(kind="overfitting", step=2))
    _tell(session_factory, second, Alerted(kind="divergence", step=5))

    assert kept == [("overfitting", 2, 1, {})]
    assert _alerts(session_factory, run) == [("overfitting", 2, 1, {}), ("divergence", 5, 2, {})]


def test_without_a_checkpoint_all_is_forgotten(session_factory: SessionFactory, make_run: MakeRun) -> None:
    run = make_run()
    first = claimed(session_factory, run)
    _tell(session_factory, first, Alerted(kind="zero_loss", step=1))
    with transaction(session_factory) as session:
        runs.hand_back(session, first, "The worker was stopped.")

    claimed(session_factory, run)

    assert _alerts(session_factory, run) == []


def _tell(session_factory: SessionFactory, lease: Lease, alert: Alerted) -> None:
    with transaction(session_factory) as session:
        runs.record(session, lease, [alert])


def _alerts(session_factory: SessionFactory, run: Run) -> list[tuple[str, int, int, dict[str, float]]]:
    with reading(session_factory) as session:
        return [(one.kind, one.step, one.epoch, one.facts) for one in runs.read_alerts(session, run)]
