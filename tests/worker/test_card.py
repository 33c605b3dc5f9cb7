"""The model card repeats what licences ask, and names a licence only where it is sure."""

from pathlib import Path

import pytest
import yaml

from studio.base_models import get_base_model
from studio.budget.licensing import DataLicense, for_reading, statement_of
from studio.ids import new_id
from studio.runs import RunSpec
from worker.assignment import Assignment
from worker.card import Outcome, write_card

OUTCOME = Outcome(10, 10, 3.0, 2.0, 100, 1000, 80, 20)


def card(statement: str) -> tuple[dict[str, object], str]:
    """The head and the text of a card."""
    nowhere = Path("nowhere")
    assignment = Assignment(
        run_id="run_1",
        epoch=1,
        run_name="A run",
        spec=RunSpec.model_validate({"data": {"dataset_version_id": new_id("dsv"), "sha256": "0" * 64}}),
        base_model_folder=nowhere,
        base_revision=None,
        rows_path=nowhere,
        offsets_path=nowhere,
        row_count=100,
        canonical="messages",
        dataset_name="Tickets",
        license_statement=statement,
    )
    _, head, text = write_card(assignment, OUTCOME, {}).split("---\n", 2)
    return yaml.safe_load(head), text


@pytest.mark.parametrize(("said", "licence"), [("Own data", "apache-2.0"), ("", None), ("cc-by-nc-4.0", None)])
def test_the_head_names_a_licence_where_nothing_stands_against_it(said: str, licence: str | None) -> None:
    statement = statement_of(get_base_model("demo", None), [DataLicense("Tickets", said)], "research")

    head, text = card(statement.text)

    assert head.get("license") == licence
    assert f"## Licences\n\n{for_reading(statement.text)}\n\n## Versions" in text
    assert "Licence in the model card" not in text and "\n\n\n" not in text


def test_a_run_of_an_earlier_version_has_no_statement() -> None:
    head, text = card("")

    assert "license" not in head
    assert "The licence of the base model applies to it." in text
