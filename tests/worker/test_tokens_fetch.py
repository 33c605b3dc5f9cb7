"""A base model that was never downloaded: its tokenizer alone is fetched, by the real library from a local server."""

from collections.abc import Iterator
from pathlib import Path

import huggingface_hub.constants
import pytest

from studio import datasets
from studio.actors import LOCAL_ACTOR
from studio.datasets import DatasetVersion
from studio.db import transaction
from studio.queue import SilentQueue
from tests.forking import TEXT, preloaded
from tests.worker.benches import on_sqlite, set_
from tests.worker.hub import TOKEN, Hub, serve_hub
from worker.bench import Bench
from worker.chores import ChoreSlot
from worker.doing import DOERS
from worker.download import DownloadFailed, fetch
from worker.order import Order
from worker.start import Forkserver

from .conftest import save_tokenizer
from .test_chores import show

MODEL = "acme/tiny"


@pytest.fixture(scope="module")
def forkserver(tmp_path_factory: pytest.TempPathFactory) -> Forkserver:
    return preloaded(TEXT, tmp_path_factory.mktemp("forkserver"))


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    # A trainer that another test has run in this process is offline for good.
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    save_tokenizer(tmp_path / "made")
    files = {path.name: path.read_bytes() for path in (tmp_path / "made").iterdir()}
    with serve_hub() as server:
        server.add(
            MODEL, files | {"config.json": b'{"model_type": "llama"}', "model.safetensors": b"\2\0\0\0\0\0\0\0{}"}
        )
        yield server


@pytest.fixture
def order(hub: Hub, tmp_path: Path) -> Order:
    for name in ("models", "tokenizers"):
        (tmp_path / name).mkdir()
    return Order(
        model_id=MODEL,
        revision=None,
        endpoint=hub.url,
        models_dir=tmp_path / "models",
        tokenizers_dir=tmp_path / "tokenizers",
    )


def test_no_weights_are_fetched_and_the_folder_of_models_stays_empty(order: Order, tmp_path: Path) -> None:
    found = fetch(order, note=lambda _: None)

    assert (found.folder / "tokenizer.json").is_file()
    assert list(tmp_path.rglob("*.safetensors")) == []
    assert list((tmp_path / "models").rglob("tokenizer.json")) == []


def test_a_base_model_that_is_there_is_used_as_it_is(order: Order, tmp_path: Path) -> None:
    whole = fetch(order.model_copy(update={"tokenizers_dir": None}), note=lambda _: None)

    assert fetch(order, note=lambda _: None) == whole
    assert list((tmp_path / "tokenizers").iterdir()) == []


def test_a_model_without_a_tokenizer_is_told(hub: Hub, order: Order) -> None:
    hub.add("acme/none", {"config.json": b'{"model_type": "llama"}'})

    with pytest.raises(DownloadFailed, match=r"has no tokenizer\.json"):
        fetch(order.model_copy(update={"model_id": "acme/none"}), note=lambda _: None)


@on_sqlite
@pytest.mark.parametrize(("model", "problem"), [(MODEL, ""), ("acme/unknown", "There is no model acme/unknown")])
def test_the_chore_fetches_in_a_program_of_its_own(
    model: str, problem: str, bench: Bench, version: DatasetVersion, hub: Hub
) -> None:
    bench = set_(bench, hub_endpoint=hub.url)
    with transaction(bench.session_factory) as session:
        chore = datasets.ask_profile(session, LOCAL_ACTOR, version, model, queue=SilentQueue())

    ChoreSlot(bench, DOERS).drain()

    done = show(bench, chore)
    assert done.problem.startswith(problem) and (done.status == "failed") == bool(problem)
    assert TOKEN not in done.problem
