"""Rows to test with that are trained on in other words."""

from collections.abc import Iterable, Iterator

from studio.checks.base import Check, Context, Finding
from studio.checks.rules._groups import Places
from studio.checks.rules._near import Groups, facts_of, near_of
from studio.checks.seen import SPLITS, Seen


class NearLeakage(Check):
    """By the question, or by the text where there is none; rows whose very question leaks are told elsewhere."""

    name = "near_leakage"
    title = "Near leaks between the splits"
    severity = "warning"
    explanation = (
        "These rows are held out to measure with, yet almost the same question is trained on. The score then says "
        "more about how well the model remembers than about how well it does its task."
    )
    advice = "Drop them from the held-out rows, or split so that such rows stay on one side."
    fixes = ("drop",)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._near = near_of(context)

    def look(self, seen: Seen) -> Iterable[Finding]:
        """Remember what is asked."""
        self._near.look(seen)
        return ()

    def finish(self) -> Iterator[Finding]:
        """A row leaks into the split that is trained on; a test row also into the validation rows."""
        groups = self._near.same_questions()
        for places in groups.rows():
            yield from self._tell(groups, places)

    def _tell(self, groups: Groups, places: Places) -> Iterator[Finding]:
        codes = self._near.codes
        first: dict[int, int] = {}
        least: dict[int, int] = {}
        for place in places.tolist():
            first.setdefault(codes[place], place)
            text = int(groups.text[place])
            least[text] = min(least.get(text, 9), codes[place])
        for place in places.tolist():
            code = codes[place]
            other = min((there for kind, there in first.items() if kind < code), default=-1)
            if other >= 0 and least[int(groups.text[place])] == code:
                split = SPLITS[codes[other]]
                detail = f"a {SPLITS[code]} row; row {other + 1} of {split} asks nearly the same"
                yield Finding(place + 1, detail, other + 1, int(places[0]) + 1)

    def facts(self) -> dict[str, object]:
        """How many rows were compared."""
        return facts_of(self._near, self.context)
