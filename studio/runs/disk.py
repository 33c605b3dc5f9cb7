"""How much disk a run can come to need, before anything is written: the preview and the worker ask the same."""

from pathlib import Path

from studio.methods import LowRank
from studio.runs.spec import RunSpec
from studio.storage import free_bytes

# A 16-bit base on disk.
_BYTES_PER_WEIGHT = 2
# float32 weights, and the best ones beside them.
_WEIGHTS_BYTES = 8
# Adam keeps two moments a weight, in float32 or in 8 bits.
_MOMENTS_BYTES = {"adamw": 8}
_SMALL_MOMENTS_BYTES = 2
# The result as it is exported, zipped and stored: three times float32.
_RESULT_BYTES = 12
_HEADROOM_BYTES = 1 << 30


def needed_bytes(spec: RunSpec, base_bytes: int, keep: int) -> int:
    """Room for `keep` checkpoints, one being written and one not yet deleted, the result, and 1 GiB.

    `base_bytes` is the size of the base model's weights on disk (2 bytes a weight).
    """
    trained = trained_weights(spec, base_bytes // _BYTES_PER_WEIGHT)
    moments = _MOMENTS_BYTES.get(spec.hyperparameters.optimizer, _SMALL_MOMENTS_BYTES)
    checkpoint = trained * (_WEIGHTS_BYTES + moments)
    return (keep + 2) * checkpoint + trained * _RESULT_BYTES + _HEADROOM_BYTES


def disk_shortage(spec: RunSpec, base_bytes: int, keep: int, folder: Path) -> str | None:
    """The sentence for a disk that has too little room for this run; None when it has enough."""
    needed, free = needed_bytes(spec, base_bytes, keep), free_bytes(folder)
    if free >= needed:
        return None
    return (
        f"This run can need up to {needed / 1e9:.1f} GB of disk for checkpoints and its result, and the data folder "
        f"has {free / 1e9:.1f} GB. Free some space first."
    )


def trained_weights(spec: RunSpec, weights: int) -> int:
    """About how many weights the method trains, rather too many than too few.

    A low-rank update of a square layer of width H has 2 R H weights beside its H H, and a transformer of N weights
    is about the cube root of 10 N wide: 10.6 M for rank 16 over Qwen3-0.6B (it is 10.1 M), 59 M over Llama 3.1 8B
    (it is 42 M).
    """
    if spec.method.artifact == "model":
        return weights
    rank = spec.method.rank if isinstance(spec.method, LowRank) else 1
    width = max(1.0, (10 * weights) ** (1 / 3))
    return min(weights, int(weights * 2 * rank / width))
