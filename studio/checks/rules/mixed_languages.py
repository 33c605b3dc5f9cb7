"""Rows in another language than most."""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator

from studio.checks.base import Check, Context, Finding
from studio.checks.languages import language_of
from studio.checks.seen import Seen

_FEW = 0.2
_LOOKED_AT = 400
_LEAST_ROWS = 20


class MixedLanguages(Check):
    """One byte a row. The answer counts, since that is what is learned; where it is too short, the question does."""

    name = "mixed_languages"
    title = "Mixed languages"
    severity = "note"
    explanation = (
        "Most rows are in one language, and these are in another. If nobody meant that, the model may answer in the "
        "wrong language now and then."
    )
    advice = "Drop them, unless the model shall know both languages."

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._names = [""]
        self._languages = array("B")

    def look(self, seen: Seen) -> Iterable[Finding]:
        """Remember its language."""
        language = language_of(seen.normal_answer)
        if not language:
            # The end of it, since a system turn stands first.
            language = language_of(seen.normal_question[-_LOOKED_AT:])
        if language not in self._names:
            self._names.append(language)
        self._languages.append(self._names.index(language))
        return ()

    def finish(self) -> Iterator[Finding]:
        """Where fewer than a fifth of the rows are in another language than the main one, tell of them."""
        counts = Counter(self._languages)
        counts.pop(0, None)
        known = counts.total()
        if known < _LEAST_ROWS:
            return
        main = counts.most_common(1)[0][0]
        if counts[main] == known or counts[main] <= (1 - _FEW) * known:
            return
        for row, language in enumerate(self._languages, start=1):
            if language not in (0, main):
                yield Finding(row, f"in {self._names[language]}; most rows are in {self._names[main]}", group=language)

    def facts(self) -> dict[str, object]:
        """Rows by language; those whose language is not clear are not counted."""
        counts = Counter(self._languages)
        return {"languages": {self._names[code]: count for code, count in counts.most_common() if code}}
