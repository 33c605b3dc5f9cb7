"""Reading files of rows: nothing heavy is imported, so that the checking child starts in a tenth of a second.

`python -m studio.formats` is that child; the website never parses a file in its own process.
"""

from studio.formats.columns import TARGETS
from studio.formats.kinds import EXTENSIONS, FileKind, file_kind
from studio.formats.limits import ImportLimits
from studio.formats.problems import UnreadableKind, shown

__all__ = ["EXTENSIONS", "TARGETS", "FileKind", "ImportLimits", "UnreadableKind", "file_kind", "shown"]
