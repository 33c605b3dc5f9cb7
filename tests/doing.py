"""Chores done in this process: what a worker and its child do, without the start of a program, which takes longer."""

import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from studio import chores, datasets
from studio.actors import LOCAL_ACTOR
from studio.checks.run import check_rows
from studio.chores import Chore, ChoreLease, ChoreLost
from studio.chores.child import CannotDo, Progress
from studio.comparing.__main__ import compare_rows
from studio.datasets import Dataset, DatasetVersion, read_recipe
from studio.db import reading, transaction
from studio.errors import StudioError
from studio.importing.run import import_rows
from studio.mending.run import mend_rows
from studio.queue import SilentQueue
from studio.splitting.run import split_rows
from worker.bench import Bench
from worker.chores import ChoreSlot
from worker.doing import DOERS

PAIRS = [(f"Say {n}", f"It is {n}") for n in range(40)]
PLANTED = [*PAIRS, *PAIRS[:6], ("Say 7", "It is not"), ("Say nothing", " x ")]
DUPLICATES = [{"do": "keep_first", "check": "exact_duplicates"}]
_CHILDREN = {
    "checkup": check_rows,
    "comparing": compare_rows,
    "import": import_rows,
    "mending": mend_rows,
    "splitting": split_rows,
}


class HereSlot(ChoreSlot):
    """A worker's slot that starts a program only for tokens, whose child needs a warm forkserver."""

    def _try(self, lease: ChoreLease) -> None:
        if lease.kind in _CHILDREN and lease.kind in self.doers:
            do_chore(self.bench, lease)
        else:
            super()._try(lease)


def claim(bench: Bench) -> ChoreLease | None:
    """Take the oldest chore that waits."""
    with transaction(bench.session_factory) as session:
        return chores.claim_next(session, bench.owner)


def do_chores(bench: Bench) -> None:
    """All that wait, oldest first."""
    while (lease := claim(bench)) is not None:
        do_chore(bench, lease)


def do_chore(bench: Bench, lease: ChoreLease, meanwhile: Callable[[], object] = lambda: None) -> None:
    """One; `meanwhile` comes before its result is stored."""
    with tempfile.TemporaryDirectory(dir=bench.settings.uploads_dir) as name:
        folder = Path(name)
        try:
            work = DOERS[lease.kind].begin(bench, lease, folder)
            result = _CHILDREN[lease.kind](_as_json(dict(work.request)), folder, Progress(folder))
            meanwhile()
            DOERS[lease.kind].store(bench, lease, folder, _as_json(result))
        except ChoreLost:
            raise
        except (CannotDo, StudioError) as reason:
            with transaction(bench.session_factory) as session:
                chores.fail(session, lease, str(reason))


def mend(bench: Bench, version: DatasetVersion, steps: list[dict[str, Any]], *, publish: bool = True) -> Chore:
    """Apply a recipe to a version, and do what follows."""
    recipe, cache = read_recipe(steps), bench.settings.cache_dir
    with transaction(bench.session_factory) as session:
        chore = datasets.ask_mending(
            session, LOCAL_ACTOR, version, recipe, queue=SilentQueue(), publish=publish, cache=cache
        )
    do_chores(bench)
    with reading(bench.session_factory) as session:
        return chores.get_chore(session, LOCAL_ACTOR, chore.id)


def versions(bench: Bench, dataset: Dataset) -> list[DatasetVersion]:
    """All versions that a dataset has now, oldest first."""
    with reading(bench.session_factory) as session:
        return list(datasets.get_dataset(session, LOCAL_ACTOR, dataset.id).versions)


def lines(rows: Sequence[dict[str, Any]]) -> bytes:
    """As JSON Lines."""
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def _as_json(value: object) -> Any:
    """As it comes out of the files between a worker and its child."""
    return json.loads(json.dumps(value))
