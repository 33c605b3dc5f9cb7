"""Rows of datasets and their immutable versions."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, CheckConstraint, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from studio.datasets.splits import codes_key
from studio.db import Base, UtcDateTime, utc_now
from studio.ids import new_id


class Dataset(Base):
    """A named series of versions; `license` is what its owner says of it, empty when nothing was said."""

    __tablename__ = "datasets"

    id: Mapped[str] = mapped_column(String(40), primary_key=True, default=lambda: new_id("ds"))
    owner_id: Mapped[str] = mapped_column(String(40), index=True)
    name: Mapped[str] = mapped_column(String(200))
    license: Mapped[str] = mapped_column(String(80), default="", server_default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    versions: Mapped[list["DatasetVersion"]] = relationship(
        back_populates="dataset", order_by="DatasetVersion.number", cascade="all, delete-orphan", lazy="selectin"
    )

    @property
    def latest(self) -> "DatasetVersion":
        """The newest version; every dataset has at least one."""
        return self.versions[-1]


class DatasetVersion(Base):
    """The state of a dataset that a run names: canonical rows in one file that never changes.

    One that was made from another names its parent, the steps of the recipe that made it, and a file with each row's
    place in the parent. `split_sha256` names a file of split codes; without one the split is computed from `split`.
    """

    __tablename__ = "dataset_versions"
    __table_args__ = (
        UniqueConstraint("dataset_id", "number"),
        CheckConstraint("row_count > 0", name="has_rows"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True, default=lambda: new_id("dsv"))
    dataset_id: Mapped[str] = mapped_column(ForeignKey("datasets.id"), index=True)
    owner_id: Mapped[str] = mapped_column(String(40), index=True)
    number: Mapped[int]
    file_name: Mapped[str] = mapped_column(String(255))
    file_format: Mapped[str] = mapped_column(String(20))
    file_size_bytes: Mapped[int] = mapped_column(BigInteger)
    original_sha256: Mapped[str] = mapped_column(String(64))
    shape: Mapped[str] = mapped_column(String(40))
    canonical: Mapped[str] = mapped_column(String(40))
    column_mapping: Mapped[dict[str, str] | None] = mapped_column(JSON)
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    row_count: Mapped[int]
    split: Mapped[dict[str, Any]] = mapped_column(JSON)
    facts: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    parent_id: Mapped[str | None] = mapped_column(String(40))
    recipe: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list, server_default="[]")
    origins_sha256: Mapped[str | None] = mapped_column(String(64))
    split_sha256: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    dataset: Mapped[Dataset] = relationship(back_populates="versions", lazy="joined")

    @property
    def rows_key(self) -> str:
        """Where the canonical rows lie: one JSON object a line."""
        return rows_key(self.sha256)

    @property
    def offsets_key(self) -> str:
        """Where each row begins in the file of rows: little-endian 64-bit integers."""
        return offsets_key(self.sha256)

    @property
    def original_key(self) -> str:
        """The file as it was sent."""
        return original_key(self.original_sha256)

    @property
    def origins_key(self) -> str | None:
        """Where each row's place in the parent lies; None where the rows are the parent's, or there is no parent."""
        sha256 = self.origins_sha256
        return f"origins/{sha256[:2]}/{sha256}.origins" if sha256 else None

    @property
    def codes_key(self) -> str | None:
        """Where the codes of a frozen split lie."""
        return codes_key(self.split_sha256) if self.split_sha256 else None

    @property
    def frozen_split(self) -> dict[str, Any] | None:
        """Its split, where every row has its place in it for good."""
        return self.split if self.split_sha256 else None

    @property
    def keys(self) -> tuple[str, ...]:
        """All its files in storage."""
        always = (self.rows_key, self.offsets_key, self.original_key)
        return (*always, *(key for key in (self.origins_key, self.codes_key) if key))


class Arrival(Base):
    """A file on its way to be a dataset: uploaded and kept, or still to be fetched from the Hub.

    `source` says what it is (`kind` upload or hub), `options` how it is to be read, and `report` what became of it: its
    `outcome` is that of studio.formats, and empty before the first time. `kept_sha256` names the stored file until it
    is a dataset's, or of no use any more.
    """

    __tablename__ = "arrivals"

    id: Mapped[str] = mapped_column(String(40), primary_key=True, default=lambda: new_id("arr"))
    owner_id: Mapped[str] = mapped_column(String(40), index=True)
    name: Mapped[str] = mapped_column(String(200))
    source: Mapped[dict[str, Any]] = mapped_column(JSON)
    options: Mapped[dict[str, Any]] = mapped_column(JSON)
    kept_sha256: Mapped[str | None] = mapped_column(String(64), index=True)
    dataset_id: Mapped[str | None] = mapped_column(ForeignKey("datasets.id", ondelete="SET NULL"), index=True)
    report: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)

    @property
    def original_key(self) -> str | None:
        """Where its file is kept."""
        return original_key(self.kept_sha256) if self.kept_sha256 else None


def original_key(sha256: str) -> str:
    """Where a file lies as it was sent."""
    return f"originals/{sha256[:2]}/{sha256}"


def rows_key(sha256: str) -> str:
    """Where canonical rows of this hash lie in storage."""
    return f"datasets/{sha256[:2]}/{sha256}.jsonl"


def offsets_key(sha256: str) -> str:
    """Where the beginnings of those rows lie."""
    return f"datasets/{sha256[:2]}/{sha256}.offsets"
