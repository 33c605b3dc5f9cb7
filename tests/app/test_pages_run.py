"""One run: its page, and the parts that have addresses of their own."""

import re
from collections.abc import Callable

from fastapi.testclient import TestClient

from studio import runs
from studio.db import SessionFactory, transaction
from studio.runs import Run, RunEvent, SampleAnswer
from studio.settings import Settings
from tests.app.rows import HOSTILE, HTMX, add_points, set_run


def test_a_failed_run_says_what_happened_and_what_to_do(
    client: TestClient, make_run: Callable[..., Run], session_factory: SessionFactory
) -> None:
    run = make_run("Too large")
    set_run(session_factory, run, status="failed", phase="done", failure_kind="oom_gpu", failure_reason=HOSTILE)

    page = client.get(f"/runs/{run.id}").text

    assert "The GPU ran out of memory." in page
    assert "Halve the batch size" in page
    assert "Run again with batch 2 x accumulation 8" in page
    assert 'href="#log"' in page
    assert HOSTILE not in page
    assert "hx-sse:connect" not in page


def test_a_run_in_progress_follows_the_stream_from_where_the_page_was_read(
    client: TestClient, make_run: Callable[..., Run]
) -> None:
    run = make_run("Live")

    page = client.get(f"/runs/{run.id}").text

    assert f'hx-sse:connect="/runs/{run.id}/stream?after=0"' in page
    assert '<noscript><meta http-equiv="refresh"' in page
    assert re.search(r'<button[^>]*id="download"[^>]*disabled', page)


def test_the_parts_of_the_page_have_their_own_addresses(client: TestClient, make_run: Callable[..., Run]) -> None:
    run = make_run("Parts")

    for part, element in [
        ("status", "run-status"),
        ("answers", "run-answers"),
        ("losses", "run-losses"),
        ("log", "run-log"),
    ]:
        text = client.get(f"/runs/{run.id}/{part}", headers=HTMX).text
        assert text.lstrip().startswith(f'<div id="{element}"'), part


def test_hostile_text_of_a_run_stays_text(
    client: TestClient, make_run: Callable[..., Run], session_factory: SessionFactory, web_settings: Settings
) -> None:
    run = make_run(f"{HOSTILE} name")
    set_run(session_factory, run, epoch=1, resolved={"chat_template": HOSTILE}, phase_note=HOSTILE, status="running")
    with transaction(session_factory) as session:
        session.add(RunEvent(run_id=run.id, seq=1, epoch=1, kind="warning", message=HOSTILE))
        texts = {"prompt": HOSTILE, "expected": HOSTILE, "answer": HOSTILE}
        session.add(SampleAnswer(run_id=run.id, step=0, position=0, epoch=1, row_number=1, **texts))
    folder = runs.attempt_folder(web_settings.runs_dir, run.id, 1)
    folder.mkdir(parents=True)
    (folder / "trainer.log").write_text(HOSTILE)

    for path in (f"/runs/{run.id}", "/runs", "/", f"/runs/{run.id}/log", f"/runs/{run.id}/answers"):
        page = client.get(path).text
        assert HOSTILE not in page, path
        assert "&lt;script&gt;" in page, path


def test_series_keep_what_is_not_finite(
    client: TestClient, make_run: Callable[..., Run], session_factory: SessionFactory
) -> None:
    run = make_run("Unstable")
    add_points(session_factory, run, [("train/loss", 1, 2.5, "num"), ("train/loss", 2, None, "nan")])

    body = client.get(f"/runs/{run.id}/series").json()

    assert body["series"]["train/loss"] == [[1, 2.5, 2.5, 2.5, "num"], [2, None, None, None, "nan"]]
    assert client.get(f"/runs/{run.id}/series.csv").text.splitlines() == [
        "metric,step,value",
        "train/loss,1,2.5",
        "train/loss,2,nan",
    ]


def test_series_give_a_range_and_the_number_up_to_which_they_are_whole(
    client: TestClient, make_run: Callable[..., Run], session_factory: SessionFactory
) -> None:
    run = make_run("Long")
    assert client.get(f"/runs/{run.id}/series").json()["seq"] == 0
    add_points(session_factory, run, [("train/loss", step, 1.0, "num") for step in range(1, 41)])

    def steps(query: str) -> list[int]:
        body = client.get(f"/runs/{run.id}/series?{query}").json()
        return [point[0] for point in body["series"].get("train/loss", [])]

    assert steps("from=38") == [38, 39, 40]
    assert steps("from=2&to=4") == [2, 3, 4]
    assert steps("from=41") == []
    assert steps("points=4") == [10, 20, 30, 40]
    for query in ("from=-1", "from=x", "points=0", "points=100000", f"to={2**40}"):
        assert client.get(f"/runs/{run.id}/series?{query}").status_code == 422


def test_the_table_twin_pairs_the_losses(
    client: TestClient, make_run: Callable[..., Run], session_factory: SessionFactory
) -> None:
    run = make_run("Measured")
    add_points(
        session_factory,
        run,
        [("eval/loss", 0, 3.0, "num"), ("train/loss", 1, 2.5, "num"), ("eval/loss", 2, 2.0, "num")],
    )
    set_run(session_factory, run, best_step=2)

    rows = re.findall(r"<tr>(<td.*?)</tr>", client.get(f"/runs/{run.id}/losses").text)

    assert [re.sub("<[^>]+>", " ", row).split() for row in rows] == [
        ["2", "2.5000", "2.0000", "best", "checkpoint"],
        ["0", "–", "3.0000"],
    ]


def test_the_table_twin_has_a_row_for_a_loss_that_is_not_finite(
    client: TestClient, make_run: Callable[..., Run], session_factory: SessionFactory
) -> None:
    run = make_run("Unstable")
    points = [("train/loss", 1, 2.5, "num"), ("eval/loss", 1, 2.0, "num"), ("train/loss", 2, None, "nan")]
    add_points(session_factory, run, points)

    rows = re.findall(r"<tr>(<td.*?)</tr>", client.get(f"/runs/{run.id}/losses").text)

    assert [re.sub("<[^>]+>", " ", row).split() for row in rows] == [
        ["2", "NaN", "–", "not", "finite"],
        ["1", "2.5000", "2.0000"],
    ]


def test_renaming_a_run(client: TestClient, make_run: Callable[..., Run]) -> None:
    run = make_run("Before")

    assert "After" in client.post(f"/runs/{run.id}/name", data={"name": "After"}).text


def test_the_spec_of_a_run_can_be_downloaded(client: TestClient, make_run: Callable[..., Run]) -> None:
    run = make_run("With a spec")

    text = client.get(f"/runs/{run.id}/spec.yaml").text

    assert runs.spec_from_yaml(text) == run.run_spec
