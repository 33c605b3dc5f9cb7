"""The launch form: fields drawn from the pydantic classes, and a flat form turned back into a RunSpec."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from studio.errors import InvalidInput
from studio.methods import METHODS
from studio.runs import RunSpec, errors_by_field

PARTS = ("base_model", "data", "method", "hyperparameters", "evaluation", "budget", "license")
HUB = "hub"
HUB_FIELD = "hub_id"
# What the values of a choice mean to a person; a value that reads well as it is stands for itself.
_WORDS: Mapping[str, Mapping[str, str]] = {
    "base_bits": {"16": "16-bit", "8": "8-bit", "4": "4-bit"},
    "quantization_type": {"nf4": "NF4", "fp4": "FP4"},
    "initialisation": {
        "default": "Usual",
        "pissa": "PiSSA",
        "random": "Random",
        "text": "From a text",
    },
    "compute_dtype": {"auto": "Automatic"},
    "way": {
        "random": "At random",
        "stratified": "Equal shares of each value",
        "grouped": "Each value on one side",
        "time": "By time, newest held out",
        "column": "As a column says",
    },
    "precision": {"auto": "Automatic"},
    "intended_use": {
        "private": "For myself",
        "research": "Research or teaching",
        "internal": "Inside my organisation",
        "product": "A product or service for others",
    },
    "train_on": {"answers": "Answers only", "everything": "Prompts and answers"},
    "scheduler": {
        "linear": "Linear to zero",
        "cosine": "Cosine to zero",
        "constant": "Constant",
        "constant_with_warmup": "Constant after warm-up",
    },
    "optimizer": {"adamw": "AdamW", "adamw_8bit": "AdamW, 8-bit", "paged_adamw_8bit": "AdamW, 8-bit, paged"},
}
# What a frozen split names; a form shows its sizes, and takes it from the version.
_FROZEN = frozenset({"codes_sha256", "sizes"})
# A mix and the licences have parts of the form of their own.
_NOT_DRAWN = frozenset({"kind", "dataset_version_id", "sha256", "id", "mix", "mixing", "statement"}) | _FROZEN


@dataclass(frozen=True, slots=True)
class Choice:
    """One value of a select."""

    value: str
    label: str


@dataclass(frozen=True, slots=True)
class FormField:
    """One input with everything that its partial needs."""

    name: str
    kind: Literal["number", "text", "checkbox", "select"]
    label: str
    hint: str
    value: str
    default: str
    choices: tuple[Choice, ...] = ()
    suggestions: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    whole: bool = False
    required: bool = False
    advanced: bool = False
    error: str | None = None

    @property
    def id(self) -> str:
        """The id of the input; dots would need escaping in selectors."""
        return "field-" + self.name.replace(".", "-")

    @property
    def words(self) -> str:
        """The value as a person reads it."""
        named = {choice.value: choice.label for choice in self.choices}
        if self.kind == "checkbox":
            named = {"true": "yes", "false": "no"}
        return named.get(self.value, self.value)

    @property
    def changed(self) -> bool:
        """Whether the value differs from the default."""
        return self.value != self.default


@dataclass(frozen=True, slots=True)
class FormState:
    """What a person has entered so far, by dotted name, and a sentence for each field that needs another look."""

    values: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)

    def fields(self, model: type[BaseModel], prefix: str, error_prefix: str | None = None) -> list[FormField]:
        """The inputs of a class, in the order of its fields; `error_prefix` is where its errors are, if elsewhere."""
        return list(self._fields(model, prefix, error_prefix or prefix))

    def _fields(self, model: type[BaseModel], prefix: str, error_prefix: str) -> Iterator[FormField]:
        for key, about in model.model_fields.items():
            kinds = _kinds(about)
            if key in _NOT_DRAWN:
                continue
            if isinstance(kinds[0], type) and issubclass(kinds[0], BaseModel):
                for below in self._fields(kinds[0], f"{prefix}.{key}", f"{error_prefix}.{key}"):
                    yield replace(below, advanced=True)
            else:
                yield self._field(f"{prefix}.{key}", about, kinds, self.errors.get(f"{error_prefix}.{key}"))

    def _field(self, name: str, about: FieldInfo, kinds: list[Any], error: str | None) -> FormField:
        default = as_text(about.get_default(call_default_factory=True, validated_data={}))
        extra = about.json_schema_extra if isinstance(about.json_schema_extra, dict) else {}
        suggestions: Any = extra.get("suggestions", ())
        minimum, maximum = _bounds(about)
        return FormField(
            name=name,
            kind=_input_kind(kinds),
            label=about.title or name.rsplit(".", 1)[-1].replace("_", " ").capitalize(),
            hint=about.description or "",
            value=self.values.get(name, default),
            default=default,
            choices=tuple(_choice(name, as_text(value)) for value in _literal_values(kinds)),
            suggestions=tuple(str(suggestion) for suggestion in suggestions),
            minimum=minimum,
            maximum=maximum,
            whole=int in kinds,
            required=NoneType not in kinds and kinds[0] is not str,
            advanced=bool(extra.get("advanced")),
            error=error,
        )


@lru_cache(maxsize=1)
def field_labels() -> Mapping[str, str]:
    """What each setting of a spec is called in the form, by its dotted path."""
    state = FormState()
    parts: list[tuple[str, Any]] = [(part, RunSpec.model_fields[part].annotation) for part in PARTS if part != "method"]
    parts += [("method", method) for method in METHODS.values()]
    return {found.name: found.label for part, model in parts for found in state.fields(model, part)}


def spec_from_form(
    form: Mapping[str, str],
    *,
    sha256: str,
    frozen_split: Mapping[str, Any] | None = None,
    mix: Sequence[Mapping[str, Any]] = (),
) -> RunSpec:
    """Build the spec, with a frozen split as the version has it; raises InvalidInput with a sentence per name."""
    plain = nested(form)
    data = plain.setdefault("data", {})
    data["sha256"] = sha256
    data["mix"] = mix
    if frozen_split is not None:
        data["split"] = dict(frozen_split)
    try:
        return RunSpec.model_validate(plain)
    except ValidationError as error:
        raise InvalidInput("Some settings need another look.", fields=errors_by_field(error)) from error


def nested(form: Mapping[str, str]) -> dict[str, Any]:
    """The flat form as a tree: an empty input is left out, and only the chosen method's fields are kept.

    A method's field is `method.<kind>.<field>` in the form, which draws every method, or plainly `method.<field>`.
    """
    tree: dict[str, Any] = {}
    kind = form.get("method.kind", "")
    for name, text in form.items():
        path = name.split(".")
        if path[0] not in PARTS or len(path) < 2:
            continue
        if path[0] == "method" and len(path) == 3:
            if path[1] != kind:
                continue
            path = [path[0], path[2]]
        if text.strip() != "":
            _put(tree, path, _native(path, text.strip(), kind))
    if form.get("base_model.id") == HUB:
        tree["base_model"]["id"] = form.get(HUB_FIELD, "").strip()
    return tree


def flat(parts: Mapping[str, Any]) -> dict[str, str]:
    """A spec or a part of one as form values, the reverse of `nested`."""
    values = dict(_flat("", parts))
    kind = values.get("method.kind")
    for name in [name for name in values if name.startswith("method.") and name != "method.kind"]:
        values[f"method.{kind}.{name.removeprefix('method.')}"] = values.pop(name)
    return values


def as_text(value: Any) -> str:
    """A value as an input holds it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        short = f"{value:g}"
        return short if float(short) == value else repr(value)
    return str(value)


