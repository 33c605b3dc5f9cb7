"""What is said before launch of hardware without bfloat16, and of DoRA's dropout."""

from typing import Any

import pytest

from studio.budget.cautions import cautions_of
from studio.budget.estimate import Caution, Estimate
from studio.budget.estimating import estimate_of
from studio.budget.fixes import applied
from studio.budget.hardware import HARDWARE
from studio.runs import RunSpec, make_plan
from tests.budget.test_time import LENGTHS, shape, spec_of


def told(spec: RunSpec, hardware_id: str) -> tuple[Estimate, dict[str, Caution]]:
    """The estimate there, and its cautions by key."""
    found = estimate_of(spec, make_plan(spec, 1000), shape(), HARDWARE[hardware_id], LENGTHS)
    return found, {one.key: one for one in cautions_of(spec, shape(), LENGTHS, found, ())}


def precision_of(name: str) -> RunSpec:
    return spec_of(hyperparameters={"precision": name})


def test_a_gpu_without_bfloat16_computes_in_float32_and_says_so() -> None:
    usual, cautions = told(precision_of("auto"), "t4")
    asked, others = told(precision_of("float32"), "t4")

    assert usual.memory_bytes == asked.memory_bytes and usual.seconds == asked.seconds
    assert "has no bfloat16, so this run computes in float32" in cautions["precision"].sentence
    assert "precision" not in others
    assert "precision" not in told(precision_of("auto"), "l4")[1]


@pytest.mark.parametrize(("hardware_id", "times"), [("t4", "twice"), ("cpu", "three times")])
def test_bfloat16_that_is_emulated_is_slower_than_float32(hardware_id: str, times: str) -> None:
    emulated, cautions = told(precision_of("bfloat16"), hardware_id)
    plain, _ = told(precision_of("auto"), hardware_id)

    assert emulated.parts["step"] > plain.parts["step"]
    assert f"about {times} as long as in float32" in cautions["precision"].sentence


@pytest.mark.parametrize(("method", "is_told"), [({}, True), ({"dropout": 0.0}, False)])
def test_what_dropout_costs_with_dora_is_told_with_a_way_out(method: dict[str, Any], is_told: bool) -> None:
    spec = spec_of(method={"kind": "dora"} | method)

    found, cautions = told(spec, "l4")

    assert ("dropout" in cautions) is is_told
    for fix in cautions["dropout"].fixes if is_told else ():
        without, _ = told(applied(spec, fix.changes), "l4")
        assert without.memory_bytes is not None and found.memory_bytes is not None
        assert without.memory_bytes < found.memory_bytes and without.parts["step"] < found.parts["step"]
