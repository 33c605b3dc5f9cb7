"""Which files of a dataset hold which subset and split: by its card, or by how they are named."""

import pytest

from studio.datasets import HubSource
from worker.hub_rows.card import Card, read_card
from worker.hub_rows.choose import HubFile, matches, shelve

BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nlicense: [*b, *b]"


def shelf(*paths: str, card: Card = Card(), subset: str | None = None) -> dict[str, dict[str, list[str]]]:
    source = HubSource(repository="acme/rows", subset=subset)
    found = shelve([HubFile(path, 1, None, "") for path in paths], card, source)
    return {
        subset: {split: [file.path for file in files] for split, files in of.items()} for subset, of in found.items()
    }


def card(head: str) -> Card:
    return read_card(f"---\n{head}\n---\n# Rows\n".encode())


@pytest.mark.parametrize(
    ("path", "subset", "split"),
    [
        ("train.parquet", "default", "train"),
        ("rows.parquet", "default", "train"),
        ("data/train-00000-of-00003.parquet", "default", "train"),
        ("data/test_sft-00000-of-00001-ab12cd34ef56ab78.parquet", "default", "test_sft"),
        ("data/validation.parquet", "default", "validation"),
        ("en/train-00000-of-00001.parquet", "en", "train"),
        ("en/train/0000.parquet", "en", "train"),
        ("en/partial-train/0000.parquet", "en", "partial-train"),
        ("data/0000.parquet", "default", "train"),
        ("en-us/dev/part.parquet", "en-us", "validation"),
        ("tickets_test.parquet", "default", "test"),
        ("latest.parquet", "default", "train"),
    ],
)
def test_a_path_tells_subset_and_split(path: str, subset: str, split: str) -> None:
    assert shelf(path, "notes.txt") == {subset: {split: [path]}}


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("configs:\n- config_name: x\n  data_files: ./a/*.parquet", {"x": {"train": ["a/1.parquet", "a/2.parquet"]}}),
        ("configs:\n- data_files: [a/1.parquet, b/**]", {"default": {"train": ["a/1.parquet", "b/c/test.parquet"]}}),
        (
            "configs:\n- data_files: {dev: a/2*, train: '**/1.*'}",
            {"default": {"dev": ["a/2.parquet"], "train": ["a/1.parquet"]}},
        ),
        (
            "configs:\n- config_name: x\n  data_dir: a\n- config_name: y\n  data_dir: ./b\n  default: true",
            {"x": {"train": ["a/1.parquet", "a/2.parquet"]}, "y": {"test": ["b/c/test.parquet"]}},
        ),
        ("configs:\n- config_name: gone\n  data_files: z/*", {}),
    ],
)
def test_a_card_settles_which_files_are_meant(head: str, expected: dict[str, dict[str, list[str]]]) -> None:
    paths = ("a/1.parquet", "a/2.parquet", "b/c/test.parquet", "a/3.json")
    found = {}
    for subset in card(head).subsets:
        found |= shelf(*paths, card=card(head), subset=subset.name)

    assert found == expected


def test_of_several_subsets_the_default_one_is_meant_or_all_are_named() -> None:
    two = "configs:\n- config_name: x\n  data_files: a/*\n- config_name: y\n  data_files: b/*"

    assert shelf("a/1.parquet", card=card(two)) == {"x": {}, "y": {}}
    assert shelf("a/1.parquet", "b/1.parquet", card=card(two + "\n  default: true")) == {
        "y": {"train": ["b/1.parquet"]}
    }


@pytest.mark.parametrize(
    ("head", "licence"),
    [
        ("license: mit", "mit"),
        ("license: [mit, apache-2.0]", "mit, apache-2.0"),
        ("license: other\nlicense_name: acme-1", "acme-1"),
        ("license: {a: b}", None),
        (BOMB, None),
        ("license: !!python/object/apply:os.system [ls]", None),
        ("[" * 5000, None),
        ("license: 'mit", None),
        ("- a", None),
        ('license: !!int ""', None),
        ("license: !!bool maybe", None),
        ("license: !!timestamp today", None),
        (f"license: 1{':1' * 300}.5", None),
        (f"license: 0x{'f' * 5000}", None),
    ],
)
def test_a_strange_card_says_nothing(head: str, licence: str | None) -> None:
    assert card(head).licence == licence


def test_a_card_without_a_head_says_nothing() -> None:
    assert read_card(b"# Rows\n\xff") == Card()


@pytest.mark.parametrize(
    ("path", "pattern", "fits"),
    [
        ("a/b.parquet", "*.parquet", False),
        ("a/b.parquet", "**/*.parquet", True),
        ("b.parquet", "**/*.parquet", True),
        ("a/b/c.parquet", "a/**", True),
        ("a", "a/**", False),
        ("a/b/c/d.parquet", "a/**/d*", True),
        ("a/b.parquet", "a/[ab].parquet", True),
        ("a" * 400, "*a" * 100 + "b", False),
    ],
)
def test_patterns_fit_folder_by_folder(path: str, pattern: str, fits: bool) -> None:
    assert matches(path, pattern) is fits
