"""The room that a run is said to need, against weights counted by hand."""

import pytest

from studio.runs import RunSpec, needed_bytes
from studio.runs.disk import trained_weights

_DATA = {"dataset_version_id": "dsv_" + "0" * 26, "sha256": "0" * 64}


def spec_of(**parts: object) -> RunSpec:
    return RunSpec.model_validate({"data": _DATA, **parts})


def test_full_training_needs_four_checkpoints_and_three_results() -> None:
    # 1000 weights: 4 checkpoints of (4 + 4 + 8) bytes a weight, 12 bytes a weight of result, and 1 GiB.
    assert needed_bytes(spec_of(method={"kind": "full"}), 2000, 2) == 4 * 16_000 + 12_000 + (1 << 30)


def test_8_bit_moments_and_fewer_checkpoints_need_less() -> None:
    spec = spec_of(method={"kind": "full"}, hyperparameters={"optimizer": "adamw_8bit"})

    assert needed_bytes(spec, 2000, 1) == 3 * 10_000 + 12_000 + (1 << 30)


@pytest.mark.parametrize(
    ("weights", "rank", "counted"),
    [
        # Qwen3-0.6B, all linear layers, rank 16; Llama 3.1 8B; Llama 3.2 1B.
        (596_000_000, 16, 10_092_544),
        (8_030_000_000, 16, 41_943_040),
        (1_236_000_000, 16, 11_272_192),
    ],
)
def test_the_weights_of_a_low_rank_update_are_about_right(weights: int, rank: int, counted: int) -> None:
    estimate = trained_weights(spec_of(method={"kind": "lora", "rank": rank}), weights)

    assert counted <= estimate <= 2 * counted


def test_an_adapter_never_trains_more_than_the_base_has() -> None:
    assert trained_weights(spec_of(method={"kind": "lora", "rank": 512}), 1000) == 1000
