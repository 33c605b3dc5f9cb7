"""What people do with runs, and when the hint is sent."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from studio import runs
from studio.actors import LOCAL_ACTOR, Actor
from studio.datasets import DatasetVersion
from studio.db import SessionFactory, reading, transaction
from studio.errors import InvalidInput, NotFound
from studio.runs import Run, RunSpec
from studio.settings import Settings

MakeRun = Callable[..., Run]
SOMEONE_ELSE = Actor(id="usr_other")


class Noticed:
    """A queue that keeps what was sent, and what the database held at that moment."""

    def __init__(self, session_factory: SessionFactory) -> None:
        self._session_factory = session_factory
        self.sent: list[str] = []
        self.found: list[bool] = []

    def send(self, run_id: str) -> None:
        self.sent.append(run_id)
        with reading(self._session_factory) as session:
            self.found.append(session.get(Run, run_id) is not None)


@pytest.fixture
def queue(session_factory: SessionFactory) -> Noticed:
    return Noticed(session_factory)


@pytest.fixture
def spec(version: DatasetVersion) -> RunSpec:
    return runs.validate_spec(
        {
            "base_model": {"id": "Qwen/Qwen3-0.6B"},
            "data": {"dataset_version_id": version.id, "sha256": version.sha256},
        }
    )


@pytest.fixture
def launch(spec: RunSpec, queue: Noticed, settings: Settings) -> Callable[..., Run]:
    def _launch(session: object, **arguments: object) -> Run:
        given = {"actor": LOCAL_ACTOR, "spec": spec, **arguments}
        return runs.launch(session, given.pop("actor"), given.pop("spec"), queue=queue, settings=settings, **given)

    return _launch


def test_a_trial_holds_a_name_that_version_0_1_refuses_for_it_would_train_the_whole_run(
    session_factory: SessionFactory, launch: Callable[..., Run], spec: RunSpec
) -> None:
    with transaction(session_factory) as session:
        trial, training = launch(session, terms=runs.Terms(kind="trial")), launch(session)

    assert "budget" in trial.spec and "budget" not in training.spec
    assert trial.run_spec == spec


def test_the_hint_is_sent_after_the_commit(
    session_factory: SessionFactory, launch: Callable[..., Run], queue: Noticed
) -> None:
    with transaction(session_factory) as session:
        run = launch(session)
        assert queue.sent == []

    assert (queue.sent, queue.found) == ([run.id], [True])
    assert run.status == "queued"


def test_a_rollback_sends_nothing(session_factory: SessionFactory, launch: Callable[..., Run], queue: Noticed) -> None:
    with pytest.raises(RuntimeError), transaction(session_factory) as session:
        launch(session)
        raise RuntimeError("stop")

    assert queue.sent == []


def test_a_savepoint_is_no_commit(session_factory: SessionFactory, launch: Callable[..., Run], queue: Noticed) -> None:
    with transaction(session_factory) as session:
        with session.begin_nested():
            run = launch(session)
        assert queue.sent == []
        with session.begin_nested():
            run.name = "Other"
        assert queue.sent == []

    assert (queue.sent, queue.found) == ([run.id], [True])


def test_two_launches_in_one_session_are_hinted_once_each(
    session_factory: SessionFactory, launch: Callable[..., Run], queue: Noticed
) -> None:
    with session_factory() as session:
        first = launch(session)
        session.commit()
        second = launch(session)
        session.commit()

    assert queue.sent == [first.id, second.id]


def test_a_run_is_named_by_what_it_does(session_factory: SessionFactory, launch: Callable[..., Run]) -> None:
    with transaction(session_factory) as session:
        assert launch(session).name == "Numbers - QLoRA on Qwen3 0.6B"
        assert launch(session, name="  My\u202e \x00 run\n").name == "My run"
        assert len(launch(session, name="x" * 900).name) == 200


def test_the_plan_is_on_the_row_at_once(session_factory: SessionFactory, launch: Callable[..., Run]) -> None:
    with transaction(session_factory) as session:
        # 32 rows in batches of 16, three times.
        assert launch(session).total_steps == 6


def test_the_same_key_gives_the_same_run(
    session_factory: SessionFactory, launch: Callable[..., Run], queue: Noticed
) -> None:
    with transaction(session_factory) as session:
        first = launch(session, idempotency_key="k1")
    with transaction(session_factory) as session:
        again = launch(session, idempotency_key="k1")
        other = launch(session, idempotency_key="k2")

    assert again.id == first.id
    assert queue.sent == [first.id, other.id]


def test_the_same_key_twice_at_once_makes_one_run(session_factory: SessionFactory, launch: Callable[..., Run]) -> None:
    def _click(_: int) -> str:
        with transaction(session_factory) as session:
            return launch(session, idempotency_key="double-click").id

    with ThreadPoolExecutor(6) as pool:
        ids = set(pool.map(_click, range(6)))

    assert len(ids) == 1


def test_data_that_is_not_there_is_refused_at_its_field(
    session_factory: SessionFactory, launch: Callable[..., Run], spec: RunSpec
) -> None:
    absent = spec.model_copy(update={"data": spec.data.model_copy(update={"dataset_version_id": "dsv_" + "0" * 26})})
    other = spec.model_copy(update={"data": spec.data.model_copy(update={"sha256": "0" * 64})})

    with transaction(session_factory) as session:
        with pytest.raises(InvalidInput) as caught:
            launch(session, spec=absent)
        assert "data.dataset_version_id" in caught.value.fields
        with pytest.raises(InvalidInput) as caught:
            launch(session, spec=other)
        assert "data.sha256" in caught.value.fields


def test_another_actor_sees_nothing(
    session_factory: SessionFactory, launch: Callable[..., Run], make_run: MakeRun
) -> None:
    run = make_run()

    with transaction(session_factory) as session:
        for look in (runs.get_run, runs.cancel):
            with pytest.raises(NotFound):
                look(session, SOMEONE_ELSE, run.id)
        with pytest.raises(NotFound):
            runs.rename(session, SOMEONE_ELSE, run.id, "Mine")
        with pytest.raises(InvalidInput):
            launch(session, actor=SOMEONE_ELSE)
        assert runs.list_runs(session, SOMEONE_ELSE) == []


def test_the_queue_tells_each_its_place(session_factory: SessionFactory, make_run: MakeRun) -> None:
    queued = [make_run(f"Run {number}") for number in range(3)]

    with reading(session_factory) as session:
        assert [runs.queue_position(session, run) for run in queued] == [0, 1, 2]


def test_runs_are_listed_newest_first_in_pages(session_factory: SessionFactory, make_run: MakeRun) -> None:
    made = [make_run(f"Run {number}").id for number in range(5)]

    with reading(session_factory) as session:
        page = runs.list_runs(session, LOCAL_ACTOR, limit=3)
        rest = runs.list_runs(session, LOCAL_ACTOR, limit=3, after=page[-1].id)
    assert [run.id for run in [*page, *rest]] == made[::-1]


def test_a_run_can_be_renamed_but_not_to_nothing(session_factory: SessionFactory, make_run: MakeRun) -> None:
    run = make_run("First name")

    with transaction(session_factory) as session:
        assert runs.rename(session, LOCAL_ACTOR, run.id, "Second").name == "Second"
        assert runs.rename(session, LOCAL_ACTOR, run.id, " \n ").name == "Second"


def test_rows_with_two_answers_are_not_trained_on(
    session_factory: SessionFactory, launch: Callable[..., Run], version: DatasetVersion
) -> None:
    with transaction(session_factory) as session:
        kept = session.get(DatasetVersion, version.id)
        assert kept is not None
        kept.canonical = "preference"

    with pytest.raises(InvalidInput) as refusal, transaction(session_factory) as session:
        launch(session)

    assert refusal.value.fields == {
        "data.dataset_version_id": "Preference rows hold two answers; make a version that keeps the chosen one, then"
        " train on it."
    }
