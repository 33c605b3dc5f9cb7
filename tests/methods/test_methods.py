"""A method is data: what each answers, and what it refuses."""

import pytest
from pydantic import TypeAdapter, ValidationError

from studio.base_models import ARCHITECTURES, BaseModelFacts
from studio.methods import METHODS, DoRA, LoRA, Method, MethodBase, OverAnyBase, PromptTuning, QLoRA

BASE = BaseModelFacts(id="demo", label="Demo", family="Demo", model_type="llama")
ADAPTER: TypeAdapter[MethodBase] = TypeAdapter(Method)


def test_the_union_and_the_index_name_the_same_methods() -> None:
    assert set(METHODS) == {"full", "lora", "qlora", "dora", "ia3", "prompt_tuning"}
    assert all(ADAPTER.validate_python({"kind": kind}).__class__ is member for kind, member in METHODS.items())


@pytest.mark.parametrize("member", METHODS.values(), ids=list(METHODS))
def test_every_method_explains_itself(member: type[MethodBase]) -> None:
    assert member.label and member.hint.endswith(".") and member.paper.startswith("https://")
    assert 0 < member.default_learning_rate < 1


@pytest.mark.parametrize("member", METHODS.values(), ids=list(METHODS))
def test_every_field_has_a_hint(member: type[MethodBase]) -> None:
    missing = [name for name, field in member.model_fields.items() if name != "kind" and not field.description]

    assert missing == []


@pytest.mark.parametrize("member", METHODS.values(), ids=list(METHODS))
@pytest.mark.parametrize("model_type", ARCHITECTURES)
def test_every_method_answers_for_every_architecture(member: type[MethodBase], model_type: str) -> None:
    base = BASE.model_copy(update={"model_type": model_type})

    config = member().peft(base)

    assert (config is None) == (member.artifact == "model")
    assert config is None or config["task_type"] == "CAUSAL_LM"


def test_qlora_is_lora_over_nf4_with_double_quantization() -> None:
    assert QLoRA().peft(BASE) == LoRA().peft(BASE)
    assert QLoRA().quantization() == {
        "load_in_4bit": True,
        "bnb_4bit_quant_type": "nf4",
        "bnb_4bit_use_double_quant": True,
        "bnb_4bit_compute_dtype": "auto",
    }
    assert LoRA().quantization() is None


@pytest.mark.parametrize("kind", [kind for kind, member in METHODS.items() if issubclass(member, OverAnyBase)])
def test_every_adapter_method_goes_over_any_base(kind: str) -> None:
    answers = [ADAPTER.validate_python({"kind": kind, "base_bits": bits}).quantization() for bits in (16, 8, 4)]

    assert answers[0] is None
    assert answers[1] == {"load_in_8bit": True}
    assert answers[2] is not None and answers[2]["load_in_4bit"]


def test_attention_targets_follow_the_architecture() -> None:
    phi = BASE.model_copy(update={"model_type": "phi3"})

    config = LoRA(targets="attention").peft(phi)

    assert config is not None and config["target_modules"] == ["qkv_proj", "o_proj"]


@pytest.mark.parametrize(
    ("plain", "sentence"),
    [
        ({"kind": "lora", "initialisation": "pissa", "base_bits": 4}, "PiSSA needs the exact weights"),
        ({"kind": "dora", "initialisation": "pissa"}, "cannot be combined"),
        ({"kind": "prompt_tuning", "initialisation": "text"}, "write one sentence"),
        ({"kind": "lora", "targets": "q_proj; rm"}, "layer names with commas"),
        ({"kind": "lora", "rank": 0}, "greater than or equal to 1"),
        ({"kind": "adalora"}, "does not match any of the expected tags"),
        ({"kind": "ia3", "rank": 8}, "Extra inputs are not permitted"),
    ],
)
def test_what_cannot_work_is_refused_with_a_sentence(plain: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        ADAPTER.validate_python(plain)


def test_text_initialisation_carries_its_text() -> None:
    config = PromptTuning(initialisation="text", initial_text="Answer in JSON.").peft(BASE)

    assert config is not None
    assert (config["prompt_tuning_init"], config["prompt_tuning_init_text"]) == ("TEXT", "Answer in JSON.")


def test_dora_is_a_lora_config_with_its_flag() -> None:
    config = DoRA(rank=4).peft(BASE)

    assert config is not None and config["use_dora"] and config["r"] == 4
