"""The fields of the upload form, beside the file."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from app.forms import FormField, FormState
from app.pages._refusal import mapping_of
from studio.datasets import Split
from studio.errors import InvalidInput
from studio.runs import errors_by_field

_SPLIT = "split"
_ASK_COLUMNS = "ask_columns"


@dataclass(frozen=True, slots=True)
class UploadForm:
    """The fields of the upload form, as they were typed."""

    values: Mapping[str, str]

    @property
    def name(self) -> str | None:
        """The name that was typed; None takes the file's."""
        return self.values.get("name", "").strip() or None

    @property
    def leave_out(self) -> bool:
        """Whether rows with problems are to be left out."""
        return self.values.get("leave_out", "") == "true"

    @property
    def mapping(self) -> dict[str, str] | None:
        """Target -> column, once the person was asked; empty to be asked, None to have it recognised."""
        return mapping_of(self.values) or ({} if self.values.get(_ASK_COLUMNS) else None)

    def split(self) -> Split:
        """The split that was asked for; raises InvalidInput."""
        given = {
            name.removeprefix(f"{_SPLIT}."): text.strip()
            for name, text in self.values.items()
            if name.startswith(f"{_SPLIT}.") and text.strip()
        }
        try:
            return Split.model_validate(given)
        except ValidationError as error:
            fields = {f"{_SPLIT}.{name}".rstrip("."): text for name, text in errors_by_field(error).items()}
            raise InvalidInput("The split needs another look.", fields=fields) from error

    def split_fields(self, errors: Mapping[str, str]) -> list[FormField]:
        """The inputs of the split."""
        return FormState(self.values, errors).fields(Split, _SPLIT)
