"""One file for each kind of alert; every module here that has a subclass of Alerting is one."""

import importlib
import pkgutil

from studio.budget.watching.base import Alerting


def _kinds() -> dict[str, type[Alerting]]:
    """Every kind by its name; one that silences others comes before them."""
    found: list[type[Alerting]] = []
    for module in pkgutil.iter_modules(__path__):
        members = vars(importlib.import_module(f"{__name__}.{module.name}")).values()
        found += [
            member
            for member in members
            if isinstance(member, type) and issubclass(member, Alerting) and member.__module__.endswith(module.name)
        ]
    return {one.kind: one for one in sorted(found, key=lambda one: (len(one.silenced_by), one.kind))}


KINDS = _kinds()
