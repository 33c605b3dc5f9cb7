"""Hears every point of a run and tells each kind of alert once; who hears the same points finds the same alerts."""

from studio.budget.watching.base import Alerting, Course, Found
from studio.budget.watching.heard import Heard
from studio.budget.watching.kinds import KINDS


class Watch:
    """A run's watch. After a break it is made anew and hears the points that were kept."""

    def __init__(self, course: Course) -> None:
        self._heard = Heard(course.steps)
        self._open: list[Alerting] = [kind(course) for kind in KINDS.values()]
        self._told: set[str] = set()
        self._new: list[Found] = []

    def hear(self, step: int, name: str, value: float) -> None:
        """Take one point in, in the order in which the run measured them."""
        self._heard.hear(step, name, value)
        for one in self._open:
            if name in one.metrics and self._told.isdisjoint(one.silenced_by):
                facts = one.look(self._heard)
                if facts is not None:
                    self._told.add(one.kind)
                    self._new.append(Found(one.kind, step, facts))
                    self._open = [other for other in self._open if other is not one]

    def look(self) -> list[Found]:
        """What was found since the last look."""
        found, self._new = self._new, []
        return found
