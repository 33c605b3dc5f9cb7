"""Launches a run once its price is known, its licences are accepted and nothing stands in its way."""

from dataclasses import replace

from sqlalchemy.orm import Session

from studio import runs
from studio.actors import Actor
from studio.errors import InvalidInput
from studio.queue import Queue
from studio.runs import Run, RunSpec, Terms
from studio.settings import Settings
from studio.spending.licenses import accept_licenses
from studio.spending.quotes import Quote
from studio.spending.quoting import quote


def launch(
    session: Session,
    actor: Actor,
    spec: RunSpec,
    *,
    queue: Queue,
    settings: Settings,
    hardware_id: str | None = None,
    name: str = "",
    parent_run_id: str | None = None,
    idempotency_key: str | None = None,
    terms: Terms | None = None,
) -> Run:
    """Queue a run with the estimate that it was launched on; the same idempotency key gives the same run.

    Raises InvalidInput as `runs.launch` does, and for a run that does not fit its hardware, a cap that leaves no step,
    a cap in dollars without a price, or licences that were not accepted, or said something else then.
    """
    if idempotency_key and (known := runs.find_by_key(session, actor, idempotency_key)):
        return known
    quoted = quote(session, actor, spec, settings=settings, hardware_id=hardware_id)
    refuse(quoted)
    spec, statement = accept_licenses(session, actor, spec, settings.models_root)
    terms = replace(terms or Terms(), quote=quoted.kept(), license_statement=statement.text)
    return runs.launch(
        session,
        actor,
        spec,
        queue=queue,
        settings=settings,
        name=name,
        parent_run_id=parent_run_id,
        idempotency_key=idempotency_key,
        terms=terms,
    )


def refuse(quoted: Quote) -> None:
    """Raise InvalidInput for the first of what stands in the way, if anything does."""
    if quoted.refusals:
        first = quoted.refusals[0]
        raise InvalidInput(first.sentence, fields={one.field: one.sentence for one in reversed(quoted.refusals)})
