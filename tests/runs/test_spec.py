"""A spec is refused in sentences and survives YAML."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.errors import InvalidInput
from studio.methods import METHODS
from studio.runs import RunSpec, spec_from_yaml, validate_spec

DATA = {"dataset_version_id": "dsv_" + "0" * 26, "sha256": "a" * 64}


@settings(max_examples=60, deadline=None)
@given(
    method=st.sampled_from(sorted(METHODS)),
    learning_rate=st.none() | st.floats(1e-12, 1.0),
    epochs=st.floats(0.001, 1000),
    seed=st.integers(0, 2**31 - 1),
    max_length=st.integers(16, 131_072),
    revision=st.none() | st.from_regex(r"\A[A-Za-z0-9_\-]{1,40}\Z"),
)
def test_yaml_round_trips(
    method: str, learning_rate: float | None, epochs: float, seed: int, max_length: int, revision: str | None
) -> None:
    spec = validate_spec(
        {
            "base_model": {"id": "Qwen/Qwen3-0.6B", "revision": revision},
            "data": {**DATA, "max_length_tokens": max_length},
            "method": {"kind": method},
            "hyperparameters": {"learning_rate": learning_rate, "epochs": epochs, "seed": seed},
        }
    )

    assert spec_from_yaml(spec.to_yaml()) == spec


def test_the_least_spec_names_only_data() -> None:
    spec = validate_spec({"data": DATA})

    assert (spec.base_model.id, spec.method.kind, spec.version) == ("demo", "qlora", 1)


def test_the_fields_of_yaml_keep_their_order() -> None:
    text = validate_spec({"data": DATA}).to_yaml()

    keys = [line.split(":")[0] for line in text.splitlines() if line[0].isalpha()]
    assert keys == ["version", "base_model", "data", "method", "hyperparameters", "evaluation"]


@pytest.mark.parametrize(
    ("parts", "field", "words"),
    [
        ({"base_model": {"id": "../../etc"}}, "base_model.id", "Qwen/Qwen3-0.6B"),
        ({"base_model": {"id": "demo\n"}}, "base_model.id", "pick a base model"),
        ({"base_model": {"revision": "a..b"}}, "base_model.revision", "commit hash"),
        ({"method": {"kind": "magic"}}, "method", "magic"),
        ({"method": {"kind": "lora", "rank": 0}}, "method.rank", "greater than or equal to 1"),
        ({"method": {"kind": "lora", "targets": "a b"}}, "method.targets", "q_proj"),
        ({"method": {"kind": "dora", "rank": 8, "surprise": 1}}, "method.surprise", "Extra inputs"),
        ({"hyperparameters": {"learning_rate": 2}}, "hyperparameters.learning_rate", "less than or equal to 1"),
        ({"hyperparameters": {"learning_rate": "nan"}}, "hyperparameters.learning_rate", "finite|greater|less"),
        ({"hyperparameters": {"epochs": 0}}, "hyperparameters.epochs", "greater than 0"),
        ({"evaluation": {"sample_prompts": 33}}, "evaluation.sample_prompts", "less than or equal to 32"),
        ({"owner_id": "usr_other"}, "owner_id", "Extra inputs"),
        ({"version": 2}, "version", "1"),
    ],
)
def test_a_wrong_field_is_named_with_its_sentence(parts: dict[str, object], field: str, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        validate_spec({"data": DATA, **parts})

    sentence = caught.value.fields[field]
    assert any(word.lower() in sentence.lower() for word in words.split("|"))
    assert sentence[0].isupper()
    assert sentence.endswith(".")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("name", ["learning_rate", "epochs", "weight_decay", "max_gradient_norm", "warmup_fraction"])
def test_no_setting_is_infinite_or_not_a_number(name: str, value: float) -> None:
    with pytest.raises(InvalidInput):
        validate_spec({"data": DATA, "hyperparameters": {name: value}})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [1", "not valid YAML at line"),
        ("- a list", "YAML mapping"),
        ("", "YAML mapping"),
        ("!!python/object/apply:os.system ['true']", "not valid YAML"),
        ("x" * 256_001, "at most 256 kB"),
        ("[" * 5000, "not valid YAML"),
        ("a: 2024-13-45", "another look|not valid YAML"),
        ("\x00", "not valid YAML"),
    ],
)
def test_yaml_that_is_no_spec_is_refused(text: str, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        spec_from_yaml(text)

    assert any(word in caught.value.message for word in words.split("|"))


def test_yaml_aliases_cannot_grow_without_end() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]

    with pytest.raises(InvalidInput):
        spec_from_yaml("\n".join(lines))


def test_a_spec_cannot_be_changed() -> None:
    spec = validate_spec({"data": DATA})

    with pytest.raises(ValueError, match="frozen"):
        spec.version = 2  # type: ignore[misc,assignment]
    assert isinstance(spec, RunSpec)
