"""What one spec changes against another: what decides the outcome counts, each thing once."""

from typing import Any

import pytest

from studio.runs import RunSpec, changes

_DATA = {"dataset_version_id": "dsv_" + "0" * 26, "sha256": "0" * 64}
_OTHER = {"dataset_version_id": "dsv_" + "1" * 26, "sha256": "1" * 64}


def spec_of(**parts: Any) -> RunSpec:
    return RunSpec.model_validate({"data": _DATA, "method": {"kind": "lora"}} | parts)


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({}, []),
        ({"hyperparameters": {"learning_rate": 2e-4}}, []),
        ({"hyperparameters": {"batch_size": 2, "gradient_accumulation_steps": 8}}, []),
        ({"hyperparameters": {"gradient_checkpointing": True}, "evaluation": {"sample_prompts": 0}}, []),
        ({"budget": {"max_hours": 2}, "license": {"accepted": True}}, []),
        ({"hyperparameters": {"learning_rate": 1e-4}}, ["learning rate: 0.0002 → 0.0001"]),
        ({"hyperparameters": {"batch_size": 8}}, ["rows a step: 16 → 32"]),
        ({"hyperparameters": {"max_steps": 20, "epochs": 1}}, ["epochs: 3 → 1", "stop after steps: not set → 20"]),
        ({"method": {"kind": "lora", "rslora": True}}, ["rank-stabilised (rsLoRA): off → on"]),
        ({"method": {"kind": "prompt_tuning", "virtual_tokens": 9}}, ["method: LoRA → Prompt tuning"]),
        ({"base_model": {"id": "a/b"}}, ["base model: demo → a/b"]),
        ({"data": _OTHER}, ["another version of the data"]),
        ({"data": _DATA | {"split": {"test_fraction": 0.2}}}, ["split"]),
        ({"evaluation": {"early_stopping": {"patience": 0}}}, ["early stopping"]),
    ],
)
def test_only_what_decides_the_outcome_is_a_change(parts: dict[str, Any], said: list[str]) -> None:
    assert [str(change) for change in changes(spec_of(), spec_of(**parts))] == said
