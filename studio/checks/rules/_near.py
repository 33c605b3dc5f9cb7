"""One look at all rows for the three checks that find what is nearly the same.

The first pass counts how many rows have each shingle. The second sketches each text by the shingles that few rows have,
so that what a template repeats neither makes rows alike nor fills the buckets. The few likely pairs are read again and
compared word by word.
"""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt
import orjson

from studio.checks.base import Context
from studio.checks.likeness import Likeness, Text, without_courtesy
from studio.checks.rules._groups import groups_of
from studio.checks.seen import Seen
from studio.checks.skeletons import Gaps
from studio.checks.sketches import HAS_SKETCHES, Sketches
from studio.checks.words import Numbers, Places, hashed_words, shingles

# Two sketches of more texts than this, and their counts, would not fit into 400 MB.
ROWS_LOOKED_AT = 500_000
_BATCH_ROWS, _BATCH_CHARACTERS = 512, 400_000
# A shingle of more rows than this says nothing of any of them; it also bounds how many texts share a bucket.
_USUAL_ROWS = 200
_KEPT_TEXTS = 1000


@dataclass(frozen=True, slots=True)
class Groups:
    """Texts that are nearly the same: for each row the first row of its group and the first row of its own text."""

    group: Places
    text: Places

    def rows(self) -> Iterator[Places]:
        """The places of all rows (from 0) of each group of two texts or more."""
        for places in groups_of(self.group.astype(np.uint64)):
            if (self.text[places] != self.text[places[0]]).any():
                yield places


class Near:
    """What is kept of the rows: some forty bytes each, and counts of shingles by their hash."""

    def __init__(self, context: Context) -> None:
        self.rows_path = context.rows
        size = min(max(context.row_count * 64, 1 << 16), 1 << 23)
        self._mask = np.uint64((1 << (size - 1).bit_length()) - 1)
        self._counts = np.zeros(int(self._mask) + 1, np.uint32)
        self._batch: list[Seen] = []
        self._batch_characters = 0
        self._known_questions: set[int] = set()
        self.starts, self.texts, self.questions, self.answers = array("Q"), array("Q"), array("Q"), array("Q")
        self.codes = bytearray()
        self._found: dict[str, Groups] = {}
        self._kept: dict[int, Seen] = {}
        self._frequencies: dict[str, int] = {}
        self.has_questions = False

    @property
    def row_count(self) -> int:
        """How many rows were looked at."""
        return len(self.starts)

    def look(self, seen: Seen) -> None:
        """Count what it says; the checks that share this may all tell of the same row."""
        if seen.number != self.row_count + 1 or seen.number > ROWS_LOOKED_AT:
            return
        self.starts.append(seen.start)
        self.texts.append(seen.text_hash)
        self.questions.append(seen.question_hash if seen.normal_question else seen.text_hash)
        self.answers.append(seen.answer_hash)
        self.codes.append(seen.split_code)
        self.has_questions |= bool(seen.normal_question)
        if self.questions[-1] in self._known_questions:
            return
        self._known_questions.add(self.questions[-1])
        self._batch.append(seen)
        self._batch_characters += len(seen.normal_text)
        if len(self._batch) >= _BATCH_ROWS or self._batch_characters >= _BATCH_CHARACTERS:
            self._count()

    def same_questions(self) -> Groups:
        """Rows whose questions are nearly the same; of plain texts, whose texts are."""
        return self._groups("questions") if self.has_questions else self.same_texts()

    def same_texts(self) -> Groups:
        """Rows that say nearly the same as a whole, with answers that agree."""
        return self._groups("texts")

    def read(self, place: int) -> Seen:
        """A row, read once more."""
        if place not in self._kept:
            if len(self._kept) >= _KEPT_TEXTS:
                self._kept.clear()
            assert self.rows_path is not None
            with self.rows_path.open("rb") as stream:
                stream.seek(self.starts[place])
                self._kept[place] = Seen(place + 1, self.codes[place], orjson.loads(stream.readline()))
        return self._kept[place]

    def same_answer(self, one: int, other: int) -> bool:
        """Whether two rows answer the same."""
        if self.answers[one] == self.answers[other]:
            return True
        first, second = Text(self.read(one).normal_answer), Text(self.read(other).normal_answer)
        return Likeness(self.frequency).same_answer(first, second)

    def frequency(self, word: str) -> int:
        """In about how many rows a word occurs, counted as often as it is said."""
        if word not in self._frequencies:
            if len(self._frequencies) >= _KEPT_TEXTS:
                self._frequencies.clear()
            self._frequencies[word] = int(self._counts[hashed_words([word])[0] & self._mask].max(initial=0))
        return self._frequencies[word]

    def _count(self) -> None:
        words, owners = _words(self._batch)
        for hashes in (words, shingles(words, owners)[0]):
            np.add.at(self._counts, hashes & self._mask, np.uint32(1))
        self._batch.clear()
        self._batch_characters = 0

    def _groups(self, of: str) -> Groups:
        if of not in self._found:
            self._count()
            self._known_questions.clear()
            self._found[of] = _Comparison(self, of).groups()
        return self._found[of]

    def rare(self, hashes: Numbers, most: int) -> npt.NDArray[np.bool_]:
        """Which of these shingles at most so many rows have."""
        few: npt.NDArray[np.bool_] = self._counts[hashes & self._mask] <= most
        return few


