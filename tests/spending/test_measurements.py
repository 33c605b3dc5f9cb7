"""What a run that is over teaches, from the last words of its trainer."""

from collections.abc import Callable
from typing import Any

import pytest

from studio import base_models, spending
from studio.actors import LOCAL_ACTOR
from studio.budget import HARDWARE, find_hardware
from studio.budget.memory import memory_of
from studio.budget.shapes import shape_of
from studio.budget.time import PARTS
from studio.db import SessionFactory, reading, transaction
from studio.runs import Measurement, Run, Stint
from studio.settings import Settings

TOLD: dict[str, Any] = {
    "device": "Some processor",
    "device_kind": "cpu",
    "threads": 2,
    "threads_used": 2,
    "rows": {"mean_tokens": 60.0, "longest_tokens": 90, "learned_share": 0.4},
    "seconds": {"loading_model": 0.2, "preparing_data": 0.3, "training": 9.0, "evaluating": 2.0, "exporting": 0.1},
    "pace": {
        "steps": 20,
        "step_seconds": 0.39,
        "mean_step_seconds": 0.4,
        "first_step_seconds": 0.7,
        "padded_tokens_per_step": 1280.0,
        "seconds_each": {"validation": 0.3, "answers": 0.2, "checkpoint": 0.05},
        "times": {"validation": 4, "answers": 4, "checkpoint": 2},
    },
    "peak_memory_bytes": 9e8,
}


def _remembered(session_factory: SessionFactory, run: Run, settings: Settings, told: dict[str, Any]) -> Any:
    with transaction(session_factory) as session:
        row = session.get_one(Run, run.id)
        row.resolved, row.epoch = told, 1
        session.add(Stint(run_id=run.id, epoch=1, began=0.0, until=12.0))
    with transaction(session_factory) as session:
        spending.remember(session, run.id, settings)
    with reading(session_factory) as session:
        return session.get(Measurement, run.id)


def test_every_part_is_kept_beside_its_estimate(
    session_factory: SessionFactory, make_run: Callable[..., Run], settings: Settings
) -> None:
    kept = _remembered(session_factory, make_run(), settings, TOLD)

    assert (kept.hardware, kept.model_type, kept.base_model, kept.method) == ("cpu", "llama", "demo", "lora")
    measured = kept.facts["measured"]
    assert measured["step"] == 0.4 and measured["checkpoint"] == 0.05 and measured["export"] == 0.1
    # Of an evaluation, what is not answering is validation and the weights that it keeps.
    assert measured["validation"] == pytest.approx(2.0 / 4 - 0.2)
    # Of the 11.6 s told by phase and at most 3 s beside them, the start is what no other part accounts for.
    assert measured["start"] == pytest.approx(11.6 + 3 - 0.3 - 0.1 - 2.0 - 2 * 0.05 - 20 * 0.4)
    assert set(kept.facts["estimated"]) == set(PARTS)
    assert kept.facts["memory"] == {"measured": 9e8, "estimated": kept.facts["memory"]["estimated"]}


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_trial_tells_itself_what_its_start_took(
    session_factory: SessionFactory, make_run: Callable[..., Run], settings: Settings
) -> None:
    # It exports nothing, and makes steps on the longest rows that it does not count.
    seconds = {"loading_model": 0.2, "preparing_data": 0.3, "training": 30.0, "evaluating": 0.5}
    pace = TOLD["pace"] | {"start_seconds": 1.25, "times": {"validation": 1, "answers": 1, "checkpoint": 1}}

    kept = _remembered(session_factory, make_run(), settings, TOLD | {"seconds": seconds, "pace": pace})

    measured = kept.facts["measured"]
    assert measured["start"] == 1.25
    assert measured["validation"] == pytest.approx(0.5 - 0.2)
    assert measured["export"] == 0.0


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_the_memory_of_a_gpu_is_compared_without_what_torch_does_not_tell(
    session_factory: SessionFactory, make_run: Callable[..., Run], settings: Settings
) -> None:
    on_gpu = TOLD | {"device_kind": "cuda", "device": "NVIDIA L4"}
    spec = make_run().run_spec
    config = base_models.config_of("demo", None)
    assert config is not None
    memory = memory_of(spec, shape_of(config), HARDWARE["l4"], 90)

    kept = _remembered(session_factory, make_run(), settings, on_gpu)

    assert kept.hardware == "l4"
    assert kept.facts["memory"]["estimated"] == memory.total - memory.context - memory.slack


def test_what_was_kept_comes_back_as_ratios_for_the_same_hardware_and_owner(
    session_factory: SessionFactory, make_run: Callable[..., Run], settings: Settings
) -> None:
    _remembered(session_factory, make_run(), settings, TOLD)
    cpu, other = find_hardware("cpu", None, 2), find_hardware("NVIDIA L4")
    assert cpu is not None and other is not None

    with reading(session_factory) as session:
        (found,) = spending.measured_on(session, LOCAL_ACTOR, cpu)
        none = spending.measured_on(session, LOCAL_ACTOR, other)

    assert none == [] and found.method == "lora" and 0 <= found.age_days < 1
    assert 0.1 < found.ratios["step"] < 10


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "changed",
    [
        {"pace": TOLD["pace"] | {"steps": 0}},
        {"device_kind": "cuda", "device": "NVIDIA Quantum 9000"},
    ],
)
def test_a_run_without_a_step_or_on_unknown_hardware_teaches_nothing(
    session_factory: SessionFactory, make_run: Callable[..., Run], settings: Settings, changed: dict[str, Any]
) -> None:
    assert _remembered(session_factory, make_run(), settings, TOLD | changed) is None


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_run_whose_trainer_told_nothing_teaches_nothing(
    session_factory: SessionFactory, make_run: Callable[..., Run], settings: Settings
) -> None:
    assert _remembered(session_factory, make_run(), settings, {}) is None


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_base_model_whose_folder_is_gone_does_not_stand_in_the_way_of_the_end(
    session_factory: SessionFactory, make_run: Callable[..., Run], settings: Settings
) -> None:
    run = make_run()
    with transaction(session_factory) as session:
        session.get_one(Run, run.id).base_model = "folder:moved-away"

    assert _remembered(session_factory, run, settings, TOLD) is None


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_single_step_is_no_pace(
    session_factory: SessionFactory, make_run: Callable[..., Run], settings: Settings
) -> None:
    _remembered(session_factory, make_run(), settings, TOLD | {"pace": TOLD["pace"] | {"steps": 1}})
    cpu = find_hardware("cpu", None, 2)
    assert cpu is not None

    with reading(session_factory) as session:
        (found,) = spending.measured_on(session, LOCAL_ACTOR, cpu)

    assert "step" not in found.ratios and "checkpoint" in found.ratios
