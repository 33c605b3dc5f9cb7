"""The checking child: reads one request from standard input, limits itself, and leaves a report.

It holds no secrets and opens no connection. When the process that asked dies, the pipe closes and the
child ends.
"""

import errno
import json
import os
import sys
import threading
from dataclasses import asdict
from pathlib import Path

from studio.formats.check import check_file
from studio.formats.report import REPORT_FILE, Report, Request
from studio.formats.telling import Teller

_TOO_MUCH_MEMORY = "The file needs too much memory to be read; upload it as JSON Lines, or with smaller row groups."


def main() -> int:
    """Check the file that the request names."""
    request = Request.from_json(json.loads(sys.stdin.readline()))
    _limit_resources(request)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    report = json.dumps(asdict(_report(request)))
    Path(request.folder, REPORT_FILE).write_text(report, encoding="ascii")
    return 0


def _report(request: Request) -> Report:
    try:
        return check_file(request, Teller(request.folder))
    except MemoryError:
        return Report(outcome="invalid", problems=[_TOO_MUCH_MEMORY], problem_count=1)
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            return Report(outcome="disk_full")
        raise


def _limit_resources(request: Request) -> None:
    """Bound memory and time before the first byte of the file is read."""
    try:
        import resource
    except ImportError:  # Windows has no such limits; the parent's clock still ends the child.
        return
    limits = request.limits
    memory = limits.parquet_memory_bytes if request.kind.is_parquet else limits.memory_bytes
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_seconds, limits.cpu_seconds + 5))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


def _end_with_parent() -> None:
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
