"""The one pass over a file: recognise, canonicalise, count, and collect what is wrong."""

from collections.abc import Iterator
from itertools import chain, islice

from studio.formats.canonical import CanonicalFiles, canonical_line
from studio.formats.columns import Plan, mapped_plan, plan_for
from studio.formats.facts import FactCounter
from studio.formats.opening import open_table
from studio.formats.problems import (
    FileProblem,
    MappingFault,
    NeedsMapping,
    OverLimit,
    ProblemList,
    RowProblem,
    UnreadableKind,
    place,
    shown,
)
from studio.formats.report import Report, Request
from studio.formats.shapes import Row, canonical_kind
from studio.formats.strict_json import json_reader
from studio.formats.tables import RawRow, Table

_HEAD_ROWS = 20
_SAMPLES = 3


def check_file(request: Request) -> Report:
    """Read the whole file and write its canonical rows; the answer says what was wrong."""
    try:
        return _Pass(request).run()
    except UnreadableKind as refusal:
        return Report(outcome="unsupported", message=str(refusal))
    except OverLimit as refusal:
        return Report(outcome="too_large", message=str(refusal))
    except NeedsMapping as question:
        return Report(outcome="needs_mapping", message=str(question), columns=question.columns)
    except MappingFault as fault:
        return Report(outcome="wrong_mapping", message=str(fault), fields=fault.fields)
    except FileProblem as problem:
        return Report(outcome="invalid", problems=[str(problem)], problem_count=1)


class _Pass:
    """What is known while one file is read."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._limits = request.limits
        self._problems = ProblemList(request.limits.problems_shown)
        self._facts = FactCounter()
        self._read_json = json_reader(request.limits)
        self._rows = 0
        self._first_kind: str | None = None

    def run(self) -> Report:
        """Read all rows."""
        table = open_table(self._request)
        for name, kind in table.unread:
            self._facts.leave_out(f"{shown(name)} ({shown(kind)})")
        head, rows = _peek(table.rows)
        if not head:
            next(rows, None)  # tells of the file problem that ended the head, if one did
            return _refused(_no_rows(table))
        plan = self._plan(table, _decodable(table, head))
        with CanonicalFiles(self._request.folder, self._request.rows_limit_bytes) as files:
            self._read(table, rows, plan, files)
        return self._report(plan, files)

    def _plan(self, table: Table, head: list[Row]) -> Plan | None:
        """Decide from the first rows what the columns mean; None if not one of them can be read."""
        candidates = [table.columns] if table.columns is not None else [tuple(row) for row in head]
        if not any(candidates):
            return None
        if self._request.mapping:
            names = {name for candidate in candidates for name in candidate}
            return mapped_plan(self._request.mapping, names, self._read_json)
        plans = (plan_for(candidate, self._read_json) for candidate in candidates)
        if plan := next(filter(None, plans), None):
            return plan
        raise NeedsMapping(_samples(head))

    def _read(self, table: Table, rows: Iterator[RawRow], plan: Plan | None, files: CanonicalFiles) -> None:
        try:
            for raw in rows:
                self._rows = raw.number
                self._read_row(table, raw, plan, files)
                if self._problems.count >= self._limits.problems_counted:
                    return
        except (OverLimit, UnreadableKind):
            raise
        except FileProblem as problem:
            self._problems.add(str(problem))

    def _read_row(self, table: Table, raw: RawRow, plan: Plan | None, files: CanonicalFiles) -> None:
        if raw.number > self._limits.rows:
            raise OverLimit(f"The file has more than {self._limits.rows:,} rows, which is the limit.")
        try:
            self._take(raw.number, table.decode(raw.raw), plan, files)
        except RowProblem as problem:
            self._problems.add(f"{place(raw.number, raw.line)}: {problem}")

    def _take(self, number: int, row: Row, plan: Plan | None, files: CanonicalFiles) -> None:
        if plan is None:
            raise RowProblem("the row is empty" if not row else "its columns are not those of the first rows")
        canonical = plan.canonical(row, self._facts.leave_out)
        kind = canonical_kind(canonical)
        self._first_kind = self._first_kind or kind
        if kind != self._first_kind:
            raise RowProblem(f"this row is {kind}, yet the file began as {self._first_kind}; use one shape")
        line = canonical_line(canonical, self._limits)
        if not self._problems.count:
            files.write(line)
            self._facts.add(number, canonical, line)

    def _report(self, plan: Plan | None, files: CanonicalFiles) -> Report:
        if self._problems.count or plan is None or self._first_kind is None:
            return Report(outcome="invalid", problems=self._problems.first, problem_count=self._problems.count)
        if self._rows < 2:
            return _refused("The file has 1 row; a dataset needs 2 at least, one to train on and one to validate with.")
        return Report(
            outcome="accepted",
            shape=plan.shape,
            canonical=self._first_kind.split()[0],
            mapping=dict(plan.mapping) if plan.mapping else None,
            row_count=self._rows,
            sha256=files.sha256,
            size_bytes=files.size_bytes,
            facts=self._facts.facts(plan.shape),
        )


def _peek(rows: Iterator[RawRow]) -> tuple[list[RawRow], Iterator[RawRow]]:
    """Look at the first rows; a file problem among them is raised again after the rows before it."""
    head: list[RawRow] = []
    try:
        head.extend(islice(rows, _HEAD_ROWS))
    except (OverLimit, UnreadableKind):
        raise
    except FileProblem as problem:
        return head, chain(head, _failing(problem))
    return head, chain(head, rows)


def _failing(problem: FileProblem) -> Iterator[RawRow]:
    raise problem
    yield


def _decodable(table: Table, head: list[RawRow]) -> list[Row]:
    rows = []
    for raw in head:
        try:
            rows.append(table.decode(raw.raw))
        except RowProblem:
            continue
    return rows


def _samples(head: list[Row]) -> dict[str, list[str]]:
    """The columns of the first rows, each with up to three values."""
    samples: dict[str, list[str]] = {}
    for row in head:
        for name, value in row.items():
            values = samples.setdefault(name, [])
            if len(values) < _SAMPLES and value not in (None, ""):
                values.append(shown(value if isinstance(value, str) else str(value)))
    unshowable = next((name for name in samples if shown(name, len(name)) != name), None)
    if unshowable is not None:
        raise FileProblem(f"The column name '{shown(unshowable)}' holds a character that cannot be shown; rename it.")
    return samples


def _no_rows(table: Table) -> str:
    if table.unread and not table.columns:
        return "No column of the file can be read: " + ", ".join(f"{name} is {kind}" for name, kind in table.unread)
    return "The file has a header, but no rows." if table.columns else "The file is empty: it has no rows."


def _refused(sentence: str) -> Report:
    return Report(outcome="invalid", problems=[sentence], problem_count=1)
