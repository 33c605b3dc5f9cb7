"""The chore that counts tokens: finds the base model's tokenizer, or fetches it, and hands the rows to a warm child."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio import base_models, chores, datasets
from studio.chores import ChoreLease
from studio.datasets import DatasetVersion
from studio.db import reading, transaction
from studio.errors import InvalidInput, NotFound
from studio.runs import parse_event
from studio.runs.folders import EVENTS_FILE
from worker.bench import Bench
from worker.chores import Work
from worker.order import ENVIRONMENT, RESULT_FILE, Found, Order
from worker.start import Program, end_group

# The warm child begins with 0.9 GB of addresses. It maps the tokenised rows, which are as large as the rows themselves,
# a few times; a template has the rest.
_MEMORY_BYTES = 3 << 30
_MAPPED = 4
_POLL_SECONDS = 1.0
# Tokenizers have 17 MB at most.
_FETCH_SECONDS = 300


@dataclass(frozen=True, slots=True)
class CountTokens:
    """The tokens of a version with the tokenizer and the template of a base model.

    A row takes milliseconds; a template that needs `row_seconds` for one does not end.
    """

    row_seconds: float = 20.0

    def begin(self, bench: Bench, lease: ChoreLease, folder: Path) -> Work:
        """Hand the rows, their split and the tokenizer's folder to the child."""
        with reading(bench.session_factory) as session:
            version = session.get(DatasetVersion, lease.version_id)
        if version is None:
            raise NotFound("The dataset is gone.")
        codes = folder / "split.codes"
        codes.write_bytes(datasets.version_split_codes(version, storage=bench.storage))
        request = {
            "rows": str(bench.storage.path(version.rows_key)),
            "rows_sha256": version.sha256,
            "split_codes": str(codes),
            "row_count": version.row_count,
            "base_model_folder": str(_tokenizer_folder(bench, lease, folder)),
            "train_on": lease.params["train_on"],
            "row_seconds": self.row_seconds,
            "cache": str(bench.settings.token_cache_dir),
        }
        return Work(request, target=_count_tokens, memory_bytes=_MEMORY_BYTES + _MAPPED * version.size_bytes)

    def store(self, bench: Bench, lease: ChoreLease, folder: Path, result: dict[str, Any]) -> None:
        """Files first, then the row that tells of them."""
        datasets.keep_profile(bench.settings.cache_dir, lease, folder)
        with transaction(bench.session_factory) as session:
            chores.finish(session, lease, result)


def _count_tokens(folder: Path) -> int:
    """Runs in the child only: this process never imports transformers."""
    from worker.tokens_child import main

    return main(folder)


def _tokenizer_folder(bench: Bench, lease: ChoreLease, folder: Path) -> Path:
    base_model, settings = lease.params["base_model"], bench.settings
    if base_models.is_local(base_model):
        return base_models.model_folder(base_model, settings.models_root)
    settings.tokenizers_dir.mkdir(parents=True, exist_ok=True)
    order = Order(
        model_id=base_model,
        revision=None,
        endpoint=settings.hub_endpoint,
        models_dir=settings.models_dir,
        tokenizers_dir=settings.tokenizers_dir,
        token=bench.hub_token,
    )
    return _fetch(bench, lease, order, folder)


def _fetch(bench: Bench, lease: ChoreLease, order: Order, folder: Path) -> Path:
    """Fetch in a program of its own, where the token is; the lease is renewed meanwhile."""
    environ = {**bench.download_environ, **ENVIRONMENT}
    program = Program("worker.download", folder, input_text=order.model_dump_json(), environ=environ)
    try:
        for second in range(_FETCH_SECONDS):
            code = program.wait(_POLL_SECONDS)
            if code is not None or bench.stopping.is_set():
                break
            with transaction(bench.session_factory) as session:
                chores.report(session, lease, "Fetching the tokenizer", second, 0)
    finally:
        end_group(program)
    if code != 0:
        raise InvalidInput(_reason(folder) or f"The tokenizer of {order.model_id} could not be fetched. Try it again.")
    return Found.model_validate_json((folder / RESULT_FILE).read_text(encoding="utf-8")).folder


def _reason(folder: Path) -> str:
    """What the program said before it gave up."""
    path = folder / EVENTS_FILE
    lines = path.read_bytes().splitlines() if path.is_file() else []
    return next((event.reason for event in map(parse_event, lines) if event.t == "failed"), "")
