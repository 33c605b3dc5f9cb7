"""Nearly the same question with different answers."""

from collections.abc import Iterable, Iterator

from studio.checks.base import Check, Context, Finding
from studio.checks.rules._groups import Places
from studio.checks.rules._near import Groups, facts_of, near_of
from studio.checks.seen import Seen

# A question of more answers than this is a task, such as "Tell me a joke"; its rows are compared with the first ones.
_COMPARED = 50


class NearContradictions(Check):
    """Rows of the very same question are told elsewhere; preference rows have several answers by nature."""

    name = "near_contradictions"
    title = "Near contradictions"
    severity = "warning"
    explanation = (
        "These rows ask almost the same and answer differently. If both questions mean the same, the model cannot "
        "learn both answers: it learns the average."
    )
    advice = "Look at each pair; where they mean the same, keep the right answer."
    fixes = ("keep_first", "drop")

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._near = near_of(context)
        self._has_pairs = False

    def look(self, seen: Seen) -> Iterable[Finding]:
        """Remember what is asked and answered."""
        self._has_pairs |= seen.has_answer and "rejected" not in seen.row
        self._near.look(seen)
        return ()

    def finish(self) -> Iterator[Finding]:
        """Each row names the first one of another wording that answers otherwise."""
        if not self._has_pairs:
            return
        groups = self._near.same_questions()
        for places in groups.rows():
            yield from self._tell(groups, places)

    def _tell(self, groups: Groups, places: Places) -> Iterator[Finding]:
        members = places.tolist()
        for place in members:
            for other in members[:_COMPARED]:
                if groups.text[place] != groups.text[other] and not self._near.same_answer(place, other):
                    detail = f"row {other + 1} asks nearly the same and answers otherwise"
                    yield Finding(place + 1, detail, other + 1, members[0] + 1)
                    break

    def facts(self) -> dict[str, object]:
        """How many rows were compared."""
        return facts_of(self._near, self.context)