def _flat(prefix: str, tree: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(f"{prefix}{key}.", value)
        elif key not in _FROZEN and key != "mix":
            yield f"{prefix}{key}", as_text(value)


def _put(tree: dict[str, Any], path: list[str], value: Any) -> None:
    for key in path[:-1]:
        below = tree.setdefault(key, {})
        if not isinstance(below, dict):
            raise InvalidInput(f"The form holds both {key} and fields inside it; open the form again.")
        tree = below
    tree[path[-1]] = value


def _native(path: list[str], text: str, kind: str) -> Any:
    """Give a choice among numbers its number back: pydantic compares literals as they are."""
    model: Any = METHODS.get(kind) if path[0] == "method" else _kinds(RunSpec.model_fields[path[0]])[0]
    for key in path[1:]:
        about = model.model_fields.get(key) if isinstance(model, type) and issubclass(model, BaseModel) else None
        if about is None:
            return text
        kinds = _kinds(about)
        model = kinds[0]
    matches = [value for value in _literal_values(kinds) if as_text(value) == text]
    return matches[0] if matches else text


def _kinds(about: FieldInfo) -> list[Any]:
    """The members of a field's type, None last."""
    annotation = about.annotation
    members = get_args(annotation) if get_origin(annotation) in {Union, UnionType} else (annotation,)
    return sorted(members, key=lambda member: member is NoneType)


def _choice(name: str, value: str) -> Choice:
    return Choice(value, _WORDS.get(name.rsplit(".", 1)[-1], {}).get(value, value))


def _literal_values(kinds: list[Any]) -> tuple[Any, ...]:
    return get_args(kinds[0]) if get_origin(kinds[0]) is Literal else ()


def _input_kind(kinds: list[Any]) -> Literal["number", "text", "checkbox", "select"]:
    if _literal_values(kinds):
        return "select"
    if kinds[0] is bool:
        return "checkbox"
    return "number" if kinds[0] in {int, float} else "text"


def _bounds(about: FieldInfo) -> tuple[float | None, float | None]:
    """The inclusive bounds that an input can state; open bounds are left to the check."""
    minimum: Any = next((mark.ge for mark in about.metadata if isinstance(mark, Ge)), None)
    maximum: Any = next((mark.le for mark in about.metadata if isinstance(mark, Le)), None)
    if any(isinstance(mark, Gt | Lt) for mark in about.metadata) and minimum is None:
        minimum = 0 if any(isinstance(mark, Gt) for mark in about.metadata) else None
    return minimum, maximum
