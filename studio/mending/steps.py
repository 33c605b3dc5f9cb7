"""What each kind of step does: it drops rows at once, and gives the change that rows undergo as they are written."""

import random
import re
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from studio.checks import FINDINGS_KEPT
from studio.checks.seen import Seen
from studio.chores.child import CannotDo
from studio.formats.shapes import Row, canonical_kind
from studio.mending.held_out import add_test
from studio.mending.parent import Change, Marks, Parent

Plan = Callable[[Parent, int, dict[str, Any]], Change | None]
_ANSWERS = ("messages", "completion", "chosen", "rejected", "text")
_SENTENCE_END = re.compile("[.!?…。！？][\"'”’)\\]]*(?=\\s)|[。！？]|\n")


def plan_step(parent: Parent, place: int, step: dict[str, Any]) -> None:
    """Decide what a step does, after all steps before it; `place` counts from 1. Raises CannotDo."""
    change = _PLANS[step["do"]](parent, place, step)
    if change is not None:
        parent.changes.append((place, change))


def _drop(parent: Parent, place: int, step: dict[str, Any]) -> None:
    for finding in parent.findings(step["check"]):
        parent.drop(finding["row"], place)


def _drop_rows(parent: Parent, place: int, step: dict[str, Any]) -> None:
    for number in step["rows"]:
        parent.drop(number, place)


def _keep_first(parent: Parent, place: int, step: dict[str, Any]) -> None:
    """A group is named by its first row, which is not always among the findings, and may have been dropped."""
    kept: dict[int, int] = {}
    for finding in parent.findings(step["check"]):
        row, group = finding["row"], finding["group"]
        if not group or not parent.stays(row):
            continue
        first = kept.setdefault(group, group if parent.stays(group) else row)
        if row != first:
            parent.drop(row, place)


def _keep_majority(parent: Parent, place: int, step: dict[str, Any]) -> None:
    groups: defaultdict[int, set[int]] = defaultdict(set)
    for finding in parent.findings(step["check"]):
        if finding["group"]:
            groups[finding["group"]] |= {finding["row"], finding["group"]}
    for members in groups.values():
        numbers = sorted(number for number in members if parent.stays(number))
        answers = {number: Seen(number, 0, row).answer_hash for number, row in parent.some(numbers)}
        # Of answers that are given equally often the counter names the one that it met first.
        for winner, _ in Counter(answers.values()).most_common(1):
            for number, answer in answers.items():
                if answer != winner:
                    parent.drop(number, place)


def _rebalance(parent: Parent, place: int, step: dict[str, Any]) -> None:
    """Twelve bytes a row: its answer's hash and its number, in an order that the seed gives."""
    numbers, answers = array("I"), array("Q")
    for number, row in parent.remaining():
        if parent.codes[number - 1] == 0:
            numbers.append(number)
            answers.append(Seen(number, 0, row).answer_hash)
    order = array("I", range(len(numbers)))
    random.Random(step["seed"]).shuffle(order)  # noqa: S311 - a choice of rows, no secret
    kept: Counter[int] = Counter()
    for index in order:
        kept[answers[index]] += 1
        if kept[answers[index]] > step["most"]:
            parent.drop(numbers[index], place)


def _mend(parent: Parent, place: int, step: dict[str, Any]) -> Change:
    # The rules bring numpy and more with them, which takes half a second.
    from studio.checks.base import Context
    from studio.checks.rules import all_checks

    rule = next((check for check in all_checks() if check.name == step["check"]), None)
    mended = getattr(rule and rule(Context(parent.row_count, parent.canonical)), "mended", None)
    if mended is None:
        raise CannotDo(f"Nothing is known by which “{step['sentence']}” could be done.")
    marks, count = Marks(parent.row_count), 0
    for finding in parent.findings(step["check"]):
        marks.add(finding["row"])
        count += 1
    # A list that was cut short does not name all rows.
    return lambda number, row: mended(row) if count >= FINDINGS_KEPT or number in marks else row


def _edit(parent: Parent, place: int, step: dict[str, Any]) -> Change:
    if step["number"] > parent.row_count:
        raise CannotDo(f"There is no row {step['number']:,}; this version has {parent.row_count:,} rows.")

    def change(number: int, row: Row) -> Row:
        if number != step["number"]:
            return row
        written: Row = step["row"]
        if canonical_kind(written) != canonical_kind(row):
            raise CannotDo(f"Row {number:,} is {canonical_kind(row)}, and has to stay of that kind.")
        return written

    return change


def _use_chosen(parent: Parent, place: int, step: dict[str, Any]) -> Change:
    if parent.canonical != "preference":
        raise CannotDo("These rows have one answer each; only preference rows have a chosen one.")

    def change(number: int, row: Row) -> Row:
        return {"completion" if key == "chosen" else key: value for key, value in row.items() if key != "rejected"}

    return change


def _cap_length(parent: Parent, place: int, step: dict[str, Any]) -> Change:
    limit: int = step["characters"]

    def change(number: int, row: Row) -> Row:
        for key in _ANSWERS:
            if key in row:
                capped = _capped(row[key], limit)
                row = row if capped is row[key] else row | {key: capped}
        return row

    return change


def _capped(answer: Any, limit: int) -> Any:
    """A text, or messages of which the assistant's last one is cut; the same object if it is short enough."""
    if isinstance(answer, str):
        return cut(answer, limit)
    last = max((at for at, message in enumerate(answer) if message.get("role") == "assistant"), default=None)
    content = None if last is None else answer[last].get("content")
    if last is None or not isinstance(content, str) or len(content) <= limit:
        return answer
    return [*answer[:last], answer[last] | {"content": cut(content, limit)}, *answer[last + 1 :]]


def cut(text: str, limit: int) -> str:
    """At most `limit` characters, up to the end of a sentence, else of a word, in the second half of them."""
    if len(text) <= limit:
        return text
    ends = [found.end() for found in _SENTENCE_END.finditer(text, 0, limit + 1) if found.end() <= limit]
    if ends and ends[-1] >= limit // 2:
        return text[: ends[-1]].rstrip()
    head = text[: limit + 1]
    words = head.rstrip() if head[-1].isspace() else head[: _word_end(head)].rstrip()
    return words if len(words) >= limit // 2 else text[:limit].rstrip()


def _word_end(text: str) -> int:
    return next((at for at in range(len(text) - 1, 0, -1) if text[at].isspace()), 0)


_PLANS: Mapping[str, Plan] = {
    "drop": _drop,
    "drop_rows": _drop_rows,
    "keep_first": _keep_first,
    "keep_majority": _keep_majority,
    "rebalance": _rebalance,
    "redact": _mend,
    "trim": _mend,
    "edit": _edit,
    "use_chosen": _use_chosen,
    "cap_length": _cap_length,
    "add_test": add_test,
}
