"""The papers of a dataset: a card with the YAML head that model hubs read, and Croissant 1.0 (JSON-LD)."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from studio.datasets.licensing import license_of
from studio.datasets.models import Dataset, DatasetVersion
from studio.datasets.own_test import taken_tests
from studio.datasets.splits import SplitName

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_ROWS_FILE = "rows.jsonl"
# The terms of http://mlcommons.org/croissant/1.0 that its files may use.
_CROISSANT_TERMS = (
    "citeAs",
    "column",
    "equivalentProperty",
    "extract",
    "field",
    "fileObject",
    "fileProperty",
    "fileSet",
    "format",
    "includes",
    "isLiveDataset",
    "jsonPath",
    "key",
    "md5",
    "parentField",
    "path",
    "recordSet",
    "references",
    "regex",
    "repeated",
    "replace",
    "samplingRate",
    "separator",
    "source",
    "subField",
    "transform",
)
_FIELDS: Mapping[str, Sequence[tuple[str, str]]] = {
    "messages": (("messages", "The conversation, turn by turn, as JSON."),),
    "prompt_completion": (("prompt", "What is asked."), ("completion", "What is answered.")),
    "text": (("text", "Plain text."),),
    "preference": (
        ("prompt", "What is asked."),
        ("chosen", "The better answer."),
        ("rejected", "The worse answer."),
    ),
}


def file_stem(name: str) -> str:
    """A name for a downloaded file: lower-case ASCII letters, digits and hyphens."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:60] or "dataset"


def dataset_card(
    dataset: Dataset,
    version: DatasetVersion,
    sizes: Mapping[SplitName, int],
    findings: Sequence[Mapping[str, Any]],
) -> str:
    """Markdown; `findings` are the checks that found something, empty while nothing was checked."""
    split = ", ".join(f"{count:,} {name}" for name, count in sizes.items() if count)
    found = [f"- {check['title']}: {check['count']:,} ({check['severity']})" for check in findings]
    lines = [
        "---",
        yaml.safe_dump(_head(version), sort_keys=False, allow_unicode=True).strip(),
        "---",
        "",
        f"# {_one_line(dataset.name)}",
        "",
        f"{version.row_count:,} rows in the shape `{version.canonical}`, version {version.number}, prepared with "
        "Tunewright.",
        "",
        "## Rows",
        "",
        f"- file: `{_ROWS_FILE}`, one JSON object a line, {version.size_bytes:,} bytes",
        f"- sha256: `{version.sha256}`",
        f"- split: {split} (seed {version.split['seed']})",
        f"- made from: {_one_line(version.file_name)} ({version.file_format}), sha256 `{version.original_sha256}`",
        *_own_tests(version),
        *_source(version),
        *_lengths(version),
        "",
        "## What the checks found",
        "",
        *(found or ["- nothing, or they were not run"]),
        "",
    ]
    return "\n".join(lines)


def croissant(dataset: Dataset, version: DatasetVersion) -> dict[str, Any]:
    """Croissant 1.0: the file with its hash, and the columns of its rows."""
    return {
        "@context": _context(),
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": file_stem(dataset.name),
        "description": f"{_one_line(dataset.name)}: {version.row_count:,} rows, shape {version.canonical}.",
        "version": f"{version.number}.0.0",
        "datePublished": version.created_at.date().isoformat(),
        **_based_on(version),
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": _ROWS_FILE,
                "name": _ROWS_FILE,
                "contentUrl": _ROWS_FILE,
                "contentSize": f"{version.size_bytes} B",
                "encodingFormat": "application/jsonlines",
                "sha256": version.sha256,
            }
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "rows",
                "name": "rows",
                "description": "One example for each line.",
                "field": [_field(name, words) for name, words in _FIELDS.get(version.canonical, ())],
            }
        ],
    }


def _based_on(version: DatasetVersion) -> dict[str, str]:
    source, said = version.facts.get("source"), license_of(version).license
    based = {"isBasedOn": f"{source['repository']}@{source['commit']}"} if source else {}
    return based | ({"license": said} if said else {})


def _head(version: DatasetVersion) -> dict[str, Any]:
    size = next((label for limit, label in _SIZES if version.row_count < limit), "n>1M")
    return {
        "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": _ROWS_FILE}]}],
        "size_categories": [size],
        "task_categories": ["text-generation"],
    }


def _own_tests(version: DatasetVersion) -> list[str]:
    steps = taken_tests(version)
    return [f"- test rows from: {_one_line(step.name)}, sha256 `{step.sha256}`" for step in steps]


def _source(version: DatasetVersion) -> list[str]:
    source, said = version.facts.get("source"), license_of(version)
    lines = []
    if source is not None:
        names = [source[name] for name in ("repository", "subset", "split")]
        lines = [f"- fetched from: {', '.join(map(_one_line, names))} at commit `{source['commit']}`"]
    if not said.license:
        return lines
    return [*lines, f"- licence{'' if said.by_owner else ' of the source'}: {_one_line(said.license)}"]


def _lengths(version: DatasetVersion) -> list[str]:
    mean = version.facts.get("mean_row_characters")
    if mean is None:
        return []
    return [f"- length: {mean:,} characters on average, {version.facts['longest_row_characters']:,} at most"]


def _field(name: str, words: str) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"rows/{name}",
        "name": name,
        "description": words,
        "dataType": "sc:Text",
        "source": {"fileObject": {"@id": _ROWS_FILE}, "extract": {"column": name}},
    }


def _context() -> dict[str, Any]:
    terms: dict[str, Any] = {term: f"cr:{term}" for term in _CROISSANT_TERMS}
    return {
        "@language": "en",
        "@vocab": "https://schema.org/",
        "cr": "http://mlcommons.org/croissant/",
        "rai": "http://mlcommons.org/croissant/RAI/",
        "dct": "http://purl.org/dc/terms/",
        "sc": "https://schema.org/",
        "conformsTo": "dct:conformsTo",
        "data": {"@id": "cr:data", "@type": "@json"},
        "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
        "examples": {"@id": "cr:examples", "@type": "@json"},
        **terms,
    }


def _one_line(text: str) -> str:
    return " ".join("".join(mark if mark.isprintable() else " " for mark in text).split())
