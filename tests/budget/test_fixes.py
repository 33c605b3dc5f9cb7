"""Settings that make a run fit."""

from typing import Any

from studio.budget.fixes import applied, fixes_for
from studio.errors import InvalidInput
from studio.runs import RunSpec, validate_spec


def spec_of(**parts: Any) -> RunSpec:
    """A spec of LoRA, batches of 8."""
    data = {"dataset_version_id": "dsv_" + "0" * 26, "sha256": "0" * 64, "max_length_tokens": 1024}
    chosen = {"batch_size": 8, "gradient_accumulation_steps": 2} | parts.pop("hyperparameters", {})
    return validate_spec(
        {"data": data, "method": {"kind": "lora"}, "base_model": {"id": "a/large"}, "hyperparameters": chosen, **parts}
    )


def needed(spec: RunSpec) -> int:
    """A plain stand-in for the memory model, in GB."""
    weights = 40 if spec.base_model.id == "a/large" else 4
    bits = getattr(spec.method, "base_bits", 64)
    tokens = spec.hyperparameters.batch_size * spec.data.max_length_tokens
    kept = 0.2 if spec.hyperparameters.gradient_checkpointing else 1.0
    return round(weights * bits / 16 + tokens / 256 * kept)


def fixes(spec: RunSpec, room: int, suggested: int | None = None) -> list[Any]:
    """What is offered on hardware of so many GB."""
    return list(
        fixes_for(
            spec,
            lambda changed: (needed(changed), needed(changed) <= room),
            suggested_length=suggested,
            smaller_models={"a/small": "Small"},
        )
    )


def test_a_single_change_that_fits_comes_first_and_keeps_the_effective_batch() -> None:
    found = fixes(spec_of(), room=60)

    assert found[0].fits and found[0].key == "batch-4"
    changed = applied(spec_of(), found[0].changes)
    assert changed.hyperparameters.effective_batch == 16 and needed(changed) == found[0].memory_bytes


def test_of_smaller_batches_only_the_largest_that_fits_is_offered() -> None:
    # 40 GB of weights, and 4 for each row of a batch.
    keys = [fix.key for fix in fixes(spec_of(), room=48)]

    assert keys[0] == "batch-2"
    assert not {"batch-4", "batch-1"} & set(keys)


def test_more_rows_than_can_be_accumulated_become_fewer() -> None:
    spec = spec_of(hyperparameters={"batch_size": 1024, "gradient_accumulation_steps": 4})

    fix = next(fix for fix in fixes(spec, room=44) if fix.key == "batch-1")

    assert fix.fits
    assert fix.gives == "1,024 rows make a step instead of 4,096; a little slower."
    assert applied(spec, fix.changes).hyperparameters.effective_batch == 1024


def test_where_no_single_setting_fits_the_mildest_combination_is_found() -> None:
    found = fixes(spec_of(), room=14)

    assert found[0].fits and found[0].key == "batch-1.4-bit"
    assert found[0].label == "Batch of 1, accumulated 16 times, hold the base in 4 bits"
    assert needed(applied(spec_of(), found[0].changes)) <= 14


def test_a_smaller_model_is_offered_behind_settings_that_fit() -> None:
    keys = [fix.key for fix in fixes(spec_of(), room=40)]

    assert keys.index("model") > 0 and keys[0] != "model"


def test_where_nothing_fits_nothing_is_said_to_fit() -> None:
    assert not any(fix.fits for fix in fixes(spec_of(), room=1))


def test_the_suggested_length_goes_before_all_that_changes_results() -> None:
    found = fixes(spec_of(), room=60, suggested=256)

    assert found[0].key == "suggested-length" and found[0].changes == {"data.max_length_tokens": 256}


def test_full_training_becomes_qlora_with_its_own_learning_rate() -> None:
    spec = spec_of(method={"kind": "full"}, hyperparameters={"learning_rate": 1e-5})
    fix = next(fix for fix in fixes(spec, room=60) if "qlora" in fix.key)

    changed = applied(spec, fix.changes)

    assert changed.method.kind == "qlora" and changed.learning_rate == changed.method.default_learning_rate


def test_what_is_applied_is_a_valid_spec() -> None:
    spec = spec_of(method={"kind": "lora", "initialisation": "pissa"})

    for room in (5, 12, 25, 60):
        for fix in fixes(spec, room, suggested=256):
            changed = applied(spec, fix.changes)
            assert validate_spec(changed.model_dump(mode="json")) == changed


def test_a_smaller_model_without_the_layers_that_are_trained_is_not_offered() -> None:
    def measure(spec: RunSpec) -> tuple[int, bool]:
        if spec.base_model.id == "a/stranger":
            raise InvalidInput("No layer of this base model is called q_proj.")
        return needed(spec), needed(spec) <= 38

    found = fixes_for(
        spec_of(), measure, suggested_length=None, smaller_models={"a/stranger": "Stranger", "a/small": "Small"}
    )

    assert [fix.label for fix in found if fix.key == "model"] == ["Take Small"]
