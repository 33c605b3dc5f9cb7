"""Reads the rows of a file by a plan: writes the good ones, counts them, and collects what is wrong with the others."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from studio.formats.canonical import CanonicalFiles, canonical_line
from studio.formats.columns import Plan
from studio.formats.facts import FactCounter
from studio.formats.packed import PartCounter
from studio.formats.problems import FileProblem, OverLimit, ProblemList, RowProblem, UnreadableKind, place
from studio.formats.quick import QuickReader, ReadRows, read_row
from studio.formats.report import Report, Request
from studio.formats.shapes import canonical_kind
from studio.formats.tables import RawRow, Table
from studio.formats.text import LineBlock, text_line
from studio.formats.values import Row


class _Enough(Exception):
    """So many problems are counted that the rest of the file is of no interest."""


class RowReader:
    """What is known while one file is read; without a plan every row is a problem."""

    def __init__(self, request: Request, table: Table, plan: Plan | None) -> None:
        self.facts = FactCounter()
        self.files = CanonicalFiles(request.folder, request.rows_limit_bytes)
        self._limits = request.limits
        self._leave_out = request.leave_out
        self._table = table
        self._parts = PartCounter(table.parts)
        self._plan = plan
        self._problems = ProblemList(request.limits.problems_shown)
        self._rows = 0
        self._lines = 0
        self._good_rows = 0
        self._whole = False
        self._kind: str | None = None

    def read_rows(self, rows: Iterator[RawRow]) -> None:
        """Read row by row; raises OverLimit and UnreadableKind."""
        with self._to_the_end():
            for raw in rows:
                self._read_row(raw)

    def read_blocks(self, blocks: Iterator[LineBlock], head: list[Row]) -> None:
        """Read lines of JSON, ordinary ones many at a time; `head` are the file's first rows. Raises as read_rows."""
        assert self._plan is not None
        self._kind = _first_kind(self._plan, head)
        quick = QuickReader(self._plan, self._kind, self._limits, self.facts.leave_out) if self._kind else None
        with self._to_the_end():
            for block in blocks:
                self._read_block(block, quick)

    def report(self) -> Report:
        """The answer."""
        accepted = self._leaves_enough if self._leave_out else not self._problems.count
        if not accepted or self._plan is None or self._kind is None:
            return self._refused()
        if self._good_rows < 2:
            sentence = "The file has 1 row; a dataset needs 2 at least, one to train on and one to validate with."
            return Report(outcome="invalid", problems=[sentence], problem_count=1)
        return Report(
            outcome="accepted",
            shape=self._plan.shape,
            canonical=self._kind.split()[0],
            mapping=dict(self._plan.mapping) if self._plan.mapping else None,
            row_count=self._good_rows,
            sha256=self.files.sha256,
            size_bytes=self.files.size_bytes,
            facts=self.facts.facts(self._plan.shape, self._more_facts(self._plan)),
        )

    @property
    def _leaves_enough(self) -> bool:
        """Whether the file was read to its end, and enough of its rows would stay without those with a problem."""
        enough = self._good_rows >= 2 and self._good_rows * 2 >= self._rows
        return self._whole and (enough or not self._problems.count)

    def _refused(self) -> Report:
        problems, count = self._problems.first, self._problems.count
        if self._leave_out and self._whole:
            sentence = f"Only {self._good_rows:,} of {self._rows:,} rows are fine; half of them and 2 at least must be."
            problems, count = [sentence, *problems[:-1]], count + 1
        good = self._good_rows if self._leaves_enough else 0
        return Report(outcome="invalid", problems=problems, problem_count=count, good_rows=good)

    def _more_facts(self, plan: Plan) -> dict[str, Any]:
        more: dict[str, Any] = {"fields": list(plan.fields.names)} if plan.fields is not None else {}
        if self._leave_out:  # also when nothing had to be: the files are made again by the same request
            more["left_out"] = {"count": self._problems.count, "problems": self._problems.first}
        if len(self._table.parts) > 1:
            more["parts"] = self._parts.good_rows
        return more

    @contextmanager
    def _to_the_end(self) -> Iterator[None]:
        """Read in this block; a problem of the whole file ends it."""
        try:
            yield
            self._whole = True
        except _Enough:
            return
        except (OverLimit, UnreadableKind):
            raise
        except FileProblem as problem:
            self._problems.add(str(problem))

    def _read_block(self, block: LineBlock, quick: QuickReader | None) -> None:
        room = self._rows + len(block.lines) <= self._limits.rows
        if quick and room and (taken := quick.read_all(block.lines)):
            self._rows += len(block.lines)
            self._lines += len(block.lines)
            self._keep(taken)
            return
        offset = block.offset
        together = ReadRows([], [], 0, [])
        for line in block.lines:
            self._lines += 1
            if quick and (taken := quick.read(line)):
                self._begin_row(self._rows + 1)
                together += taken
            else:
                self._keep(together)
                together = ReadRows([], [], 0, [])
                self._read_line(line, offset)
            offset += len(line) + 1
        self._keep(together)

    def _read_line(self, line: bytes, offset: int) -> None:
        text = text_line(line, offset, self._limits)
        if text and not text.isspace():
            self._read_row(RawRow(self._rows + 1, self._lines, text))

    def _read_row(self, raw: RawRow) -> None:
        self._begin_row(raw.number)
        try:
            self._take(self._table.decode(raw.raw))
        except RowProblem as problem:
            self._problems.add(f"{place(raw.number, raw.line)}: {problem}")
            self._parts.leave_out(raw.number)
            if self._problems.count >= self._limits.problems_counted and not self._leave_out:
                raise _Enough from problem

    def _begin_row(self, number: int) -> None:
        self._rows = number
        if number > self._limits.rows:
            raise OverLimit(f"The file has more than {self._limits.rows:,} rows, which is the limit.")

    def _take(self, row: Row) -> None:
        if self._plan is None:
            raise RowProblem("the row is empty" if not row else "its columns are not those of the first rows")
        canonical = self._plan.canonical(row, self.facts.leave_out)
        kind = canonical_kind(canonical)
        self._kind = self._kind or kind
        if kind != self._kind:
            raise RowProblem(f"this row is {kind}, yet the file began as {self._kind}; use one shape")
        self._keep(read_row(canonical, canonical_line(canonical, self._limits)[:-1]))

    def _keep(self, rows: ReadRows) -> None:
        if not rows.lines:
            return
        self._good_rows += len(rows.lines)
        if self._leave_out or not self._problems.count:
            self.files.write_all(rows.lines)
            self.facts.add_all(rows.bare, rows.characters, rows.spoken)


def _first_kind(plan: Plan, head: list[Row]) -> str | None:
    """The canonical form of the first row that can be read, if the head has one."""
    for row in head:
        try:
            return canonical_kind(plan.canonical(row, _ignore))
        except RowProblem:
            continue
    return None


def _ignore(name: str) -> None:
    """Be told of a column that is left out."""
