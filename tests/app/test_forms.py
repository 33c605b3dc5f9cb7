"""The launch form as data: what is drawn, and what comes back as a spec."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.forms import FormState, flat, nested, spec_from_form
from studio.errors import InvalidInput
from studio.methods import METHODS
from studio.runs import RunSpec

SHA = "0" * 64
DATASET = {"data.dataset_version_id": "dsv_" + "0" * 26}


def test_an_empty_form_is_the_default_spec() -> None:
    spec = spec_from_form(DATASET, sha256=SHA)

    assert spec == RunSpec.model_validate(
        {"data": {"dataset_version_id": DATASET["data.dataset_version_id"], "sha256": SHA}}
    )


@pytest.mark.parametrize("kind", METHODS)
def test_every_method_survives_the_way_through_the_form(kind: str) -> None:
    state = FormState()
    drawn = {field.name: field.value for field in state.fields(METHODS[kind], f"method.{kind}")}

    spec = spec_from_form(DATASET | {"method.kind": kind} | drawn, sha256=SHA)

    assert spec.method == METHODS[kind]()
    assert spec_from_form(flat(spec.model_dump(mode="json")), sha256=SHA) == spec


def test_fields_of_other_methods_are_left_out() -> None:
    form = DATASET | {"method.kind": "lora", "method.lora.rank": "8", "method.qlora.rank": "64"}

    spec = spec_from_form(form, sha256=SHA)

    assert spec.method.model_dump()["rank"] == 8


def test_a_choice_among_numbers_comes_back_as_a_number() -> None:
    form = DATASET | {"method.kind": "lora", "method.lora.base_bits": "8"}

    assert spec_from_form(form, sha256=SHA).method.model_dump()["base_bits"] == 8


def test_an_id_of_the_hub_replaces_the_choice_of_the_list() -> None:
    form = DATASET | {"base_model.id": "hub", "hub_id": " Qwen/Qwen3-0.6B "}

    assert spec_from_form(form, sha256=SHA).base_model.id == "Qwen/Qwen3-0.6B"


def test_each_wrong_field_gets_its_sentence() -> None:
    form = DATASET | {
        "method.kind": "qlora",
        "method.qlora.rank": "many",
        "hyperparameters.epochs": "0",
        "data.split.validation_fraction": "0.9",
        "data.split.test_fraction": "0.2",
    }

    with pytest.raises(InvalidInput) as caught:
        spec_from_form(form, sha256=SHA)

    assert set(caught.value.fields) == {"method.rank", "hyperparameters.epochs", "data.split"}


def test_fields_carry_title_hint_bounds_and_choices() -> None:
    fields = {field.name: field for field in FormState().fields(METHODS["qlora"], "method.qlora")}

    rank = fields["method.qlora.rank"]
    assert (rank.label, rank.minimum, rank.maximum, rank.whole) == ("Rank", 1, 512, True)
    assert "16" in rank.hint
    assert [choice.value for choice in fields["method.qlora.base_bits"].choices] == ["16", "8", "4"]
    assert fields["method.qlora.rslora"].kind == "checkbox"
    assert fields["method.qlora.targets"].advanced


def test_choices_have_words() -> None:
    models = {f"method.{kind}": method for kind, method in METHODS.items()}
    parts = {part: RunSpec.model_fields[part].annotation for part in ("data", "hyperparameters", "evaluation")}
    for prefix, model in {**models, **parts}.items():
        for field in FormState().fields(model, prefix):  # type: ignore[arg-type]
            for choice in field.choices:
                assert not choice.label.isdigit() and "_" not in choice.label, field.name

    base_bits = next(field for field in FormState().fields(METHODS["qlora"], "method.qlora") if "bits" in field.name)
    assert base_bits.words.startswith("4-bit")


def test_every_field_has_a_hint() -> None:
    for kind, method in METHODS.items():
        for field in FormState().fields(method, f"method.{kind}"):
            assert field.hint, field.name


@given(
    st.dictionaries(
        st.sampled_from(["method.kind", "method.qlora.rank", "data.split", "data.split.seed", "base_model.id", "x.y"])
        | st.text(max_size=30),
        st.text(max_size=30),
        max_size=12,
    )
)
def test_any_form_gives_a_spec_or_a_refusal(form: dict[str, str]) -> None:
    try:
        spec = spec_from_form(DATASET | form, sha256=SHA)
    except InvalidInput:
        return
    assert isinstance(spec, RunSpec)


@given(
    st.floats(min_value=1e-8, max_value=1, exclude_min=True, allow_nan=False),
    st.integers(1, 1024),
    st.booleans(),
)
def test_numbers_and_ticks_survive_the_way_through_the_form(rate: float, batch: int, ticked: bool) -> None:
    plain = {
        "data": {**nested(DATASET)["data"], "sha256": SHA},
        "hyperparameters": {"learning_rate": rate, "batch_size": batch, "gradient_checkpointing": ticked},
    }
    spec = RunSpec.model_validate(plain)

    again = spec_from_form(flat(spec.model_dump(mode="json")), sha256=SHA)

    assert again == spec
