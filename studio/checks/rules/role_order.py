"""Turns in an order that no chat template was made for."""

from collections import Counter
from collections.abc import Iterator, Sequence

from studio.checks.base import Check, Context, Finding
from studio.checks.seen import Seen, Turn


class RoleOrder(Check):
    """system? (user (assistant (tool+ assistant)*))+, as every template of the catalogue expects it."""

    name = "role_order"
    title = "Wrong order of roles"
    severity = "warning"
    explanation = (
        "A conversation is an optional system turn, then user and assistant in turns. In these rows somebody speaks "
        "out of turn; some chat templates refuse them, others render them as something the model never sees in use."
    )
    advice = "Drop these rows, or put their turns into order."
    fixes = ("drop", "edit")

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._turns: Counter[str] = Counter()
        self._turns_per_row: Counter[int] = Counter()

    def look(self, seen: Seen) -> Iterator[Finding]:
        """Tell of the first turn that is out of order."""
        self._turns.update([turn.role for turn in seen.turns])
        self._turns_per_row[len(seen.turns)] += 1
        if "messages" in seen.row and (problem := _problem(seen.turns)):
            yield Finding(seen.number, problem)

    def facts(self) -> dict[str, object]:
        """Turns by role, and how many rows have so many turns."""
        return {"turns": dict(self._turns), "turns_per_row": sorted(self._turns_per_row.items())}


def _problem(turns: Sequence[Turn]) -> str:
    before = "start"
    for index, turn in enumerate(turns):
        if turn.role == "system":
            if index:
                return f"{turn.where}: a system turn comes first or not at all"
            continue
        if turn.role == "user" and before == "user":
            return f"{turn.where}: two user turns in a row"
        if turn.role == "user" and before == "tool":
            return f"{turn.where}: the result of a tool is not answered"
        if turn.role == "assistant" and before in {"start", "assistant"}:
            return f"{turn.where}: " + ("the assistant begins" if before == "start" else "two assistant turns in a row")
        if turn.role == "tool" and not (before == "tool" or (before == "assistant" and turns[index - 1].calls)):
            return f"{turn.where}: a tool answers though none was called"
        before = turn.role
    return "" if before == "assistant" else f"the last turn is the {before}'s, so nothing is learned from it"
