"""The protocol, and the protocol with one rule taken away: each of the broken ones must end wrong."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement

from studio.runs import ACTIVE, Lease, Rules, Run


class WithoutFence(Rules):
    """A worker writes while the run is active, whoever holds it."""

    def held(self, lease: Lease) -> ColumnElement[bool]:
        """Without the epoch."""
        return (Run.id == lease.run_id) & Run.status.in_(ACTIVE)


class WithoutCompareAndSet(Rules):
    """A worker claims what the hint says."""

    def claimable(self, run_id: str) -> ColumnElement[bool]:
        """Without the status, the wish and the time."""
        return Run.id == run_id


@dataclass(frozen=True, slots=True)
class Variant:
    """What is followed: the rules, where a run resumes from, and whether a lost hint is made up for."""

    name: str
    rules: type[Rules] = Rules
    resumes_newest: bool = False
    """From the newest folder on disk instead of the committed checkpoint."""
    looks_again: bool = True
    """Hints are sent again, and idle workers look by themselves."""


PROTOCOL = Variant("protocol")
BROKEN = (
    Variant("no fence", rules=WithoutFence),
    Variant("newest directory", resumes_newest=True),
    Variant("no re-dispatch", looks_again=False),
    Variant("no compare-and-set", rules=WithoutCompareAndSet),
)
