"""One file for each check; every module here that has a subclass of Check is one."""

import importlib
import pkgutil

from studio.checks.base import Check


def all_checks() -> list[type[Check]]:
    """Every check, blockers first, each by its name."""
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
