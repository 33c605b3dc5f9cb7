"""What is told before launch, from rows of a real database."""

from typing import Any

import pytest
from sqlalchemy.orm import Session

from studio import runs, spending
from studio.actors import LOCAL_ACTOR, Actor
from studio.datasets import Dataset, DatasetVersion
from studio.db import SessionFactory, transaction
from studio.errors import InvalidInput
from studio.runs import Measurement, RunSpec, Sign, validate_spec
from studio.settings import Settings
from studio.spending import Quote

GIB = 1 << 30
LARGE = "Qwen/Qwen3-8B"


class SilentQueue:
    """Takes hints and sends none."""

    def send(self, run_id: str) -> None:
        """Nothing."""

    def ask(self) -> None:
        """Nothing."""


def spec_of(version: DatasetVersion, **parts: Any) -> RunSpec:
    """A spec over the stored rows."""
    data = {"dataset_version_id": version.id, "sha256": version.sha256}
    return validate_spec({"data": data | parts.pop("data", {}), "method": {"kind": "lora"}, **parts})


def see_worker(session: Session, device: str, memory_bytes: int, cores: int | None = None) -> None:
    """Let a worker give a sign of life."""
    sign = Sign("here:1", "here", "0.1.0", None, device, memory_bytes, cores)
    runs.renew_worker(session, sign, run_id=None, note="")


def quoted(session: Session, spec: RunSpec, settings: Settings, hardware_id: str | None = None) -> Quote:
    """A quote for the local person."""
    return spending.quote(session, LOCAL_ACTOR, spec, settings=settings, hardware_id=hardware_id)


def launched(session: Session, spec: RunSpec, settings: Settings, **more: Any) -> runs.Run:
    """A launch by the local person."""
    return spending.launch(session, LOCAL_ACTOR, spec, queue=SilentQueue(), settings=settings, **more)


def test_without_a_worker_memory_is_told_for_each_gpu_and_nothing_is_refused(
    session_factory: SessionFactory, version: DatasetVersion, settings: Settings
) -> None:
    with transaction(session_factory) as session:
        found = quoted(session, spec_of(version, base_model={"id": LARGE}), settings)

    assert found.estimate is not None and found.estimate.seconds is None and found.estimate.fit is None
    assert found.refusals == () and found.hardware_from == "none"
    fits = {one.hardware_id: one.fit for one in found.fittings}
    assert fits["t4"] == "does_not_fit" and fits["b200"] == "fits"
    assert [offer.kind for offer in found.methods if offer.is_chosen] == ["lora"]


def test_a_run_is_estimated_for_the_hardware_of_the_worker(
    session_factory: SessionFactory, version: DatasetVersion, settings: Settings
) -> None:
    with transaction(session_factory) as session:
        see_worker(session, "CPU", 8 * GIB, cores=2)
        found = quoted(session, spec_of(version), settings)

    estimate = found.estimate
    assert estimate is not None and estimate.seconds is not None
    assert estimate.hardware_label == "CPU, 2 cores" and estimate.available_bytes == 8 * GIB
    assert estimate.fit == "fits" and estimate.source == "estimated from the model"
    assert estimate.seconds.low < estimate.seconds.likely < estimate.seconds.high
    assert sum(estimate.parts.values()) == pytest.approx(estimate.seconds.likely)
    assert estimate.dollars is None and found.price_note == "Set what an hour costs to see dollars."


def test_what_is_asked_for_goes_before_the_worker(
    session_factory: SessionFactory, version: DatasetVersion, settings: Settings
) -> None:
    with transaction(session_factory) as session:
        see_worker(session, "CPU", 8 * GIB, cores=2)
        found = quoted(session, spec_of(version), settings, "l4")

    assert found.estimate is not None and found.estimate.hardware_id == "l4"
    assert found.estimate.notes == ()
    assert found.price_from == "example" and "example of $0.44" in found.price_note
    assert found.estimate.dollars is not None


def test_hardware_that_is_not_in_the_catalogue_is_said_in_words(
    session_factory: SessionFactory, version: DatasetVersion, settings: Settings
) -> None:
    with transaction(session_factory) as session:
        see_worker(session, "NVIDIA Quantum 9000", 8 * GIB)
        found = quoted(session, spec_of(version), settings)
        with pytest.raises(InvalidInput, match="no hardware 'abacus' in the catalogue"):
            quoted(session, spec_of(version), settings, "abacus")

    assert found.estimate is not None and found.estimate.seconds is None
    assert "NVIDIA Quantum 9000 is not in the hardware catalogue" in found.hardware_problem


