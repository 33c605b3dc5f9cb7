"""Several files in one upload are one dataset, when they can be put behind each other."""

import pytest
from fastapi.testclient import TestClient

# What is shown is the same on both databases; what is stored is tested on both elsewhere.
pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)

JSONL = b'{"prompt": "a", "completion": "b"}\n{"prompt": "c", "completion": "d"}'
MORE = b'\xef\xbb\xbf{"prompt": "e", "completion": "f"}\r\n{"prompt": "g", "completion": "h"}\n'
CSV = b"\xef\xbb\xbfquestion,answer\r\na,b\r\nc,d"
MORE_CSV = b"question,answer\ne,f\ng,h\n"


def upload(client: TestClient, *files: tuple[str, bytes]) -> dict[str, object]:
    """The newest version of what these files become."""
    answer = client.post("/api/datasets", files=[("file", file) for file in files])
    assert answer.status_code == 201, answer.text
    return answer.json()


@pytest.mark.parametrize(
    ("files", "name"),
    [
        ([("one.jsonl", JSONL), ("two.jsonl", MORE)], "one and 1 more.jsonl"),
        ([("one.csv", CSV), ("two.csv", MORE_CSV)], "one and 1 more.csv"),
    ],
)
def test_rows_of_all_files_follow_each_other(client: TestClient, files: list[tuple[str, bytes]], name: str) -> None:
    made = upload(client, *files)

    rows = client.get(f"/api/datasets/{made['id']}/rows").json()["rows"]
    assert [row["row"]["prompt"] for row in rows] == ["a", "c", "e", "g"]
    assert made["latest"]["file_name"] == name  # type: ignore[index]


def test_joined_files_are_the_same_rows_as_one(client: TestClient) -> None:
    apart = upload(client, ("one.jsonl", JSONL), ("two.jsonl", MORE))
    whole = upload(client, ("all.jsonl", JSONL + b"\n" + MORE[3:]))

    assert apart["latest"]["sha256"] == whole["latest"]["sha256"]  # type: ignore[index]


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ([("one.jsonl", JSONL), ("two.csv", CSV)], "Several files at once are JSON Lines"),
        ([("one.json", b"[]"), ("two.json", b"[]")], "Several files at once are JSON Lines"),
        ([("one.parquet", b"PAR1"), ("two.parquet", b"PAR1")], "Several files at once are JSON Lines"),
        ([("one.csv", CSV), ("two.csv", b"answer,question\nb,a\n")], "two.csv has other columns than one.csv."),
    ],
)
def test_files_that_cannot_follow_each_other_are_refused(
    client: TestClient, files: list[tuple[str, bytes]], sentence: str
) -> None:
    answer = client.post("/api/datasets", files=[("file", file) for file in files])

    assert answer.status_code == 422
    assert sentence in answer.text
    assert client.get("/api/datasets").json()["items"] == []


def test_a_single_file_passes_byte_by_byte(client: TestClient) -> None:
    made = upload(client, ("one.csv", CSV))

    assert made["latest"]["file_size_bytes"] == len(CSV)  # type: ignore[index]
