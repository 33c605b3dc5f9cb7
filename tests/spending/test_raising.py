"""A higher cap: of a run that waits it is written down, what ended at its cap goes on as a new run."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from studio import runs, spending
from studio.actors import LOCAL_ACTOR
from studio.db import SessionFactory, reading, transaction
from studio.errors import Conflict, InvalidInput
from studio.queue import SilentQueue
from studio.runs import Alert, Run, Stint
from studio.runs.events import Stopped
from studio.settings import Settings
from tests.runs.states import STEP, claimed, in_state, trained

MakeRun = Callable[..., Run]
Raise = Callable[..., Run]


@pytest.fixture
def raise_cap(session_factory: SessionFactory, settings: Settings) -> Raise:
    def _raise(run: Run, **limits: float) -> Run:
        return spending.raise_cap(
            session_factory, LOCAL_ACTOR, run.id, queue=SilentQueue(), settings=settings, **limits
        )

    return _raise


@pytest.fixture
def capped(session_factory: SessionFactory, settings: Settings, make_run: MakeRun) -> Callable[..., Run]:
    """A run of two hours that ended at its cap, at its checkpoint."""

    def _capped(**beside: float) -> Run:
        run = make_run("Demo", base_model={"id": "Qwen/Qwen3-0.6B"}, budget={"max_hours": 2, **beside})
        lease = claimed(session_factory, run)
        trained(session_factory, lease, settings.runs_dir)
        with transaction(session_factory) as session:
            runs.record(session, lease, [Stopped(by="max_hours", step=STEP, total_steps=6)])
            runs.end(session, lease, "succeeded")
        runs.prune_checkpoints(session_factory, settings.runs_dir, run.id, keep=2)
        return _read(session_factory, run)

    return _capped


@pytest.mark.parametrize("state", ["queued", "paused"])
def test_what_waits_gets_a_higher_cap_and_loses_the_forecast_of_the_old_one(
    session_factory: SessionFactory, settings: Settings, make_run: MakeRun, raise_cap: Raise, state: str
) -> None:
    run = make_run(budget={"max_dollars": 2, "max_hours": 1})
    in_state(session_factory, run, state, settings.runs_dir)
    with transaction(session_factory) as session:
        session.add(Alert(run_id=run.id, kind="over_budget", epoch=1, step=2, facts={}))

    raised = raise_cap(run, max_dollars=5.5, max_hours=1)

    assert raised.id == run.id
    after = _read(session_factory, run)
    assert (after.run_spec.budget.max_dollars, after.run_spec.budget.max_hours) == (5.5, 1)
    assert (after.status, after.checkpoint_step) == ("queued", STEP)
    with reading(session_factory) as session:
        assert runs.read_alerts(session, after) == []
        assert runs.read_events(session, after)[-1].message == "The cap was raised: $2.00 → $5.50."


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        ({"max_hours": 1}, "higher than the present one"),
        ({"max_hours": 0.5}, "can only be raised; it is 1 h now"),
        ({"max_dollars": 3, "max_hours": 2}, "has no such cap"),
        ({"max_hours": float("inf")}, "less than or equal"),
        ({}, "higher than the present one"),
    ],
)
def test_a_cap_that_is_not_higher_is_refused_at_its_field(
    session_factory: SessionFactory, make_run: MakeRun, raise_cap: Raise, limits: dict[str, float], sentence: str
) -> None:
    run = make_run(budget={"max_hours": 1})

    with pytest.raises(InvalidInput, match=sentence) as refused:
        raise_cap(run, **limits)

    assert set(refused.value.fields) <= {"max_dollars", "max_hours"} and refused.value.fields
    assert _read(session_factory, run).run_spec.budget.max_hours == 1


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ("running", "pause it, raise the cap, then resume"),
        ("keeping", "already stopping"),
        ("succeeded", "not its own cap"),
        ("failed", "not its own cap"),
    ],
)
def test_what_trains_or_ended_otherwise_keeps_its_cap(
    session_factory: SessionFactory, make_run: MakeRun, raise_cap: Raise, state: str, sentence: str
) -> None:
    run = make_run(budget={"max_hours": 1})
    in_state(session_factory, run, state)

    with pytest.raises(Conflict, match=sentence):
        raise_cap(run, max_hours=2)


def test_a_run_that_ended_at_its_cap_goes_on_from_its_checkpoint_under_both_ones_cap(
    session_factory: SessionFactory, settings: Settings, capped: Callable[..., Run], raise_cap: Raise
) -> None:
    parent = capped()

    made, again = raise_cap(parent, max_hours=3), raise_cap(parent, max_hours=3)
    with pytest.raises(Conflict, match="already goes on from this run, under another cap"):
        raise_cap(parent, max_hours=4)

    assert again.id == made.id != parent.id
    after = _read(session_factory, made)
    assert (after.status, after.step, after.stopped_by, after.run_spec.budget.max_hours) == ("queued", STEP, None, 3)
    assert after.spec == parent.spec | {"budget": {"max_dollars": None, "max_hours": 3}}
    assert _read(session_factory, parent).run_spec.budget.max_hours == 2
    with reading(session_factory) as session:
        assert runs.continued_ids(session, after) == [made.id, parent.id]
        assert "cap" in runs.allowed_actions(parent, has_checkpoint=True)
    assert runs.checkpoint_folder(settings.runs_dir, parent.id, 1, STEP).is_dir()
    assert not runs.checkpoint_folder(settings.runs_dir, parent.id, 1, STEP - 2).exists()


def test_a_cap_that_lets_it_do_nothing_is_refused(
    session_factory: SessionFactory, make_run: MakeRun, capped: Callable[..., Run], raise_cap: Raise
) -> None:
    parent, waiting = capped(max_dollars=5), make_run(budget={"max_hours": 1})
    with transaction(session_factory) as session:
        session.add(Stint(run_id=waiting.id, epoch=1, began=0.0, until=7200.0, device="CPU", hardware="cpu"))

    with pytest.raises(InvalidInput, match="ended at its cap of 2 h: raise that one") as other:
        raise_cap(parent, max_dollars=6)
    with pytest.raises(InvalidInput, match="already held hardware for 2 h: say a higher cap") as spent:
        raise_cap(waiting, max_hours=1.5)

    assert set(other.value.fields) == set(spent.value.fields) == {"max_hours"}
    assert raise_cap(waiting, max_hours=2.5).run_spec.budget.max_hours == 2.5


def test_two_that_raise_at_once_both_raise(
    session_factory: SessionFactory, make_run: MakeRun, raise_cap: Raise
) -> None:
    run = make_run(budget={"max_hours": 1, "max_dollars": 1})
    limits: list[dict[str, float]] = [{"max_hours": 2}, {"max_dollars": 2}]

    with ThreadPoolExecutor(len(limits)) as pool:
        for one in [pool.submit(raise_cap, run, **limit) for limit in limits]:
            one.result()

    assert _read(session_factory, run).run_spec.budget.model_dump() == {"max_hours": 2, "max_dollars": 2}


def test_without_its_checkpoint_a_finished_run_does_not_begin_anew(
    session_factory: SessionFactory, settings: Settings, capped: Callable[..., Run], raise_cap: Raise
) -> None:
    parent = capped()
    runs.expire_checkpoints(session_factory, settings.runs_dir, days=0)

    with pytest.raises(Conflict, match="nothing to go on from"):
        raise_cap(parent, max_hours=3)


def test_rungs_and_trials_keep_their_caps(session_factory: SessionFactory, make_run: MakeRun, raise_cap: Raise) -> None:
    rung, trial = make_run(budget={"max_hours": 1}), make_run(budget={"max_hours": 1})
    with transaction(session_factory) as session:
        session.get_one(Run, rung.id).ladder_id = "lad_1"
        session.get_one(Run, trial.id).kind = "trial"

    for run, sentence in ((rung, "the cap of its ladder"), (trial, "A trial keeps")):
        with pytest.raises(Conflict, match=sentence):
            raise_cap(run, max_hours=2)
        assert "cap" not in runs.allowed_actions(_read(session_factory, run), has_checkpoint=True)


def _read(session_factory: SessionFactory, run: Run) -> Run:
    with reading(session_factory) as session:
        return session.get_one(Run, run.id)