def test_a_base_model_whose_config_is_not_known_gets_no_number(
    session_factory: SessionFactory, version: DatasetVersion, settings: Settings
) -> None:
    with transaction(session_factory) as session:
        found = quoted(session, spec_of(version, base_model={"id": "someone/llama-of-theirs"}), settings, "l4")

    assert found.estimate is None and "not known before its first download" in found.problem


def test_a_download_that_is_not_counted_is_said(
    session_factory: SessionFactory, version: DatasetVersion, settings: Settings
) -> None:
    snapshot = settings.models_dir / "models--Qwen--Qwen3-8B" / "snapshots" / "0123"
    snapshot.mkdir(parents=True)

    with transaction(session_factory) as session:
        before = quoted(session, spec_of(version, base_model={"id": LARGE}), settings).estimate
        for name in ("config.json", "model.safetensors"):
            (snapshot / name).write_text("{}")
        after = quoted(session, spec_of(version, base_model={"id": LARGE}), settings).estimate

    assert before is not None and "downloads about 16 GB" in before.notes[0]
    assert after is not None and after.notes == ()


def test_layers_that_the_base_model_does_not_have_are_refused_before_launch(
    session_factory: SessionFactory, version: DatasetVersion, settings: Settings
) -> None:
    spec = spec_of(version, method={"kind": "lora", "targets": "wq, wv"})

    with transaction(session_factory) as session:
        found = quoted(session, spec, settings)
        with pytest.raises(InvalidInput) as refused:
            launched(session, spec, settings)

    assert found.estimate is None and "No layer of this base model is called wq, wv" in found.problem
    assert list(refused.value.fields) == ["method.targets"]


def test_the_lengths_of_a_mix_are_those_of_all_its_datasets(
    session_factory: SessionFactory, version: DatasetVersion, settings: Settings
) -> None:
    facts = {"mean_row_characters": 40.0, "longest_row_characters": 60, "turns": {"user": 40, "assistant": 40}}
    with transaction(session_factory) as session:
        session.get_one(DatasetVersion, version.id).facts = facts
        other = _copy_of(version, facts | {"mean_row_characters": 4000.0, "longest_row_characters": 6000})
        session.add(Dataset(owner_id=LOCAL_ACTOR.id, name="Long ones", versions=[other]))
        session.flush()
        part = {"dataset_version_id": other.id, "sha256": other.sha256, "row_count": 40, "weight": 1.0}
        alone = quoted(session, spec_of(version), settings).estimate
        mixed = quoted(session, spec_of(version, data={"mix": [part]}), settings).estimate

    assert alone is not None and mixed is not None
    assert mixed.tokens / mixed.steps > 10 * alone.tokens / alone.steps


def _copy_of(version: DatasetVersion, facts: dict[str, Any]) -> DatasetVersion:
    names = ("file_name", "file_format", "file_size_bytes", "shape", "canonical", "size_bytes", "row_count", "split")
    same = {name: getattr(version, name) for name in names}
    hashes = {"sha256": "1" * 64, "original_sha256": "1" * 64}
    return DatasetVersion(owner_id=LOCAL_ACTOR.id, number=1, facts=facts, **same, **hashes)


def test_a_run_that_does_not_fit_is_refused_with_a_fix_that_fits(
    session_factory: SessionFactory, version: DatasetVersion, settings: Settings
) -> None:
    spec = spec_of(version, base_model={"id": LARGE}, method={"kind": "full"})

    with transaction(session_factory) as session:
        found = quoted(session, spec, settings, "l4")
        with pytest.raises(InvalidInput, match=r"does not fit: it needs about .* L4 24 GB has"):
            launched(session, spec, settings, hardware_id="l4")

    refusal = found.refusals[0]
    assert refusal.key == "does_not_fit" and refusal.fixes and all(fix.fits for fix in refusal.fixes)
    assert refusal.fixes[0].changes["method.kind"] == "qlora"


