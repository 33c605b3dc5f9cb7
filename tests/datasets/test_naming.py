"""Names of datasets."""

import pytest

from studio.datasets.naming import dataset_name, name_from_file
from studio.errors import InvalidInput


@pytest.mark.parametrize(
    ("file_name", "name"),
    [
        ("support.jsonl", "support"),
        ("support.v2.CSV.gz", "support.v2"),
        (".jsonl", ".jsonl"),
        ("x" * 250 + ".json", "x" * 200),
    ],
)
def test_a_dataset_is_called_as_its_file(file_name: str, name: str) -> None:
    assert name_from_file(file_name) == name


def test_spaces_around_and_inside_a_name_are_tidied() -> None:
    assert dataset_name("  My \t data\n") == "My data"


@pytest.mark.parametrize("name", ["", " \n", "x" * 201, "a\0b", "\u202eabc", "\ud800"])
def test_a_name_that_cannot_be_kept_or_shown_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        dataset_name(name)

    assert list(refusal.value.fields) == ["name"]
