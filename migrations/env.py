"""Alembic's entry: compare with and change the tables of `studio.tables`.

`studio.migrate` passes its connection; on the command line give one: `alembic -x url=sqlite:///try.sqlite ...`.
"""

from typing import Any, Literal

from alembic import context
from sqlalchemy import Connection

from studio.db import UtcDateTime, make_engine
from studio.tables import metadata


def migrate(connection: Connection) -> None:
    """Run the migrations that the command asks for."""
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=True,
        compare_type=True,
        render_item=_plain_times,
    )
    with context.begin_transaction():
        context.run_migrations()


def _plain_times(kind: str, item: Any, _: Any) -> str | Literal[False]:
    """Name the column's own type: a migration must not change when a class of the studio does."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, UtcDateTime) else False


passed = context.config.attributes.get("connection")
if passed is not None:
    migrate(passed)
else:
    with make_engine(context.get_x_argument(as_dictionary=True)["url"]).begin() as opened:
        migrate(opened)
