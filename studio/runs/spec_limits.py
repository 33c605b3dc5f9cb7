"""What bounds a run: its cap, when to stop early, and what its result may be used for. Pure."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

IntendedUse = Literal["private", "research", "internal", "product"]


class SpecPart(BaseModel):
    """A part of a run spec: it never changes, and knows no names but its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Budget(SpecPart):
    """The cap: the run stops before it costs more, and keeps its best checkpoint as the adapter."""

    max_dollars: float | None = Field(
        None,
        gt=0,
        le=1_000_000,
        title="Stop at dollars",
        description="What the whole run may cost at the price of its GPU; empty is no cap.",
    )
    max_hours: float | None = Field(
        None,
        gt=0,
        le=10_000,
        title="Stop at hours",
        description="How long the whole run may hold a GPU, loading and evaluating included; empty is no cap.",
    )

    @property
    def is_set(self) -> bool:
        """Whether there is a cap at all."""
        return self.max_dollars is not None or self.max_hours is not None


class EarlyStopping(SpecPart):
    """Ends a run whose validation loss no longer falls; the best checkpoint is the result either way."""

    patience: int = Field(
        3,
        ge=0,
        le=100,
        title="Stop early after",
        description="Validations in a row without a better loss: 3 is usual, 0 never stops early.",
        json_schema_extra={"advanced": True},
    )
    min_delta: float = Field(
        0.001,
        ge=0,
        le=10,
        title="Smallest gain",
        description="Nats per token by which a validation loss must be lower to count as better; 0.001 is usual.",
        json_schema_extra={"advanced": True},
    )
    warmup_evaluations: int = Field(
        2,
        ge=0,
        le=100,
        title="Validations to wait",
        description="The first validations after the start of training never end it; 2 is usual.",
        json_schema_extra={"advanced": True},
    )


class LicenseUse(SpecPart):
    """What the result is for, and whether the statement of licences was accepted; the run keeps the statement."""

    intended_use: IntendedUse = Field(
        "internal",
        title="What is it for?",
        description="Licences differ by use: a product for others is the strictest case.",
    )
    accepted: bool = Field(
        False,
        title="I have read this and accept it",
        description="Needed where a licence asks for something, or is not known.",
    )
    # Left out where it says nothing, as older versions refuse names that they do not know.
    statement: str = Field(
        "",
        pattern=r"^[0-9a-f]{0,16}$",
        exclude_if=lambda key: not key,
        description="Key of the statement that was accepted; empty accepts what the licences say at launch.",
    )

    @field_validator("statement")
    @classmethod
    def _of_what_was_accepted(cls, key: str, found: ValidationInfo) -> str:
        """A form sends the key of what it shows, accepted or not."""
        return key if found.data.get("accepted") else ""