class _Comparison:
    """Groups the rows by their questions, or by all that they say."""

    def __init__(self, near: Near, of: str) -> None:
        self._near = near
        self._whole = of == "texts"
        hashes = np.array(near.texts if self._whole else near.questions, np.uint64)
        _, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
        self._text = first[inverse]
        self._parents = np.arange(len(hashes))
        self._likeness = Likeness(near.frequency)
        self._read: dict[int, Text] = {}
        # Passages are an author's own if no more rows than this have them.
        self._rare_rows = 5 + near.row_count // 5000

    def groups(self) -> Groups:
        sketches = Sketches(self._near.row_count)
        gaps = Gaps()
        skeletons = np.zeros(self._near.row_count, np.uint64)
        for places, words, owners in self._batches():
            skeletons[places] = gaps.add(words, owners, places)
            hashes, of = shingles(words, owners)
            few = self._near.rare(hashes, _USUAL_ROWS)
            sketches.add(hashes[few], of[few], places)
        self._join_skeletons(skeletons)
        for one, other in chain(gaps.likely_pairs(), sketches.likely_pairs()):
            if self._root(one) != self._root(other) and self._alike(one, other):
                self._join(one, other)
        # Each text that was read knows this object, and nothing looks for cycles in the child.
        self._read.clear()
        roots = np.fromiter(map(self._root, range(len(self._parents))), np.int64, len(self._parents))
        return Groups(roots[self._text], self._text)

    def _batches(self) -> Iterator[tuple[Places, Numbers, Places]]:
        """The first row of each text, with its words and to which of them each belongs."""
        batch: list[Seen] = []
        characters = 0
        assert self._near.rows_path is not None
        with self._near.rows_path.open("rb", buffering=1 << 20) as stream:
            for place, line in enumerate(stream):
                if place >= self._near.row_count:
                    break
                if self._text[place] != place:
                    continue
                batch.append(Seen(place + 1, 0, orjson.loads(line)))
                characters += len(line)
                if len(batch) >= _BATCH_ROWS or characters >= _BATCH_CHARACTERS:
                    yield self._worded(batch)
                    batch, characters = [], 0
        if batch:
            yield self._worded(batch)

    def _worded(self, batch: Sequence[Seen]) -> tuple[Places, Numbers, Places]:
        places = np.array([seen.number - 1 for seen in batch], np.int64)
        words, owners = hashed_words([self._part(seen) for seen in batch])
        return places, words, owners

    def _part(self, seen: Seen) -> str:
        return without_courtesy(seen.normal_text if self._whole else (seen.normal_question or seen.normal_text))

    def _join_skeletons(self, skeletons: Numbers) -> None:
        places = np.flatnonzero(skeletons)
        for group in groups_of(skeletons[places]):
            first, *others = places[group].tolist()
            for other in others:
                if not self._whole or self._near.same_answer(first, other):
                    self._join(first, other)

    def _alike(self, one: int, other: int) -> bool:
        first, second = self._text_at(one), self._text_at(other)
        short = min(len(first.words), len(second.words)) < 60
        if not self._whole:
            return self._likeness.nearly_same(first, second, numbers_matter=True, is_question=True)
        return self._likeness.nearly_same(first, second, numbers_matter=short) and self._answers_alike(one, other)

    def _answers_alike(self, one: int, other: int) -> bool:
        if self._near.same_answer(one, other):
            return True
        first, second = (self._answer_at(place) for place in (one, other))
        return self._likeness.nearly_same(first, second, numbers_matter=True)

    def _answer_at(self, place: int) -> Text:
        return Text(self._near.read(place).normal_answer, lambda: self._text_at(place).rare)

    def _text_at(self, place: int) -> Text:
        if place not in self._read:
            if len(self._read) >= _KEPT_TEXTS:
                self._read.clear()
            said = self._part(self._near.read(place))
            self._read[place] = Text(said, lambda: self._rare(said))
        return self._read[place]

    def _rare(self, said: str) -> frozenset[int]:
        hashes, _ = shingles(*hashed_words([said]))
        return frozenset(hashes[self._near.rare(hashes, self._rare_rows)].tolist())

    def _root(self, place: int) -> int:
        parents = self._parents
        while parents[place] != place:
            parents[place] = parents[parents[place]]
            place = parents[place]
        return int(place)

    def _join(self, one: int, other: int) -> None:
        first, second = sorted((self._root(one), self._root(other)))
        self._parents[second] = first


def near_of(context: Context) -> Near:
    """The one look that the checks of a checkup share."""
    near: Near = context.shared.setdefault("near", None) or Near(context)
    context.shared["near"] = near
    return near


def facts_of(near: Near, context: Context) -> dict[str, object]:
    """How much of the dataset was compared."""
    return {"rows_compared": near.row_count, "rows": context.row_count, "by_sketches": HAS_SKETCHES}


def _words(batch: Sequence[Seen]) -> tuple[Numbers, Places]:
    return hashed_words([seen.normal_text for seen in batch])
