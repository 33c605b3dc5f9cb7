"""Recipes: the steps by which one version of a dataset becomes the next, in an order that counts."""

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from studio.datasets.split_plan import SplitRows
from studio.errors import InvalidInput
from studio.ids import ID_PATTERN

_ROW_NUMBERS = 100_000
_STEPS = 50
# Checks whose name is not their title; a test compares them with the checks, which the website does not import.
_TITLES = {
    "label_imbalance": "Unbalanced labels",
    "leakage": "Leaks between the splits",
    "length_imbalance": "Answers of very uneven length",
    "missing_values": "Missing values written as text",
    "near_duplicates": "Near-duplicates",
    "near_leakage": "Near leaks between the splits",
    "refusals": "Refusals and empty phrases",
    "role_order": "Wrong order of roles",
    "special_tokens": "Marks of chat templates in the text",
    "stray_spaces": "White space around answers",
    "too_few_rows": "Few rows",
}
_PRESENT_TEST = {"keep": "beside", "drop": "in place of", "train": "and train on"}
CheckName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
RowNumber = Annotated[int, Field(ge=1, le=2**31)]


class _Step(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _OfCheck(_Step):
    check: CheckName

    @property
    def title(self) -> str:
        """The check in words: a recipe is read when its check may have gone."""
        return _TITLES.get(self.check) or self.check.replace("_", " ").capitalize()


class Drop(_OfCheck):
    """Every row that a check found goes."""

    do: Literal["drop"] = "drop"

    def sentence(self) -> str:
        """In words."""
        return f"{self.title}: drop the rows"


class KeepFirst(_OfCheck):
    """Of the rows that belong together the first stays."""

    do: Literal["keep_first"] = "keep_first"

    def sentence(self) -> str:
        """In words."""
        return f"{self.title}: keep the first row of each group"


class KeepMajority(_OfCheck):
    """Of the rows that contradict each other those stay that give the answer which most give."""

    do: Literal["keep_majority"] = "keep_majority"
    check: CheckName = "contradictions"

    def sentence(self) -> str:
        """In words."""
        return f"{self.title}: keep the answer that most rows give"


class Redact(_OfCheck):
    """What a check found is replaced by a placeholder."""

    do: Literal["redact"] = "redact"

    def sentence(self) -> str:
        """In words."""
        return f"{self.title}: redact what was found"


class Trim(_OfCheck):
    """What a check found is cut away."""

    do: Literal["trim"] = "trim"

    def sentence(self) -> str:
        """In words."""
        return f"{self.title}: trim the texts"


class CapLength(_Step):
    """Last answers that are longer end at the last sentence that fits, so that no answer stops amid one."""

    do: Literal["cap_length"] = "cap_length"
    characters: int = Field(ge=20, le=2_000_000)

    def sentence(self) -> str:
        """In words."""
        return f"Cap the last answers at {self.characters:,} characters, at the end of a sentence"


class Rebalance(_Step):
    """Of each answer at most so many rows of the train split stay; held-out rows show the world as it is."""

    do: Literal["rebalance"] = "rebalance"
    most: int = Field(ge=1, le=5_000_000)
    seed: int = Field(17, ge=0, lt=2**31)

    def sentence(self) -> str:
        """In words."""
        rows = "row" if self.most == 1 else "rows"
        return f"Keep at most {self.most:,} {rows} of each answer to train on (seed {self.seed})"


class DropRows(_Step):
    """Rows that a person named, by their numbers from 1."""

    do: Literal["drop_rows"] = "drop_rows"
    rows: tuple[RowNumber, ...] = Field(min_length=1, max_length=_ROW_NUMBERS)

    def sentence(self) -> str:
        """In words."""
        shown = ", ".join(f"{row:,}" for row in self.rows[:5])
        more = f" and {len(self.rows) - 5:,} more" if len(self.rows) > 5 else ""
        return f"Drop {'row' if len(self.rows) == 1 else 'rows'} {shown}{more}"


class Edit(_Step):
    """One row becomes another one, as a person wrote it."""

    do: Literal["edit"] = "edit"
    number: RowNumber
    row: dict[str, Any]

    def sentence(self) -> str:
        """In words."""
        return f"Edit row {self.number:,}"


class UseChosen(_Step):
    """Preference rows become pairs of the prompt and the chosen answer."""

    do: Literal["use_chosen"] = "use_chosen"

    def sentence(self) -> str:
        """In words."""
        return "Keep the prompt and the chosen answer of each row"


class AddTest(_Step):
    """The rows of another dataset become test rows; what asks the same, or nearly, is neither trained on nor validated.

    `name` and `sha256` are those of the version named; they are filled in when the step is asked for.
    """

    do: Literal["add_test"] = "add_test"
    dataset_version_id: str = Field(pattern=ID_PATTERN.pattern)
    present_test: Literal["keep", "drop", "train"] = "keep"
    name: str = Field("", max_length=200)
    sha256: str = Field("", pattern="^([0-9a-f]{64})?$")

    def sentence(self) -> str:
        """In words."""
        present = _PRESENT_TEST[self.present_test]
        return f"Test with the rows of {self.name or 'another dataset'}, {present} the present test rows"


class ChooseParent(_Step):
    """An older version becomes the newest one again, row for row."""

    do: Literal["choose_parent"] = "choose_parent"
    version: int = Field(ge=1)

    def sentence(self) -> str:
        """In words."""
        return f"Use version {self.version} again"


RecipeStep = (
    Drop
    | KeepFirst
    | KeepMajority
    | Redact
    | Trim
    | CapLength
    | Rebalance
    | DropRows
    | Edit
    | UseChosen
    | AddTest
    | ChooseParent
    | SplitRows
)
Recipe = tuple[RecipeStep, ...]
RecipeField = Annotated[
    tuple[Annotated[RecipeStep, Field(discriminator="do")], ...], Field(min_length=1, max_length=_STEPS)
]
_RECIPE: TypeAdapter[Recipe] = TypeAdapter(RecipeField)


def read_recipe(plain: object) -> Recipe:
    """A recipe of 1 to 50 steps; raises InvalidInput with a sentence for each field."""
    try:
        return _RECIPE.validate_python(plain)
    except ValidationError as error:
        fields = {
            ".".join(["recipe", *(str(part) for part in problem["loc"])]): f"{problem['msg']}."
            for problem in error.errors(include_url=False, include_context=False, include_input=False)
        }
        raise InvalidInput("Some steps of the recipe need another look.", fields=fields) from error


def write_recipe(recipe: Recipe) -> list[dict[str, Any]]:
    """The steps as plain JSON, as a version keeps them."""
    return [step.model_dump(mode="json") for step in recipe]


def sentences(plain: list[dict[str, Any]]) -> list[str]:
    """What a kept recipe did, step by step."""
    return [step.sentence() for step in read_recipe(plain)] if plain else []


def recipe_key(parent_id: str, checkup_key: str, recipe: Recipe, *, publish: bool) -> str:
    """The same for the same parent, findings and steps; a preview and a version are two pieces of work."""
    parts = [1, parent_id, checkup_key, write_recipe(recipe), publish]
    text = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
