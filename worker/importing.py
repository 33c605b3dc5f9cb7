"""The chore that imports a file: it lies in storage, or a child fetches it from the Hub; another one reads it."""

from pathlib import Path
from typing import Any

from studio import datasets
from studio.chores import ChoreLease
from studio.datasets import Arrival, ImportLimits
from studio.db import reading, transaction
from worker.bench import Bench
from worker.chores import Work
from worker.hub_rows.asking import environ_of, request_of

_FETCH_SECONDS = 3600.0


class Import:
    """A file becomes a dataset, or a refusal that says why."""

    def begin(self, bench: Bench, lease: ChoreLease, folder: Path) -> Work:
        """Hand the child the file, or where to fetch it; the programs that it starts limit themselves."""
        limits = ImportLimits(unpacked_limit_bytes=bench.settings.unpacked_limit_bytes)
        request = datasets.import_request(_arrival(bench, lease), storage=bench.storage, limits=limits)
        environ: dict[str, str] = {}
        if request["hub"]:
            request["hub"], environ = request_of(request["hub"], bench), environ_of(bench)
        wall_seconds = limits.wall_seconds + (_FETCH_SECONDS if request["hub"] else 60.0)
        return Work(request, module="studio.importing", memory_bytes=0, wall_seconds=wall_seconds, environ=environ)

    def store(self, bench: Bench, lease: ChoreLease, folder: Path, result: dict[str, Any]) -> None:
        """Files before rows, and everything in one transaction: doing it twice makes one dataset."""
        arrival = _arrival(bench, lease)
        with transaction(bench.session_factory) as session:
            datasets.keep_import(session, bench.storage, arrival, lease, folder, result, queue=bench.queue)


def _arrival(bench: Bench, lease: ChoreLease) -> Arrival:
    with reading(bench.session_factory) as session:
        return datasets.arrival_of(session, lease)
