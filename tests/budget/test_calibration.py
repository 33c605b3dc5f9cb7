"""How finished runs correct the next estimate."""

import math
from dataclasses import replace

import pytest

from studio.budget.calibration import FROM_THE_MODEL, Correction, Measured, correct, ratios_of
from studio.budget.time import PARTS


def measured(ratio: float, *, base: str = "a/b", kind: str = "llama", method: str = "lora", age: float = 0) -> Measured:
    """A run whose every part took `ratio` times as long as estimated."""
    return Measured(base, kind, method, dict.fromkeys(PARTS, ratio), ratio, age)


def corrected(*runs: Measured) -> Correction:
    """For LoRA on a/b, on a GPU."""
    return correct(runs, base_model="a/b", model_type="llama", method="lora", kind="gpu")


def test_without_runs_nothing_is_corrected_and_the_range_is_wide() -> None:
    found = corrected()

    assert found.factors == {} and found.memory_factor == 1 and found.source == FROM_THE_MODEL
    assert found.spread == 0.45


def test_one_run_like_this_decides_and_narrows() -> None:
    found = corrected(measured(1.5))

    assert found.factors["step"] == pytest.approx(1.5)
    assert found.source == "from 1 run like this" and found.spread < 0.2


def test_the_nearest_run_counts_most() -> None:
    found = corrected(
        measured(1.5),
        measured(3.0, base="c/d", kind="qwen2", method="full"),
        measured(2.0, method="qlora"),
        measured(2.0, base="c/d"),
    )

    assert found.factors["step"] == pytest.approx(1.5 ** (1 / 1.6) * 2 ** (0.55 / 1.6) * 3 ** (0.05 / 1.6), rel=0.03)
    assert (found.runs_alike, found.runs) == (1, 4)


def test_runs_of_other_kinds_on_the_same_hardware_are_better_than_none() -> None:
    found = corrected(measured(1.4, base="c/d", kind="qwen2", method="full"))

    assert found.factors["step"] == pytest.approx(1.4)
    assert found.source == "estimated from the model and 1 other run on this hardware"
    assert corrected(measured(1.4)).spread < found.spread < 0.45


def test_a_busy_machine_moves_the_mean_of_many_runs_little() -> None:
    found = corrected(*[measured(ratio) for ratio in (1.0, 1.02, 0.98, 1.01, 0.99, 6.0)])

    assert found.factors["step"] == pytest.approx(1.0, abs=0.05)


def test_a_run_that_shared_the_machine_is_believed_in_part_only() -> None:
    disturbed = replace(measured(5.0), share_at_work=0.3)

    assert corrected(disturbed).factors["step"] == pytest.approx(5 ** (3 / 8))
    assert corrected(disturbed, measured(1.1)).factors["step"] == pytest.approx(1.1, rel=0.03)


def test_the_newer_of_two_runs_counts_more() -> None:
    found = corrected(measured(1.4), measured(1.0, age=120))

    assert found.factors["step"] == pytest.approx(1.4 ** (2 / 3))


def test_many_runs_narrow_the_range_and_scattered_ones_do_not() -> None:
    steady = corrected(*[measured(1.2)] * 8)
    scattered = corrected(*[measured(ratio) for ratio in (0.6, 2.4, 0.7, 2.0, 0.6, 2.2, 0.8, 1.9)])

    assert steady.spread < 0.11 < 0.25 < scattered.spread <= 0.45


def test_memory_is_corrected_with_care() -> None:
    assert 1.05 < corrected(measured(1.1)).memory_factor < 1.1
    assert corrected(*[measured(0.5)] * 20).memory_factor == 0.9


def test_ratios_need_both_sides_and_stay_within_bounds() -> None:
    found = ratios_of({"step": 2.0, "start": 0.0, "export": 1e9}, {"step": 1.0, "start": 1.0, "export": 1.0})

    assert found == {"step": 2.0, "export": 30.0}
    assert all(math.isfinite(ratio) for ratio in found.values())
