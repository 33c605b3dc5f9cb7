"""Hardware, prices and estimates over the API."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from studio.datasets import DatasetVersion

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


@pytest.fixture
def spec(version: DatasetVersion) -> dict[str, Any]:
    """A small spec over stored rows."""
    data = {"dataset_version_id": version.id, "sha256": version.sha256}
    return {"data": data, "base_model": {"id": "Qwen/Qwen3-0.6B"}, "license": {"accepted": True}}


def test_a_price_is_set_shown_and_removed(client: TestClient) -> None:
    put = client.put("/api/prices/l4", json={"dollars_per_hour": 0.5})
    power = client.put("/api/prices/rtx-4090", json={"watts": 450, "dollars_per_kwh": 0.3})

    shown = {price["hardware_id"]: price for price in client.get("/api/prices").json()["items"]}
    assert put.status_code == 200 and shown["l4"]["dollars_per_hour"] == 0.5
    assert shown["l4"]["example_dollars_per_hour"] == 0.44 and "2026-11" in shown["l4"]["example_of"]
    assert power.json()["dollars_per_hour"] == pytest.approx(0.135)
    assert client.delete("/api/prices/l4").status_code == 204
    assert client.get("/api/prices").json()["items"][1]["dollars_per_hour"] is None


def test_a_free_hour_and_unknown_hardware_are_refused(client: TestClient) -> None:
    free = client.put("/api/prices/l4", json={"dollars_per_hour": 0})
    unknown = client.put("/api/prices/abacus", json={"dollars_per_hour": 1})

    assert free.status_code == 422 and "look free" in free.json()["error"]["fields"]["dollars_per_hour"]
    assert unknown.status_code == 404


def test_the_catalogue_tells_memory_and_rates(client: TestClient) -> None:
    catalogue = {one["id"]: one for one in client.get("/api/hardware").json()["catalogue"]}

    assert catalogue["h100-sxm"]["bf16_flops"] == 989e12
    assert catalogue["l4"]["memory_bytes"] < 24 * 2**30


def test_an_estimate_tells_memory_time_money_and_every_method(client: TestClient, spec: dict[str, Any]) -> None:
    client.put("/api/prices/l4", json={"dollars_per_hour": 0.5})

    found = client.post("/api/runs/estimate", json={"spec": spec, "hardware": "l4"})

    assert found.status_code == 200, found.text
    estimate = found.json()["estimate"]
    assert estimate["fit"] == "fits" and estimate["source"] == "estimated from the model"
    hours = estimate["seconds"]["likely"] / 3600
    assert estimate["dollars"]["likely"] == pytest.approx(hours * 0.5)
    assert sum(estimate["memory_parts"].values()) == estimate["memory_bytes"]
    assert {offer["kind"] for offer in found.json()["methods"]} == {
        m["kind"] for m in client.get("/api/methods").json()
    }
    assert found.json()["largest_batch"] >= 4


def test_what_does_not_fit_is_not_launched(client: TestClient, spec: dict[str, Any]) -> None:
    large = spec | {"base_model": {"id": "Qwen/Qwen3-8B"}, "method": {"kind": "full"}}

    refused = client.post("/api/runs", json={"spec": large, "hardware": "l4"})
    launched = client.post("/api/runs", json={"spec": spec, "hardware": "l4"})

    assert refused.status_code == 422 and "does not fit" in refused.text
    assert launched.status_code == 201, launched.text
