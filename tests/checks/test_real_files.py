"""Rows that nobody made for the checks: hardly anything is found, and what is found is there."""

from pathlib import Path

import orjson
import pycountry

from tests.checks.looking import CHECKS, Row, chat, find, pair, written

DEMO = Path(__file__).parents[2] / "examples" / "support-tickets.jsonl"


def found(folder: Path, rows: list[Row]) -> dict[str, int]:
    """How many findings each check has, where it has any; each tenth row is held out."""
    path = written(folder, rows)
    codes = [int(number % 10 == 0) for number in range(len(rows))]
    counts = {name: len(find(name, rows, codes, path)) for name in CHECKS}
    return {name: count for name, count in counts.items() if count}


def test_the_codes_of_countries_are_few_and_clean(tmp_path: Path) -> None:
    rows = [pair(f"What is the ISO 3166 code of {country.name}?", country.alpha_2) for country in pycountry.countries]

    assert found(tmp_path, rows) == {"too_few_rows": 1}


def test_the_countries_of_codes_are_few_and_clean(tmp_path: Path) -> None:
    rows = [pair(f"Which country has the code {country.alpha_2}?", country.name) for country in pycountry.countries]

    assert found(tmp_path, rows) == {"too_few_rows": 1}


def test_five_thousand_provinces_from_one_template_are_clean(tmp_path: Path) -> None:
    rows = [
        chat(f"What is the code of the {place.type.lower()} {place.name} in {place.country.name}?", place.code)
        for place in pycountry.subdivisions
    ]

    assert found(tmp_path, rows) == {}


def test_one_name_of_two_currencies_is_a_contradiction(tmp_path: Path) -> None:
    rows = [
        pair(f"Which code has the currency {currency.name}?", currency.alpha_3) for currency in pycountry.currencies
    ]
    rows = [row for row in rows if "Soberano" in row["prompt"]] + rows[:100]

    assert found(tmp_path, rows)["contradictions"] == 2  # VED and VES are both Bolívar Soberano


def test_the_demo_dataset_has_what_was_planted_in_it(tmp_path: Path) -> None:
    rows = [orjson.loads(line) for line in DEMO.read_bytes().splitlines()]

    counts = found(tmp_path, rows)

    assert counts["exact_duplicates"] == 45
    assert counts["contradictions"] == 30  # two rows of each of the fifteen
    # The generator itself makes some pairs that differ in a greeting or a signature.
    assert counts.get("near_contradictions", 0) == 0 and counts["near_duplicates"] < 10
    assert set(counts) <= {"exact_duplicates", "contradictions", "leakage", "near_duplicates", "near_leakage"}
