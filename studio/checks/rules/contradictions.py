"""The same question with different answers."""

from array import array
from collections.abc import Iterable, Iterator

import numpy as np

from studio.checks.base import Check, Context, Finding
from studio.checks.rules._groups import groups_of
from studio.checks.seen import Seen, hashed


class Contradictions(Check):
    """Twenty-four bytes a row: hashes of the normalised question and answer, and the place.

    Preference rows are left alone: several pairs for one prompt are how such data is made.
    """

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
        self._questions, self._answers, self._rows = array("Q"), array("Q"), array("Q")

    def look(self, seen: Seen) -> Iterable[Finding]:
        """Remember what is asked and what is answered."""
        if seen.has_answer and seen.normal_question and "rejected" not in seen.row:
            self._questions.append(seen.question_hash)
            # "Paris" and "Paris." do not contradict each other.
            self._answers.append(hashed(seen.normal_answer.rstrip(" .!")))
            self._rows.append(seen.number)
        return ()

    def finish(self) -> Iterator[Finding]:
        """Each row names the first one that answers otherwise."""
        answers, rows = np.array(self._answers), np.array(self._rows)
        for places in groups_of(self._questions):
            said = answers[places]
            others = np.flatnonzero(said != said[0])
            if not len(others):
                continue
            numbers = rows[places].tolist()
            for row, agrees in zip(numbers, (said == said[0]).tolist(), strict=True):
                other = numbers[others[0]] if agrees else numbers[0]
                yield Finding(row, f"row {other} answers the same question otherwise", other, numbers[0])
