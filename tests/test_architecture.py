"""The rules that hold the house up, read from the sources."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

from app.render import STATUS_ICONS
from studio.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("app", "studio", "worker", "migrations", "examples", "benchmarks", "scripts")

# What must not stand in any source or template, and why.
FORBIDDEN = {
    r"\btorch\.load\b": "runs code hidden in a checkpoint; safetensors only",
    r"\bimport pickle\b|\bpickle\.\w": "runs code hidden in data",
    r"\bshell\s*=\s*True\b": "lets a name become a command",
    r"\bos\.system\b": "lets a name become a command",
    r"\|\s*safe\b": "switches escaping off",
    r"\bMarkup\(": "switches escaping off",
    r"\bhx-on\b": "needs eval, which the CSP forbids",
    r"[\"']js:": "needs eval, which the CSP forbids",
    r"/home/[a-z]+/|/Users/[A-Za-z]+/|/(?:root)/": "a path of one machine",
}
# The one place that builds HTML in Python: an icon whose two values Markup.format escapes.
ALLOWED = {("app/render.py", r"\bMarkup\(")}
# Words that config.json may not carry: naming the attack is how it is refused.
REFUSAL_LISTS = {"studio/base_models/config.py"}


def sources(*patterns: str) -> Iterator[Path]:
    """Our own files of these kinds; what npm brought is not ours."""
    for folder in (*PACKAGES, "templates"):
        for pattern in patterns:
            for path in (ROOT / folder).rglob(pattern):
                if not {"vendor", "node_modules"} & set(path.parts):
                    yield path


def name_of(path: Path) -> str:
    """A file's path from the root of the checkout."""
    return path.relative_to(ROOT).as_posix()


def test_packages_import_only_what_the_contracts_allow() -> None:
    checked = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"], cwd=ROOT, capture_output=True, text=True
    )

    assert checked.returncode == 0, checked.stdout[-3000:]


@pytest.mark.parametrize("pattern", FORBIDDEN)
def test_sources_are_free_of(pattern: str) -> None:
    found = [
        f"{name_of(path)}:{number}: {line.strip()}"
        for path in sources("*.py", "*.html", "*.js")
        if (name_of(path), pattern) not in ALLOWED
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(pattern, line)
    ]

    assert found == [], FORBIDDEN[pattern]


def test_only_icons_and_hashes_are_html_from_python() -> None:
    lines = (ROOT / "app" / "render.py").read_text(encoding="utf-8").splitlines()

    built = [line for line in lines if "Markup(" in line]

    assert len(built) == 2 and "integrity=" in built[0] and "<svg" in built[1]


def test_remote_code_is_never_trusted() -> None:
    found = [
        f"{name_of(path)}:{number}: {line.strip()}"
        for path in sources("*.py", "*.html", "*.js", "*.toml")
        if name_of(path) not in REFUSAL_LISTS
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if "trust_remote_code" in re.sub(r"\btrust_remote_code\s*=\s*False\b", "", line)
    ]

    assert found == []


def test_every_setting_is_documented() -> None:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")

    documented = set(re.findall(r"^\| `(TUNEWRIGHT_\w+)`", text, re.MULTILINE))

    assert documented == {f"TUNEWRIGHT_{name.upper()}" for name in Settings.model_fields}


def test_every_icon_that_a_template_names_is_in_the_sprite() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in sources("*.html"))
    # Named in a call, as the picture of an empty list, or last in a tuple of the navigation.
    named = r"""icon\(["']([a-z0-9-]+)["']\)|empty\("([a-z0-9-]+)"|, "([a-z0-9-]+)"\)[,\]]"""
    used = {*filter(None, chain.from_iterable(re.findall(named, text))), *STATUS_ICONS.values()}

    icons = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))["tunewright"]["icons"]

    assert used <= set(icons)


def test_front_end_packages_are_pinned_without_addresses() -> None:
    text = (ROOT / "package-lock.json").read_text(encoding="utf-8")
    packages = {name: entry for name, entry in json.loads(text)["packages"].items() if name}

    assert "http" not in text
    assert all(entry["integrity"].startswith("sha512-") for entry in packages.values())
    wanted = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))
    for name, version in {**wanted["dependencies"], **wanted["devDependencies"]}.items():
        assert packages[f"node_modules/{name}"]["version"] == version


def test_python_packages_are_pinned_without_hosts_or_builds() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()[1:]

    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9_.\-]+==[0-9][0-9A-Za-z.]*", line)] == []
    assert "torch==2.13.0" in lines
