"""The hardware that estimates know, and how a device's own name leads to it. Pure."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import resources
from typing import Any, Literal

_MIB = 1 << 20
# What else NVML and torch write around a model's name.
_NOISE = re.compile(r"\b(nvidia|tesla|geforce|quadro|graphics|device|gpu|hbm2e?|hbm3e?|80gb|40gb|24gb|16gb|48gb)\b")
# Names as they read once the noise is gone. Laptop, Ti, Super and D variants, other sizes and slices of a GPU (MIG)
# are other hardware.
_NAMES: tuple[tuple[str, str], ...] = (
    (r"t4", "t4"),
    (r"l4", "l4"),
    (r"a10g", "a10g"),
    (r"rtx 3090", "rtx-3090"),
    (r"rtx 4090", "rtx-4090"),
    (r"l40s", "l40s"),
    (r"h100 pcie", "h100-pcie"),
    (r"h100( sxm5?)?", "h100-sxm"),
    (r"h200( sxm5?)?", "h200"),
    (r"b200( sxm6?)?", "b200"),
)
_A100 = re.compile(r"a100( sxm4?| pcie| pg509)?")
_A100_SPLIT_BYTES = 60 << 30


@dataclass(frozen=True, slots=True)
class ExamplePrice:
    """What an hour once cost somewhere: an example, never an offer. `when` is a month."""

    dollars_per_hour: float
    when: str
    where: str


@dataclass(frozen=True, slots=True)
class Hardware:
    """What a run trains on. Rates are the maker's peaks; of a CPU, all its cores in float32."""

    id: str
    label: str
    kind: Literal["gpu", "cpu"]
    memory_bytes: int
    bf16_flops: float
    bytes_per_second: float
    watts: float
    native_bf16: bool = True
    cores: int | None = None
    example_price: ExamplePrice | None = None

    @property
    def on_gpu(self) -> bool:
        """Whether it is a GPU."""
        return self.kind == "gpu"

    def computes_in_bfloat16(self, precision: str) -> bool:
        """What the trainer makes of a spec's `precision` there (`worker/hardware.py`); the other way is float32."""
        return precision == "bfloat16" or (precision == "auto" and self.on_gpu and self.native_bf16)


def find_hardware(device_name: str, memory_bytes: int | None = None, cores: int | None = None) -> Hardware | None:
    """The hardware of a worker by the name that its device gives itself; None for a GPU that is not known.

    `memory_bytes` and `cores` are what the worker tells of it; its word goes before the catalogue's.
    """
    if device_name.strip().lower() == "cpu":
        return _cpu(memory_bytes, cores)
    found = _gpu(device_name, memory_bytes)
    return replace(found, memory_bytes=memory_bytes or found.memory_bytes) if found else None


def _gpu(device_name: str, memory_bytes: int | None) -> Hardware | None:
    lowered = device_name.split(",")[0].lower()
    plain = re.sub(r"[\s\-_]+", " ", lowered)
    plain = re.sub(r"\s+", " ", _NOISE.sub(" ", plain)).strip()
    if _A100.fullmatch(plain):
        small = memory_bytes < _A100_SPLIT_BYTES if memory_bytes else "40gb" in lowered
        return HARDWARE["a100-40" if small else "a100-80"]
    for pattern, hardware_id in _NAMES:
        if re.fullmatch(pattern, plain):
            return HARDWARE[hardware_id]
    return None


def _cpu(memory_bytes: int | None, cores: int | None) -> Hardware:
    one, count = HARDWARE["cpu"], cores or 1
    return replace(
        one,
        label=f"CPU, {count} {'core' if count == 1 else 'cores'}",
        memory_bytes=memory_bytes or one.memory_bytes,
        bf16_flops=one.bf16_flops * count,
        bytes_per_second=one.bytes_per_second * count,
        watts=one.watts * count,
        cores=count,
    )


def _read(entry: dict[str, Any]) -> Hardware:
    price = entry.get("example_price")
    return Hardware(
        id=entry["id"],
        label=entry["label"],
        kind=entry.get("kind", "gpu"),
        memory_bytes=entry["memory_mib"] * _MIB,
        bf16_flops=entry["bf16_tflops"] * 1e12,
        bytes_per_second=entry["gb_per_second"] * 1e9,
        watts=entry["watts"],
        native_bf16=entry.get("native_bf16", True),
        example_price=ExamplePrice(**price) if price else None,
    )


def _catalogue() -> dict[str, Hardware]:
    text = resources.files("studio.budget").joinpath("hardware.toml").read_text(encoding="utf-8")
    return {entry["id"]: _read(entry) for entry in tomllib.loads(text)["hardware"]}


HARDWARE: Mapping[str, Hardware] = _catalogue()
