"""One file for each check; every module here that has a subclass of Check is one."""

import importlib
import os
import pkgutil

from studio.checks.base import Check

# A child that checks may take 2 GiB of address space. OpenBLAS and rensa start a thread for each core, and the
# allocator of rensa reserves a gibibyte (its unit is KiB); with 64 cores that was 4.4 GiB, so bounded it is 0.4.
_BOUNDS = {"OPENBLAS_NUM_THREADS": "1", "RAYON_NUM_THREADS": "2", "MIMALLOC_ARENA_RESERVE": str(64 << 10)}


def all_checks() -> list[type[Check]]:
    """Every check, blockers first, each by its name."""
    for name, value in _BOUNDS.items():
        os.environ.setdefault(name, value)
    found: list[type[Check]] = []
    for module in pkgutil.iter_modules(__path__):
        if module.name.startswith("_"):
            continue
        members = vars(importlib.import_module(f"{__name__}.{module.name}")).values()
        found += [
            member
            for member in members
            if isinstance(member, type) and issubclass(member, Check) and member.__module__.endswith(f".{module.name}")
        ]
    order = ("blocker", "warning", "note")
    return sorted(found, key=lambda check: (order.index(check.severity), check.name))
