"""The worker's side of an arrival: what the child is asked, and what becomes of its report."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from studio import chores
from studio.actors import Actor
from studio.chores import ChoreLease, ChoreLost
from studio.datasets.checkups import ask_checkup
from studio.datasets.importing import Original, new_dataset
from studio.datasets.keys import NewFiles
from studio.datasets.models import Arrival, DatasetVersion, original_key
from studio.datasets.parts import codes_of_parts
from studio.datasets.splits import SPLIT_NAMES, Split, codes_key
from studio.errors import NotFound
from studio.formats import ImportLimits
from studio.formats.report import OFFSETS_FILE, ROWS_FILE, Report
from studio.importing import CHECKED_FOLDER, FETCHED_FOLDER
from studio.queue import Queue
from studio.splitting import CODES_FILE
from studio.storage import Storage, sha256_of


def arrival_of(session: Session, lease: ChoreLease) -> Arrival:
    """What a worker is to import; raises NotFound."""
    arrival = session.get(Arrival, lease.params["arrival"])
    if arrival is None:
        raise NotFound("This import is gone.")
    return arrival


def import_request(arrival: Arrival, *, storage: Storage, limits: ImportLimits) -> dict[str, Any]:
    """What the child is asked; `hub` is None where the file is here. Raises NotFound when a kept file is missing."""
    kept = arrival.original_key
    return {
        "path": str(storage.path(kept)) if kept else None,
        "kind": arrival.source.get("file_kind"),
        "hub": arrival.source if kept is None else None,
        "mapping": arrival.options["mapping"],
        "leave_out": arrival.options["leave_out"],
        "limits": asdict(limits),
    }


def keep_import(
    session: Session,
    storage: Storage,
    arrival: Arrival,
    lease: ChoreLease,
    folder: Path,
    result: dict[str, Any],
    *,
    queue: Queue,
) -> None:
    """Make the dataset, or tell why there is none, and finish the chore; flushes.

    `arrival` was read before: files are moved while this session locks nothing yet. Raises ChoreLost, and NotFound when
    the arrival is gone; then nothing of it stays.
    """
    report = Report(**result["report"])
    seen = _Seen.of(arrival, result["fetched"])
    is_kept = _is_kept_after(arrival, report)
    files = NewFiles(session, storage)
    if result["fetched"] and is_kept:
        files.take(folder / FETCHED_FOLDER / result["fetched"]["file"], original_key(seen.sha256))
    told: dict[str, Any] = {"source": seen.source, "report": _told(arrival, report), "kept_sha256": None}
    if report.outcome == "accepted":
        told["dataset_id"] = _make(session, files, arrival, seen, report, folder / CHECKED_FOLDER, queue)
    elif is_kept:
        told["kept_sha256"] = seen.sha256
    elif arrival.original_key is not None:
        files.let_go(arrival.original_key)
    _update(session, arrival.id, told)
    chores.finish(session, lease, {"dataset_id": told.get("dataset_id")})


@dataclass(frozen=True, slots=True)
class _Seen:
    """The file that was read, and what is now known of where it comes from."""

    source: dict[str, Any]
    sha256: str

    @classmethod
    def of(cls, arrival: Arrival, fetched: dict[str, Any] | None) -> "_Seen":
        if fetched is None:
            if arrival.kept_sha256 is None:
                raise ChoreLost("Another worker has imported it already.")
            return cls(arrival.source, arrival.kept_sha256)
        known = {"file_name": fetched["file_name"], "file_kind": fetched["kind"], "size_bytes": fetched["size_bytes"]}
        return cls(arrival.source | known | {"facts": fetched["source"]}, fetched["sha256"])


def _is_kept_after(arrival: Arrival, report: Report) -> bool:
    """Whether the file is a dataset's now, or a person may say how to read it and go on."""
    if report.outcome == "invalid":
        # Other columns may be right where these made rows of which too many have problems.
        return report.good_rows > 0 or bool(arrival.options["mapping"])
    return report.outcome in {"accepted", "needs_mapping", "wrong_mapping"}


def _make(
    session: Session, files: NewFiles, arrival: Arrival, seen: _Seen, report: Report, folder: Path, queue: Queue
) -> str:
    """The dataset, with its files stored before the first statement; returns its id."""
    source = seen.source
    original = Original(source["file_name"], source["file_kind"], source["size_bytes"], seen.sha256)
    actor = Actor(arrival.owner_id)
    split = Split.model_validate(arrival.options["split"])
    dataset = new_dataset(actor, arrival.name, original, report, split)
    if "facts" in source:
        dataset.latest.facts = report.facts | {"source": source["facts"]}
    if "parts" in report.facts:
        _keep_parts(dataset.latest, split, files, folder / CODES_FILE)
    files.take(folder / ROWS_FILE, dataset.latest.rows_key)
    files.take(folder / OFFSETS_FILE, dataset.latest.offsets_key)
    session.add(dataset)
    session.flush()
    ask_checkup(session, actor, dataset.latest, queue=queue)
    return dataset.id


def _keep_parts(version: DatasetVersion, split: Split, files: NewFiles, path: Path) -> None:
    """The rows came with a split of their own, which stays as it is."""
    codes = codes_of_parts(version.facts["parts"], split)
    path.write_bytes(codes)
    sha256 = sha256_of(path)
    sizes = tuple(codes.count(place) for place in range(len(SPLIT_NAMES)))
    version.split = Split(**split.model_dump() | {"codes_sha256": sha256, "sizes": sizes}).model_dump(mode="json")
    version.split_sha256 = sha256
    files.take(path, codes_key(sha256))


def _told(arrival: Arrival, report: Report) -> dict[str, Any]:
    """Columns are asked for again with what was shown of them the first time."""
    if report.outcome == "accepted":
        return {"outcome": "accepted"}
    shown = {name: arrival.report.get(name) for name in ("columns", "samples")}
    return asdict(report) | {name: value for name, value in shown.items() if value and not report.columns}


def _update(session: Session, arrival_id: str, values: dict[str, Any]) -> None:
    found = session.execute(
        update(Arrival)
        .where(Arrival.id == arrival_id)
        .values(**values)
        .returning(Arrival.id)
        .execution_options(synchronize_session=False)
    ).scalar_one_or_none()
    if found is None:
        raise NotFound("This import is gone.")
