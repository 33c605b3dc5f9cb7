"""The same question with different answers."""

from array import array
from collections.abc import Iterable, Iterator
from itertools import groupby

from studio.checks.base import Check, Context, Finding
from studio.checks.seen import Seen


class Contradictions(Check):
    """Twenty-four bytes a row: hashes of the normalised question and answer, and the place."""

    name = "contradictions"
    title = "Contradictions"
    severity = "warning"
    explanation = (
        "These rows ask the same and answer differently. The model cannot learn both: it learns the average, and no "
        "setting can bring the score above what the rows agree on."
    )
    advice = "Keep the answer that most rows give, or drop them."
    fixes = ("keep_majority", "keep_first", "drop")

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._questions, self._answers, self._places = array("Q"), array("Q"), array("Q")

    def look(self, seen: Seen) -> Iterable[Finding]:
        """Remember the question and its answer."""
        if seen.normal_question:
            self._questions.append(seen.question_hash)
            self._answers.append(seen.answer_hash)
            self._places.append(seen.number)
        return ()

    def finish(self) -> Iterator[Finding]:
        """Rows of one question stand together once sorted."""
        order = sorted(range(len(self._places)), key=self._questions.__getitem__)
        for _, group in groupby(order, key=self._questions.__getitem__):
            members = list(group)
            if len(members) > 1 and len({self._answers[member] for member in members}) > 1:
                yield from self._tell(members)

    def _tell(self, members: list[int]) -> Iterator[Finding]:
        """Each row names the first one that answers otherwise."""
        first = self._places[members[0]]
        for member in members:
            other = next(self._places[one] for one in members if self._answers[one] != self._answers[member])
            yield Finding(self._places[member], f"row {other} answers the same question otherwise", other, first)
