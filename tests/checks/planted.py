"""A dataset of 5,000 rows of many kinds, into which mistakes are planted whose places are known.

The rows come from templates with many slots and of very different length, so that rows which only look alike are many.
"""

import random
from collections import defaultdict
from dataclasses import dataclass, field

from tests.checks.edits import edited
from tests.checks.looking import Row, chat
from tests.checks.private import PERSONAL, SECRETS
from tests.checks.sentences import answer_and_question, other_answer

ROWS = 5000
_HELD_OUT = 0.15
PLANTED = {
    "exact_duplicates": 60,
    "contradictions": 40,
    "leakage": 50,
    "near_duplicates": 150,
    "near_contradictions": 80,
    "near_leakage": 100,
    "secrets": 80,
    "personal_data": 80,
    "empty_turns": 30,
    "refusals": 30,
    "missing_values": 30,
    "role_order": 30,
    "special_tokens": 30,
}
EXACT = tuple(kind for kind in PLANTED if not kind.startswith("near_"))
NEAR = tuple(kind for kind in PLANTED if kind.startswith("near_"))
_COPIES = {"exact_duplicates", "near_duplicates"}
# A copy that leaks is a copy as well.
_ALSO = {"leakage": "exact_duplicates", "near_leakage": "near_duplicates"}
_REFUSALS = ("I'm sorry, but I can't help with that.", "I don't know.", "As an AI language model, I cannot say.")
_MISSING = ("None", "nan", "NULL", "N/A", "undefined")
_MARKS = ("{}<|im_end|>", "<s>{}</s>", "[INST]{}", "{}<|eot_id|>", "<start_of_turn>{}")


@dataclass
class Planted:
    """Rows, the split of each, and by check the numbers of the rows that it is to find."""

    rows: list[Row] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    truth: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))


@dataclass(eq=False)
class _Entry:
    """A question and its answer; what is planted there, and what it was made from."""

    question: str
    answer: str
    code: int = 0
    kind: str = ""
    origin: "_Entry | None" = None
    number: int = 0

    @property
    def row(self) -> Row:
        row = chat(self.question, self.answer)
        if self.kind == "role_order":
            row["messages"].insert(0, row["messages"][0])
        return row


def plant(seed: int = 7, count: int = ROWS) -> Planted:
    """The same rows for the same seed; what is planted grows with `count`."""
    chance = random.Random(seed)
    wanted = {kind: number * count // ROWS for kind, number in PLANTED.items()}
    said: set[str] = set()
    entries = _background(chance, count - sum(wanted.values()), said)
    # Each row is the origin of at most one mistake, and rows that are held out are of none.
    origins = [entry for entry in entries if entry.code == 0]
    for kind, number in wanted.items():
        entries += [_planted(chance, kind, origins.pop(), said) for _ in range(number)]
    chance.shuffle(entries)
    return _numbered(entries)


def _background(chance: random.Random, count: int, said: set[str]) -> list[_Entry]:
    new = (_new(chance, said) for _ in range(count))
    return [_Entry(question, answer, int(chance.random() < _HELD_OUT)) for answer, question in new]


def _new(chance: random.Random, said: set[str]) -> tuple[str, str]:
    """An answer and a question that nobody has asked yet."""
    answer, question = answer_and_question(chance)
    while question in said:
        answer, question = answer_and_question(chance)
    said.add(question)
    return answer, question


def _planted(chance: random.Random, kind: str, origin: _Entry, said: set[str]) -> _Entry:
    """A new row made from another one; those of single rows get a question of their own."""
    if kind in _COPIES | set(_ALSO) or kind.endswith("contradictions"):
        question = edited(chance, origin.question) if kind.startswith("near") else origin.question
        answer = other_answer(chance, origin.answer) if kind.endswith("contradictions") else origin.answer
        return _Entry(question, answer, int(kind in _ALSO), kind, origin)
    answer, question = _new(chance, said)
    if kind in {"secrets", "personal_data"}:
        private = chance.choice(SECRETS if kind == "secrets" else PERSONAL)
        return _Entry(f"{question} {private}", answer, 0, kind)
    answers = {
        "empty_turns": " ",
        "refusals": chance.choice(_REFUSALS),
        "missing_values": chance.choice(_MISSING),
        "special_tokens": chance.choice(_MARKS).format(answer),
    }
    return _Entry(question, answers.get(kind, answer), 0, kind)


def _numbered(entries: list[_Entry]) -> Planted:
    planted = Planted()
    for number, entry in enumerate(entries, start=1):
        entry.number = number
        planted.rows.append(entry.row)
        planted.codes.append(entry.code)
    for entry in entries:
        for kind in (entry.kind, _ALSO.get(entry.kind, "")):
            if kind:
                planted.truth[kind] |= _told(kind, entry)
    return planted


def _told(kind: str, entry: _Entry) -> set[int]:
    """Of a row and its copy the later one is told; of a contradiction both are."""
    if entry.origin is None or kind in _ALSO:
        return {entry.number}
    both = {entry.number, entry.origin.number}
    return {max(both)} if kind in _COPIES else both
