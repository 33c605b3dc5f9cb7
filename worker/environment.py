"""What of the worker's environment may be seen by the forkserver and its trainers: an allow-list, so that no secret
of whatever name gets through."""

import os
import re
from collections.abc import MutableMapping

_KEPT = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_.*|TZ|TMPDIR|TERM|VIRTUAL_ENV|PYTHON(PATH|HASHSEED|UNBUFFERED|"
    r"WARNINGS|DONTWRITEBYTECODE)|LD_LIBRARY_PATH|LD_PRELOAD|(CUDA|NVIDIA|NCCL|CUBLAS|TORCH|TORCHINDUCTOR|PYTORCH|"
    r"TRITON|BNB|OMP|MKL|KMP|OPENBLAS|GOMP)_\w+|XDG_CACHE_HOME|HF_HOME|TOKENIZERS_PARALLELISM"
)
_NETWORK = re.compile(r"(HTTPS?|ALL|NO)_PROXY|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE", re.IGNORECASE)
# Trainers never speak to the Hub: what they need is on the disk before they start.
_OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "TOKENIZERS_PARALLELISM": "false"}


def keep_only_plain(environ: MutableMapping[str, str] = os.environ) -> dict[str, str]:
    """Remove everything that is not on the list; returns the environment of downloads, which also has proxies."""
    network = {name: value for name, value in environ.items() if _NETWORK.fullmatch(name)}
    for name in [name for name in environ if not _KEPT.fullmatch(name)]:
        del environ[name]
    for name, value in _OFFLINE.items():
        environ.setdefault(name, value)
    return {**environ, **network}
