"""Labels of which some are hardly there."""

from collections import Counter
from collections.abc import Iterable, Iterator

from studio.checks.base import Check, Context, Finding
from studio.checks.personal_patterns import PERSONAL
from studio.checks.private import redacted
from studio.checks.secret_patterns import SECRETS
from studio.checks.seen import Seen

_LABEL_CHARACTERS = 40
_MOST_LABELS = 50
_ROWS_A_LABEL = 10
_TIMES, _SHARE = 20, 0.9


class LabelImbalance(Check):
    """Only where answers are labels: few, short, and each said by many rows; counting stops once they are not."""

    name = "label_imbalance"
    title = "Unbalanced labels"
    severity = "note"
    explanation = (
        "The answers are a few labels, and some are far rarer than others. A model that always gives the most frequent "
        "one already scores well, so the rare ones are hardly learned."
    )
    advice = "Add rows of the rare labels, or keep fewer of the frequent ones."
    fixes = ("rebalance",)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._counts: Counter[str] = Counter()
        self._first: dict[str, int] = {}
        self._are_labels = True

    def look(self, seen: Seen) -> Iterable[Finding]:
        """Count its answer."""
        if self._are_labels and seen.has_answer and "rejected" not in seen.row:
            label = seen.answer.strip()
            self._counts[label] += 1
            self._first.setdefault(label, seen.number)
            self._are_labels = len(label) <= _LABEL_CHARACTERS and len(self._counts) <= _MOST_LABELS
        return ()

    def finish(self) -> Iterator[Finding]:
        """Each label that is too rare, or the one that hardly leaves room for others, by its first row."""
        if not self._labelled:
            return
        (top, most), total = self._counts.most_common(1)[0], self._counts.total()
        if most > _SHARE * total:
            yield Finding(self._first[top], f"{most:,} of {total:,} rows have this label", group=self._first[top])
        rare = {label: count for label, count in self._counts.items() if count * _TIMES < most}
        for label, count in sorted(rare.items(), key=lambda item: self._first[item[0]]):
            rows = "1 row has" if count == 1 else f"{count:,} rows have"
            detail = f"{rows} this label; the most frequent one has {most:,}"
            yield Finding(self._first[label], detail, self._first[top], self._first[label])

    @property
    def _labelled(self) -> bool:
        return self._are_labels and len(self._counts) > 1 and self._counts.total() >= _ROWS_A_LABEL * len(self._counts)

    def facts(self) -> dict[str, object]:
        """Rows by label, where answers are labels; a label that is private is hidden."""
        if not self._labelled:
            return {}
        counts: Counter[str] = Counter()
        for label, count in self._counts.most_common():
            counts[redacted(SECRETS, redacted(PERSONAL, label))] += count
        return {"labels": dict(counts)}
