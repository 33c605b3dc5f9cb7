"""Which hardware a device's name leads to."""

import pytest

from studio.budget.hardware import HARDWARE, find_hardware

GIB = 1 << 30


@pytest.mark.parametrize(
    ("name", "hardware_id"),
    [
        ("Tesla T4", "t4"),
        ("NVIDIA L4", "l4"),
        ("NVIDIA L40S", "l40s"),
        ("NVIDIA A10G", "a10g"),
        ("NVIDIA GeForce RTX 3090", "rtx-3090"),
        ("NVIDIA GeForce RTX 4090", "rtx-4090"),
        ("NVIDIA A100-SXM4-40GB", "a100-40"),
        ("NVIDIA A100-PCIE-40GB", "a100-40"),
        ("NVIDIA A100-SXM4-80GB", "a100-80"),
        ("NVIDIA A100 80GB PCIe", "a100-80"),
        ("NVIDIA H100 PCIe", "h100-pcie"),
        ("NVIDIA H100 80GB HBM3", "h100-sxm"),
        ("NVIDIA H200", "h200"),
        ("NVIDIA B200", "b200"),
        ("NVIDIA L4, NVIDIA L4", "l4"),
        ("CPU", "cpu"),
    ],
)
def test_a_device_is_found_by_the_name_it_gives_itself(name: str, hardware_id: str) -> None:
    found = find_hardware(name)

    assert found is not None and found.id == hardware_id


@pytest.mark.parametrize(
    "name",
    [
        "",
        "NVIDIA L40",
        "NVIDIA A10",
        "NVIDIA T400 4GB",
        "NVIDIA GeForce RTX 3090 Ti",
        "NVIDIA GeForce RTX 4090 Laptop GPU",
        "NVIDIA GeForce RTX 4090 D",
        "NVIDIA H100 NVL",
        "NVIDIA H200 NVL",
        "NVIDIA GH200 480GB",
        "NVIDIA A100-SXM4-80GB MIG 3g.40gb",
        "AMD Instinct MI300X",
    ],
)
def test_what_only_sounds_alike_is_not_known(name: str) -> None:
    assert find_hardware(name) is None


def test_a_worker_knows_its_memory_best() -> None:
    assert find_hardware("NVIDIA L4", 22 * GIB).memory_bytes == 22 * GIB  # type: ignore[union-attr]
    assert find_hardware("NVIDIA A100", 40 * GIB).id == "a100-40"  # type: ignore[union-attr]


def test_a_cpu_is_worth_its_cores() -> None:
    one, four = find_hardware("CPU", cores=1), find_hardware("CPU", 32 * GIB, cores=4)

    assert one is not None and four is not None
    assert (four.memory_bytes, four.label, one.label) == (32 * GIB, "CPU, 4 cores", "CPU, 1 core")
    assert four.bf16_flops == 4 * one.bf16_flops


def test_every_hardware_has_its_facts_and_prices_say_where_and_when() -> None:
    for hardware in HARDWARE.values():
        assert hardware.memory_bytes > GIB and hardware.bf16_flops > 0 and hardware.bytes_per_second > 0
        price = hardware.example_price
        assert price is None or (price.dollars_per_hour > 0 and price.when == "2026-11" and price.where)
    assert len(HARDWARE) == 13
