"""Settings that take less, for specs of every kind: the same effective batch, always valid, at least three."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.methods import METHODS
from studio.runs import RunSpec, suggestions_for, suggestions_for_alert
from studio.runs.suggestions import calmer_settings, find_suggestion, smaller_settings

_DATA = {"dataset_version_id": "dsv_" + "0" * 26, "sha256": "0" * 64}


def spec_of(*, length: int = 1024, method: dict[str, object] | None = None, **hyperparameters: object) -> RunSpec:
    data = _DATA | {"max_length_tokens": length}
    parts = {"data": data, "method": method or {"kind": "lora"}, "hyperparameters": hyperparameters}
    return RunSpec.model_validate(parts)


specs = st.builds(
    spec_of,
    length=st.integers(16, 4096),
    method=st.one_of(
        st.sampled_from([{"kind": kind} for kind in METHODS]),
        st.builds(
            lambda rank, bits: {"kind": "dora", "rank": rank, "base_bits": bits},
            st.integers(1, 512),
            st.sampled_from([4, 8, 16]),
        ),
        st.just({"kind": "lora", "initialisation": "pissa"}),
    ),
    batch_size=st.integers(1, 1024),
    gradient_accumulation_steps=st.integers(1, 1024),
    gradient_checkpointing=st.booleans(),
    optimizer=st.sampled_from(["adamw", "adamw_8bit"]),
)


def test_the_usual_suggestions_in_their_order() -> None:
    found = smaller_settings(spec_of(batch_size=4, gradient_accumulation_steps=4))

    assert [(one.key, one.label) for one in found] == [
        ("batch", "batch 2 x accumulation 8"),
        ("checkpointing", "gradient checkpointing"),
        ("4-bit", "a 4-bit base"),
        ("length", "rows of at most 512 tokens"),
        ("rank", "rank 8"),
        ("optimizer", "the 8-bit optimizer"),
    ]
    halved = found[0].spec.hyperparameters
    assert (halved.batch_size, halved.gradient_accumulation_steps) == (2, 8)
    assert (found[4].spec.method.model_dump()["rank"], found[4].spec.method.model_dump()["alpha"]) == (8, 16)


def test_full_training_is_offered_qlora_with_the_learning_rate_of_qlora() -> None:
    spec = spec_of(method={"kind": "full"}, learning_rate=1e-5)

    offered = find_suggestion(spec, "qlora")

    assert offered is not None
    assert offered.spec.learning_rate == 2e-4


def test_a_batch_that_halves_badly_keeps_its_rows_a_step() -> None:
    found = smaller_settings(spec_of(batch_size=7, gradient_accumulation_steps=2))[0]

    # 14 rows a step: of batches up to 3, 2 divides them.
    assert found.label == "batch 2 x accumulation 7"


def test_where_little_is_left_steps_follow_on_steps() -> None:
    spec = spec_of(
        batch_size=1,
        gradient_checkpointing=True,
        optimizer="adamw_8bit",
        length=1024,
        method={"kind": "prompt_tuning", "base_bits": 4},
    )

    assert [one.label for one in smaller_settings(spec)] == [
        "rows of at most 512 tokens",
        "rows of at most 256 tokens",
        "rows of at most 128 tokens",
    ]


def test_the_smallest_settings_have_nothing_below_them() -> None:
    spec = spec_of(
        batch_size=1,
        gradient_checkpointing=True,
        optimizer="adamw_8bit",
        length=64,
        method={"kind": "qlora", "rank": 1},
    )

    assert smaller_settings(spec) == []


@given(specs)
def test_every_suggestion_is_a_valid_other_spec_of_the_same_effective_batch(spec: RunSpec) -> None:
    found = smaller_settings(spec)

    assert len({one.key for one in found}) == len(found)
    for one in found:
        assert RunSpec.model_validate(one.spec.model_dump(mode="json")) == one.spec != spec
        assert one.spec.hyperparameters.effective_batch == spec.hyperparameters.effective_batch
        assert find_suggestion(spec, one.key) == one
    if len(found) < 3:
        assert all(
            smaller in [one.spec for one in found]
            for one in found
            for smaller in [next_one.spec for next_one in smaller_settings(one.spec)]
        )


@given(specs)
def test_after_a_loss_that_is_not_finite_the_learning_rate_is_halved_first(spec: RunSpec) -> None:
    found = calmer_settings(spec)

    assert found[0].spec.learning_rate == spec.learning_rate / 2
    assert all(RunSpec.model_validate(one.spec.model_dump(mode="json")) == one.spec for one in found)


@pytest.mark.parametrize("kind", ["disk_full", "bad_data", "model_load", "crash_loop", "timeout", "internal", None])
def test_where_settings_are_not_the_cause_none_are_suggested(kind: str | None) -> None:
    assert suggestions_for(spec_of(), kind) == []


def test_each_failure_of_memory_or_of_the_loss_has_suggestions() -> None:
    spec = spec_of()

    assert len(suggestions_for(spec, "oom_gpu")) >= 3
    assert [one.key for one in suggestions_for(spec, "oom_host")] == ["4-bit", "batch", "length"]
    assert suggestions_for(spec, "non_finite")[0].label == "half the learning rate (0.0001)"


def test_each_alert_has_settings_against_its_cause() -> None:
    spec = spec_of(epochs=3, learning_rate=2e-4)
    labels = {
        (kind, *facts): [one.label for one in suggestions_for_alert(spec, kind, facts)]
        for kind, facts in [
            ("overfitting", {}),
            ("not_learning", {"rises": 1.0}),
            ("divergence", {}),
            ("gradient_spikes", {}),
            ("zero_loss", {"by_heart": 1.0}),
            ("zero_loss", {}),
            ("over_budget", {}),
        ]
    }

    assert labels == {
        ("overfitting",): ["half the learning rate (0.0001)", "dropout 0.1", "1.5 epochs"],
        ("not_learning", "rises"): ["a quarter of the learning rate (5e-05)", "gradients clipped at 0.3"],
        ("divergence",): ["a quarter of the learning rate (5e-05)", "gradients clipped at 0.3"],
        ("gradient_spikes",): ["gradients clipped at 0.3", "32 rows a step", "half the learning rate (0.0001)"],
        ("zero_loss", "by_heart"): ["half the learning rate (0.0001)", "dropout 0.1", "1.5 epochs"],
        ("zero_loss",): [],
        ("over_budget",): [],
    }


def test_a_rate_that_moves_nothing_is_raised_to_the_usual_one_of_the_method() -> None:
    (usual,) = suggestions_for_alert(spec_of(learning_rate=1e-8), "dead_learning_rate", {})
    (above,) = suggestions_for_alert(spec_of(), "not_learning", {"rises": 0.0})

    assert (usual.label, usual.spec.learning_rate) == ("a learning rate of 0.0002", 2e-4)
    assert (above.label, above.why) == ("a learning rate of 0.0006", "Longer steps get off a plateau, if it is one.")


def test_full_training_that_overfits_is_offered_weight_decay() -> None:
    found = suggestions_for_alert(spec_of(method={"kind": "full"}, max_steps=9), "overfitting", {})

    assert [one.key for one in found] == ["learning-rate", "weight-decay", "epochs"]
    assert found[2].spec.hyperparameters.max_steps == 4


@given(specs, st.sampled_from(["overfitting", "not_learning", "divergence", "gradient_spikes", "dead_learning_rate"]))
def test_every_suggestion_of_an_alert_is_a_valid_other_spec_and_found_by_its_key(spec: RunSpec, kind: str) -> None:
    for one in suggestions_for_alert(spec, kind, {}):
        assert RunSpec.model_validate(one.spec.model_dump(mode="json")) == one.spec != spec
        assert find_suggestion(spec, one.key) == one
