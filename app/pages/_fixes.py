"""The fixes that a page offers for what the checks found, and the recipe that a form of them makes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from studio import datasets
from studio.datasets import Recipe
from studio.errors import InvalidInput

# In this order the steps of a checklist are done: bad rows have no vote, copies do, and what is left is cut to shape.
_LABELS: Mapping[str, str] = {
    "drop": "Drop these rows",
    "keep_majority": "Keep the answer that most give",
    "keep_first": "Keep the first of each",
    "trim": "Trim them",
    "redact": "Redact them",
    "cap_length": "Cap the length",
    "rebalance": "Rebalance",
}
_AMOUNTS: Mapping[str, tuple[str, str]] = {
    "cap_length": ("characters", "Characters at most"),
    "rebalance": ("most", "Rows of each answer at most"),
}
# The check calls labels unbalanced from this ratio on, and answers long from this length on.
_RATIO, _CHARACTERS = 20, 2000
_TICKED, _FIX, _AMOUNT = "mend.", "fix.", "amount."
_USE_CHOSEN = "use_chosen"


@dataclass(frozen=True, slots=True)
class Fix:
    """One way to mend what a check found; `amount` is what its number is called, if it takes one."""

    name: str
    label: str
    amount: str = ""
    default: int = 0


@dataclass(frozen=True, slots=True)
class Mendable:
    """A check that found something, with what can be done about it; `ticked` is proposed."""

    check: Mapping[str, Any]
    fixes: list[Fix]

    @property
    def ticked(self) -> bool:
        """Notes are proposed only where no row would go."""
        return self.check["severity"] != "note" or self.fixes[0].name not in {"drop", "rebalance", "cap_length"}

    @property
    def amount(self) -> Fix | None:
        """The fix that takes a number."""
        return next((fix for fix in self.fixes if fix.amount), None)


def mendables(found: list[dict[str, Any]]) -> list[Mendable]:
    """The checks that offer a fix by rule; rows that only a person can mend are edited one by one."""
    offered = [
        Mendable(check, [_fix(name, check["facts"]) for name in check["fixes"] if name in _LABELS]) for check in found
    ]
    return [one for one in offered if one.fixes]


def recipe_of(form: Mapping[str, str]) -> Recipe:
    """The steps of the ticked checks; raises InvalidInput when none is ticked or a number is missing."""
    if form.get(_USE_CHOSEN):
        return datasets.read_recipe([{"do": _USE_CHOSEN}])
    ticked = [name.removeprefix(_TICKED) for name in form if name.startswith(_TICKED)]
    wanted = [(check, form.get(f"{_FIX}{check}", "")) for check in ticked]
    known = [(check, fix) for check, fix in wanted if fix in _LABELS]
    if not known:
        raise InvalidInput("Tick at least one fix.")
    order = list(_LABELS)
    known.sort(key=lambda pair: order.index(pair[1]))
    return datasets.read_recipe([_step(check, fix, form.get(f"{_AMOUNT}{check}", "")) for check, fix in known])


def _fix(name: str, facts: Mapping[str, Any]) -> Fix:
    _, amount = _AMOUNTS.get(name, ("", ""))
    return Fix(name, _LABELS[name], amount, _proposed(name, facts))


def _proposed(name: str, facts: Mapping[str, Any]) -> int:
    """The gentlest number that the check would be content with."""
    if name == "rebalance":
        return _RATIO * min(facts.get("labels", {}).values(), default=10)
    return max(_CHARACTERS, int(facts.get("answer_characters", {}).get("p95", 0)))


def _step(check: str, fix: str, amount: str) -> dict[str, Any]:
    if fix not in _AMOUNTS:
        return {"do": fix, "check": check}
    name, label = _AMOUNTS[fix]
    if not amount.strip().isdecimal():
        raise InvalidInput(f"{label}: give a whole number.")
    return {"do": fix, name: int(amount)}
