"""A fix of the estimate, put into the launch form: which values change, and which of its parts are drawn anew."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from app.forms import FormField, as_text
from studio.budget import Fix
from studio.spending import Quote


@dataclass(frozen=True, slots=True)
class Redrawn:
    """Parts of the form whose values a fix changed; `words` says the change."""

    words: str
    base_model: bool
    methods: bool
    fields: tuple[FormField, ...]


def find_fix(quote: Quote | None, key: str) -> Fix | None:
    """The fix on offer that has this key; None where it is offered no longer."""
    if quote is None:
        return None
    offered = [fix for refusal in quote.refusals for fix in refusal.fixes]
    offered += [fix for caution in (quote.estimate.cautions if quote.estimate else ()) for fix in caution.fixes]
    return next((fix for fix in offered if fix.key == key), None)


def values_of(fix: Fix, kind: str) -> dict[str, str]:
    """A fix as form values; `kind` is the method chosen before it, whose fields carry its name."""
    kind = str(fix.changes.get("method.kind", kind))
    return {_form_name(name, kind): as_text(value) for name, value in fix.changes.items()}


def redrawn_parts(fix: Fix, changed: Mapping[str, str], fields: Iterable[FormField]) -> Redrawn:
    """What of the form shows the changed values."""
    methods = "method.kind" in changed
    return Redrawn(
        words=fix.label,
        base_model=any(name.startswith("base_model.") for name in changed),
        methods=methods,
        fields=tuple(field for field in fields if field.name in changed and not _is_drawn(field.name, methods)),
    )


def _is_drawn(name: str, methods: bool) -> bool:
    """Whether a part that is drawn anew holds the field already."""
    return name.startswith("base_model.") or (methods and name.startswith("method."))


def _form_name(name: str, kind: str) -> str:
    part, _, rest = name.partition(".")
    return f"method.{kind}.{rest}" if part == "method" and rest != "kind" else name
