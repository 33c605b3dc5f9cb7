"""A trial run ends as finished with its report, and without an adapter."""

from studio import adapters, runs
from studio.actors import LOCAL_ACTOR
from studio.db import reading, transaction
from studio.runs import Run
from tests.worker import standin
from tests.worker.benches import MakeRun, claim, on_sqlite, read, with_
from worker.bench import Bench
from worker.supervise import supervise


def trial(bench: Bench, make_run: MakeRun) -> Run:
    """A queued trial of a base model that holds nothing."""
    run = make_run(base_model={"id": "folder:tiny"})
    with transaction(bench.session_factory) as session:
        session.get_one(Run, run.id).kind = "trial"
    return run


def test_a_trial_succeeds_with_its_report_and_no_adapter(bench: Bench, make_run: MakeRun) -> None:
    run = trial(bench, make_run)

    supervise(with_(bench, train=standin.try_out), claim(bench))

    ended = read(bench, run.id)
    assert (ended.status, ended.phase, ended.trial) == ("succeeded", "done", {"step_seconds": 0.5})
    with reading(bench.session_factory) as session:
        assert adapters.adapter_of_run(session, ended) is None
        assert runs.read_events(session, ended)[-1].message == "The trial run is through."


@on_sqlite
def test_the_trainer_is_told_that_it_is_a_trial(bench: Bench, make_run: MakeRun) -> None:
    run = trial(bench, make_run)

    supervise(with_(bench, train=standin.try_out), claim(bench))

    folder = runs.attempt_folder(bench.settings.runs_dir, run.id, 1)
    assert '"purpose": "trial"' in (folder / "assignment.json").read_text()


@on_sqlite
def test_a_trial_is_cancelled_or_run_again_and_nothing_else(bench: Bench, make_run: MakeRun) -> None:
    run = read(bench, trial(bench, make_run).id)

    assert runs.allowed_actions(run, has_checkpoint=False) == ("cancel",)
    supervise(with_(bench, train=standin.try_out), claim(bench))

    assert runs.allowed_actions(read(bench, run.id), has_checkpoint=False) == ("again",)


@on_sqlite
def test_running_a_trial_again_makes_another_trial(bench: Bench, make_run: MakeRun, queue: object) -> None:
    run = trial(bench, make_run)
    supervise(with_(bench, train=standin.try_out), claim(bench))

    with transaction(bench.session_factory) as session:
        again = runs.run_again(session, LOCAL_ACTOR, run.id, queue=queue, settings=bench.settings)  # type: ignore[arg-type]

        assert (again.kind, again.trial) == ("trial", {})
