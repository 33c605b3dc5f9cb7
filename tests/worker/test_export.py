"""The archive's bytes, and the arithmetic of converting an adapter that changed its base."""

import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from worker.export import _for_published_base, write_archive, write_checksums


def fill(folder: Path) -> Path:
    folder.mkdir()
    (folder / "b.txt").write_text("two")
    (folder / "a.txt").write_text("one")
    return folder


def test_the_same_files_make_the_same_bytes(tmp_path: Path) -> None:
    found = []
    for name in ("first", "second"):
        folder = fill(tmp_path / name)
        files = write_checksums(folder)
        found.append(write_archive(folder, [file["name"] for file in files], tmp_path / f"{name}.zip"))

    assert found[0] == found[1]


def test_the_archive_is_flat_stored_and_lists_its_checksums(tmp_path: Path) -> None:
    folder = fill(tmp_path / "export")
    files = write_checksums(folder)

    write_archive(folder, [file["name"] for file in files], tmp_path / "adapter.zip")

    with zipfile.ZipFile(tmp_path / "adapter.zip") as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["a.txt", "b.txt", "SHA256SUMS"]
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}
        sums = archive.read("SHA256SUMS").decode().splitlines()
    assert sums == [f"{file['sha256']}  {file['name']}" for file in files[:2]]
    assert not list(tmp_path.glob(".*.tmp"))


@pytest.mark.parametrize(("rslora", "factor"), [(False, 2.0), (True, 2.0**0.5)])
def test_an_adapter_that_changed_its_base_is_converted_exactly(rslora: bool, factor: float) -> None:
    rank, alpha = 2, 8
    a0, b0, a, b = torch.randn(2, 5), torch.randn(3, 2), torch.randn(2, 5), torch.randn(3, 2)
    config = SimpleNamespace(r=rank, lora_alpha=alpha, use_rslora=rslora, init_lora_weights="pissa")

    joined = _for_published_base(
        {"x.lora_A.weight": a, "x.lora_B.weight": b}, {"x.lora_A.weight": a0, "x.lora_B.weight": b0}, config
    )

    power = 0.5 if rslora else 1.0
    before, after = alpha / rank**power, config.lora_alpha / config.r**power
    assert (config.r, config.lora_alpha, config.init_lora_weights) == (4, pytest.approx(alpha * factor), True)
    change = joined["x.lora_B.weight"] @ joined["x.lora_A.weight"]
    torch.testing.assert_close(after * change, before * (b @ a - b0 @ a0))
