"""The checklist of a run: ticks are facts, and what is no fact stays an open box."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from studio.actors import LOCAL_ACTOR
from studio.chores import Chore
from studio.datasets import DatasetVersion, checkup_key
from studio.db import SessionFactory, transaction
from studio.runs import Alert, Run
from tests.app.rows import HTMX, set_run

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def test_a_new_run_has_ticks_only_where_its_spec_is_the_fact(client: TestClient, make_run: Callable[..., Run]) -> None:
    lines = _lines(client, make_run("New"))

    assert {key for key, (state, _) in lines.items() if state == "done"} == {
        *("test_frozen", "length_capped", "early_stopping", "smallest_first", "validated"),
    }
    assert lines["data_checked"] == ("open", "The checks have not run on this version.")
    assert lines["deduplicated"] == ("unknown", "Not known: the checks have not run.")
    assert lines["prompted_baseline"][0] == lines["read"][0] == "unknown"
    assert lines["cap"] == ("open", "Nothing bounds what this run may cost.")
    assert lines["no_alert"] == ("unknown", "Nothing is measured yet.")


def test_a_careful_run_that_went_well_is_ticked_by_what_was_measured(
    client: TestClient, make_run: Callable[..., Run], session_factory: SessionFactory, version: DatasetVersion
) -> None:
    trial = make_run("Trial")
    set_run(session_factory, trial, kind="trial", status="succeeded")
    run = make_run("Careful", budget={"max_dollars": 5})
    measured = {"initial_validation_loss": 2.31, "best_validation_loss": 1.2, "last_train_loss": 1.0, "best_step": 30}
    set_run(session_factory, run, status="succeeded", step=40, checkpoint_step=40, **measured)
    set_run(session_factory, run, resolved={"cut_rows": 0, "dropped_rows": 0}, license_statement="Apache-2.0.")
    _check(session_factory, version, {"exact_duplicates": 0, "leakage": 0})

    lines = _lines(client, run)

    assert {key for key, (state, _) in lines.items() if state != "done"} == {
        *("prompted_baseline", "one_change", "adapter", "read"),
    }
    assert lines["baseline"][1] == "Validation loss 2.31 before training."
    assert lines["cap"][1] == "The run stops at $5.00."
    assert lines["better"][1] == "Validation loss 2.31 before, 1.2 at best."
    assert lines["best"][1] == "Step 30 of 40: what came later was left out."


def test_a_trial_is_asked_for_nothing_that_it_never_leaves(
    client: TestClient, make_run: Callable[..., Run], session_factory: SessionFactory
) -> None:
    trial = make_run("Trial")
    set_run(session_factory, trial, kind="trial", status="succeeded")

    lines = _lines(client, trial)

    assert {"data_checked", "cap", "validated", "no_alert"} < lines.keys()
    assert not {"checkpoint", "better", "best", "adapter", "read"} & lines.keys()


def test_what_is_wrong_is_said_with_its_number(
    client: TestClient, make_run: Callable[..., Run], session_factory: SessionFactory, version: DatasetVersion
) -> None:
    run = make_run("Careless", evaluation={"every_steps": 10**6, "early_stopping": {"patience": 0}})
    set_run(session_factory, run, resolved={"cut_rows": 3, "dropped_rows": 1}, last_train_loss=1.0)
    _check(session_factory, version, {"exact_duplicates": 2, "near_duplicates": 1, "leakage": 1}, blocker=1)
    with transaction(session_factory) as session:
        session.add(Alert(run_id=run.id, kind="divergence", epoch=1, step=9, facts={"from": 1, "to": 9, "since": 7}))

    lines = _lines(client, run)

    assert lines["data_checked"] == ("open", "1 blocker, 0 warnings.")
    assert lines["deduplicated"] == ("open", "3 rows are a copy of another.")
    assert lines["no_leak"] == ("open", "1 row is leaked.")
    assert lines["rows_fit"] == ("open", "3 rows cut, 1 left out.")
    assert lines["validated"][0] == "open" and lines["validated"][1].startswith("1 validation, every")
    assert lines["early_stopping"] == ("open", "It is off.")
    assert lines["no_alert"] == ("open", "The loss explodes.")


def test_a_run_that_reaches_its_cap_is_no_alert_on_its_curves(
    client: TestClient, make_run: Callable[..., Run], session_factory: SessionFactory
) -> None:
    run = make_run("Short of money", budget={"max_hours": 0.5})
    facts = {"forecast_hours": 2.0, "cap_hours": 0.5}
    with transaction(session_factory) as session:
        session.add(Alert(run_id=run.id, kind="over_budget", epoch=1, step=6, facts=facts))
    set_run(session_factory, run, status="running", step=9, last_train_loss=1.0)

    assert _lines(client, run)["no_alert"] == ("done", "None up to step 9.")


def test_changes_against_the_run_before_are_counted_and_named(
    client: TestClient, make_run: Callable[..., Run], session_factory: SessionFactory
) -> None:
    parent = make_run("Parent")
    one = make_run("One", method={"kind": "lora", "dropout": 0.1})
    two = make_run("Two", method={"kind": "ia3"}, hyperparameters={"epochs": 1})
    for run in (one, two):
        set_run(session_factory, run, parent_run_id=parent.id)

    assert _lines(client, one)["one_change"] == ("done", "Only this: dropout: 0.05 → 0.1.")
    assert _lines(client, two)["one_change"] == (
        "open",
        "2 things changed, so what made the difference cannot be told: method: LoRA → IA3; epochs: 3 → 1.",
    )


def test_a_larger_model_is_first_tried_small(client: TestClient, make_run: Callable[..., Run]) -> None:
    run = make_run("Large", base_model={"id": "HuggingFaceTB/SmolLM2-1.7B-Instruct"})

    assert _lines(client, run)["smallest_first"] == (
        "open",
        "SmolLM2 360M is smaller and was not tried on this dataset.",
    )


def test_the_page_says_each_state_in_words_and_renews_it_while_the_run_goes_on(
    client: TestClient, make_run: Callable[..., Run], version: DatasetVersion
) -> None:
    run = make_run("Page")

    page = client.get(f"/runs/{run.id}").text
    part = client.get(f"/runs/{run.id}/checklist", headers=HTMX).text

    assert '<a href="#checklist">Checklist</a>' in page
    assert part.lstrip().startswith('<div id="run-checklist"') and "every 15s" in part
    assert len(re.findall(r'hidden">(Done|Open|Not known):', part)) == len(_lines(client, run))
    assert f'href="/datasets/{version.dataset_id}/checks?version=1"' in part


def _lines(client: TestClient, run: Run) -> dict[str, tuple[str, str]]:
    groups: list[dict[str, Any]] = client.get(f"/api/runs/{run.id}/checklist").json()
    assert [group["title"] for group in groups] == ["Before", "During", "After"][: len(groups)]
    return {line["key"]: (line["state"], line["fact"]) for group in groups for line in group["lines"]}


def _check(
    session_factory: SessionFactory, version: DatasetVersion, counts: dict[str, int], *, blocker: int = 0
) -> None:
    """Leave what a checkup leaves."""
    checks = [{"name": name, "count": count} for name, count in counts.items()]
    result = {"checks": checks, "health": {"blocker": blocker, "warning": 0, "note": 0}}
    with transaction(session_factory) as session:
        chore = Chore(kind="checkup", key=checkup_key(version), params={}, status="done", result=result)
        chore.owner_id, chore.version_id = LOCAL_ACTOR.id, version.id
        session.add(chore)
