"""A dataset leaves as it is, and as what others read."""

import csv
import io
import json

import pytest
import yaml
from fastapi.testclient import TestClient

# What is shown is the same on both databases; what is stored is tested on both elsewhere.
pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)

FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx"]
PAIRS = [(f"Say {n}", f"It is {n}") for n in range(10)] + [(text, f"{text} it is") for text in FORMULAS]


@pytest.fixture
def dataset(client: TestClient) -> str:
    """The API address of a dataset of pairs."""
    content = "".join(json.dumps({"prompt": prompt, "completion": answer}) + "\n" for prompt, answer in PAIRS)
    made = client.post(
        "/api/datasets", files={"file": ("rows.jsonl", content.encode())}, data={"name": "Zahlen & Wörter"}
    )
    return f"/api/datasets/{made.json()['id']}"


def test_rows_leave_byte_by_byte(client: TestClient, dataset: str) -> None:
    sent = client.get(f"{dataset}/rows.jsonl")

    assert [json.loads(line) for line in sent.text.splitlines()] == [
        {"prompt": prompt, "completion": answer} for prompt, answer in PAIRS
    ]
    assert sent.headers["etag"] == f'"{client.get(dataset).json()["latest"]["sha256"]}"'
    assert sent.headers["content-disposition"] == 'attachment; filename="zahlen-worter-v1.jsonl"'
    assert client.get(f"{dataset}/rows.jsonl", headers={"range": "bytes=0-9"}).status_code == 206


def test_no_cell_of_the_csv_is_a_formula(client: TestClient, dataset: str) -> None:
    sent = client.get(f"{dataset}/rows.csv")

    rows = list(csv.DictReader(io.StringIO(sent.text, newline="")))
    assert [row["prompt"] for row in rows] == [prompt for prompt, _ in PAIRS[:10]] + [f"'{text}" for text in FORMULAS]
    assert {row["split"] for row in rows} == {"train", "validation", "test"}


def test_the_card_has_a_head_that_hubs_read(client: TestClient, dataset: str) -> None:
    card = client.get(f"{dataset}/README.md").text

    head = yaml.safe_load(card.split("---")[1])
    assert head["configs"][0]["data_files"] == [{"split": "train", "path": "rows.jsonl"}]
    assert head["size_categories"] == ["n<1K"]
    assert "# Zahlen & Wörter" in card
    assert "15 rows in the shape `prompt_completion`" in card


def test_croissant_names_the_file_by_its_hash_and_the_columns(client: TestClient, dataset: str) -> None:
    described = client.get(f"{dataset}/croissant.json").json()

    [file] = described["distribution"]
    assert file["sha256"] == client.get(dataset).json()["latest"]["sha256"]
    assert [field["name"] for field in described["recordSet"][0]["field"]] == ["prompt", "completion"]
    assert described["conformsTo"] == "http://mlcommons.org/croissant/1.0"


def test_the_page_of_the_card_offers_all_files(client: TestClient, dataset: str) -> None:
    page = client.get(dataset.removeprefix("/api") + "/card")

    for name in ("rows.jsonl", "rows.csv", "README.md", "croissant.json"):
        assert f'href="{dataset}/{name}"' in page.text
    assert "<code>---" in page.text