def test_a_cap_that_leaves_no_step_is_refused(
    session_factory: SessionFactory, version: DatasetVersion, settings: Settings
) -> None:
    with transaction(session_factory) as session:
        spending.set_price(session, LOCAL_ACTOR, "l4", dollars_per_hour=0.5)
        hours = quoted(session, spec_of(version, budget={"max_hours": 1e-5}), settings, "l4")
        dollars = quoted(session, spec_of(version, budget={"max_dollars": 1e-5}), settings, "l4")
        enough = quoted(session, spec_of(version, budget={"max_dollars": 1.0, "max_hours": 1.0}), settings, "l4")

    assert [(one.key, one.field) for one in hours.refusals] == [("cap", "budget.max_hours")]
    assert [(one.key, one.field) for one in dollars.refusals] == [("cap", "budget.max_dollars")]
    assert "leaves no step" in dollars.refusals[0].sentence
    assert enough.refusals == ()


@pytest.mark.parametrize(("share", "said"), [(0.9, "ends this run"), (1.2, "may end this run"), (2.0, "")])
def test_a_cap_that_the_run_will_reach_is_said_before_launch(
    session_factory: SessionFactory, version: DatasetVersion, settings: Settings, share: float, said: str
) -> None:
    with transaction(session_factory) as session:
        free = quoted(session, spec_of(version), settings, "l4").estimate
        assert free is not None and free.seconds is not None
        low, high = free.seconds.low, free.seconds.high
        seconds = low * share if share < 1 else (low + high) / 2 if share < 2 else 2 * high
        capped = quoted(session, spec_of(version, budget={"max_hours": seconds / 3600}), settings, "l4").estimate

    assert capped is not None
    sentences = [one.sentence for one in capped.cautions if one.key == "cap"]
    assert len(sentences) == bool(said) and all(said in sentence for sentence in sentences)


def test_a_cap_in_dollars_needs_an_own_price(
    session_factory: SessionFactory, version: DatasetVersion, settings: Settings
) -> None:
    with transaction(session_factory) as session:
        found = quoted(session, spec_of(version, budget={"max_dollars": 5.0}), settings, "l4")

    assert [one.key for one in found.refusals] == ["no_price"]
    assert "set what an hour of L4 24 GB costs" in found.refusals[0].sentence


def test_a_launched_run_keeps_its_quote(
    session_factory: SessionFactory, version: DatasetVersion, settings: Settings
) -> None:
    with transaction(session_factory) as session:
        spending.set_price(session, LOCAL_ACTOR, "l4", dollars_per_hour=0.5)
        run = launched(session, spec_of(version), settings, hardware_id="l4", idempotency_key="once")
        again = launched(session, spec_of(version), settings, hardware_id="l4", idempotency_key="once")

    assert again.id == run.id
    estimate = run.quote["estimate"]
    assert estimate["hardware_id"] == "l4" and run.quote["price_from"] == "own"
    assert estimate["dollars"]["likely"] == pytest.approx(estimate["seconds"]["likely"] / 3600 * 0.5)


def test_runs_that_are_over_correct_the_next_estimate(
    session_factory: SessionFactory, version: DatasetVersion, settings: Settings
) -> None:
    with transaction(session_factory) as session:
        before = quoted(session, spec_of(version), settings, "l4").estimate
        assert before is not None and before.seconds is not None
        for number in range(3):
            run = launched(session, spec_of(version, hyperparameters={"seed": number}), settings)
            session.add(_measurement(run.id, LOCAL_ACTOR, "l4", factor=2.0))
            session.add(
                _measurement(launched(session, spec_of(version), settings).id, Actor("another"), "l4", factor=9)
            )
        session.flush()
        after = quoted(session, spec_of(version), settings, "l4").estimate

    assert after is not None and after.seconds is not None
    assert after.source == "from 3 runs like this" and after.measured_runs == 3
    assert after.seconds.likely == pytest.approx(2 * before.seconds.likely)
    assert after.seconds.high / after.seconds.low < 2.5 < before.seconds.high / before.seconds.low


def _measurement(run_id: str, actor: Actor, hardware: str, *, factor: float) -> Measurement:
    parts = ("start", "preparing", "step", "validation", "answers", "checkpoint", "export")
    return Measurement(
        run_id=run_id,
        owner_id=actor.id,
        hardware=hardware,
        device="NVIDIA L4",
        model_type="llama",
        base_model="demo",
        method="lora",
        facts={
            "version": 1,
            "measured": dict.fromkeys(parts, factor),
            "estimated": dict.fromkeys(parts, 1.0),
            "memory": {"measured": 1e9, "estimated": 1e9},
        },
    )
