"""How the rows of a version are dealt out to train, validation and test; a step of a recipe like any other."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

SplitWay = Literal["random", "stratified", "grouped", "time", "column"]
_WORDS: dict[SplitWay, str] = {
    "random": "Split at random",
    "stratified": "Split with equal shares of each {field}",
    "grouped": "Split so that each {field} is on one side",
    "time": "Split by {field}, newest rows held out",
    "column": "Split as {field} says",
}


class SplitRows(BaseModel):
    """A new split of the same rows. `field` is one of the rows' extra fields, or `answer` for the last answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    do: Literal["split"] = "split"
    way: SplitWay = Field("random", description="By label for classes, by group for people.")
    field: str | None = Field(
        None, max_length=200, description="A column that was kept beside the text, or answer for the answer itself."
    )
    validation_fraction: float = Field(
        0.1, gt=0, lt=1, title="Validation", description="Share of rows that the validation loss is measured on."
    )
    test_fraction: float = Field(0.1, ge=0, lt=1, title="Test", description="Share of rows kept for a last test.")
    seed: int = Field(17, ge=0, lt=2**31, description="The same seed gives the same split; 17 is the default.")
    keep_test: bool = Field(
        True, title="Keep the test rows", description="Rows that were tested with are never trained on afterwards."
    )
    keep_similar_together: bool = Field(
        True,
        title="Keep similar rows together",
        description="Duplicates and near-duplicates stay on one side, so that nothing leaks.",
    )

    @model_validator(mode="after")
    def _is_whole(self) -> "SplitRows":
        if self.way != "random" and not self.field:
            raise ValueError("say by which field")
        if self.validation_fraction + self.test_fraction >= 0.95:
            raise ValueError("validation and test together must leave at least 5 % of the rows to train on")
        return self

    def sentence(self) -> str:
        """In words."""
        similar = ", similar rows together" if self.keep_similar_together and self.way != "column" else ""
        shares = f" ({self.validation_fraction:.0%} validation, {self.test_fraction:.0%} test)"
        return _WORDS[self.way].format(field=self.field) + similar + ("" if self.way == "column" else shares)
