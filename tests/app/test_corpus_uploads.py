"""Bad and good files through the upload API, on both databases: a refusal with its reason, or the rows that are meant.

A spread of the corpus runs always, all of it with `make faults`.
"""

import hashlib
import os
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from studio.settings import Settings
from tests.formats.corpus import BadFile, GoodFile, bad_files, good_files

SPREAD = 23
BAD, GOOD = bad_files(), good_files()
SECONDS = 2.0


@pytest.fixture
def web_settings(settings: Settings, empty_redis: str) -> Settings:
    """Settings that let the long lines of the corpus in."""
    return settings.model_copy(update={"redis_url": empty_redis, "upload_limit_bytes": 16 << 20})


def processor_seconds() -> float:
    """What this process and its ended children have used: other work on the machine does not count."""
    return sum(os.times()[:4])


def refuse(client: TestClient, file: BadFile) -> str:
    """Upload a bad file; what is wrong with the answer, or nothing."""
    started = processor_seconds()
    answer = client.put("/api/datasets/upload", params={"filename": file.name}, content=file.content)
    seconds = processor_seconds() - started
    if answer.status_code != file.status:
        return f"{file.label}: {answer.status_code} {answer.text[:200]}"
    error = answer.json()["error"]
    told = " ".join([error["message"], *error["problems"]])
    missing = [part for part in file.says if part not in told]
    if missing or seconds > SECONDS:
        return f"{file.label}: {seconds:.1f} s, without {missing}: {told[:200]}"
    return ""


def accept(client: TestClient, file: GoodFile) -> str:
    """Upload a good file; what is wrong with the answer, or nothing."""
    answer = client.put("/api/datasets/upload", params={"filename": file.name}, content=file.content)
    if answer.status_code != 201:
        return f"{file.label}: {answer.status_code} {answer.text[:200]}"
    # The hash of the rows is the corpus's own, so it is the same on every database.
    same = answer.json()["latest"]["sha256"] == hashlib.sha256(file.rows).hexdigest()
    return "" if same else f"{file.label}: other rows"


def nothing_of_uploads(settings: Settings) -> list[Path]:
    return list(settings.uploads_dir.rglob("*"))


@pytest.mark.parametrize("step", [SPREAD, pytest.param(1, marks=pytest.mark.faults)], ids=["spread", "all"])
def test_bad_files_are_refused_with_place_and_reason(client: TestClient, web_settings: Settings, step: int) -> None:
    wrong = [refuse(client, file) for file in BAD[::step]]

    assert [one for one in wrong if one] == []
    assert client.get("/api/datasets").json()["items"] == []
    assert nothing_of_uploads(web_settings) == []


@pytest.mark.parametrize("step", [SPREAD, pytest.param(1, marks=pytest.mark.faults)], ids=["spread", "all"])
def test_good_files_are_kept_as_they_are_meant(client: TestClient, web_settings: Settings, step: int) -> None:
    wrong = [accept(client, file) for file in GOOD[::step]]

    assert [one for one in wrong if one] == []
    assert nothing_of_uploads(web_settings) == []
