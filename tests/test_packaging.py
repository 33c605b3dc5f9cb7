"""The wheel carries everything: installed elsewhere, it serves the site without the checkout."""

import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
import sysconfig
import urllib.request
import zipfile
from pathlib import Path

import pytest

from tests.up import DEADLINE_SECONDS, Up

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("app", "studio", "worker", "migrations", "templates", "examples")
FILES = ("pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy: setuptools leaves its folders behind."""
    source = tmp_path_factory.mktemp("source")
    for name in SOURCES:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, source / name)
    built = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", source / "dist", source],
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stdout[-2000:] + built.stderr[-2000:]
    return next((source / "dist").glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the wheel; its dependencies are read from this one, which needs no network.

    A path that a .pth file adds is no site folder: the checkout's own editable install stays out of it.
    """
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    packages = next(folder.glob("lib/python*/site-packages"))
    (packages / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    install = ["install", "--quiet", "--no-index", "--no-deps", "--ignore-installed", wheel]
    subprocess.run([sys.executable, "-m", "pip", "--python", python, *install], check=True)
    return python


def test_wheel_carries_what_is_not_code(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())

    wanted = {
        *(ROOT / "templates").rglob("*.html"),
        *(ROOT / "migrations").rglob("*.py"),
        *(path for path in (ROOT / "app" / "static").rglob("*") if path.is_file()),
        *(path for path in (ROOT / "examples").rglob("*") if path.is_file() and "__pycache__" not in path.parts),
        ROOT / "studio" / "base_models" / "base_models.toml",
    }
    assert {path.relative_to(ROOT).as_posix() for path in wanted if "__pycache__" not in path.parts} <= names
    assert "app/static/vendor/htmx.min.js" in names
    assert not [name for name in names if name.startswith(("tests", "node_modules", "scripts"))]


def test_manifest_of_front_end_files_holds_their_true_hashes(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for entry in json.loads(archive.read("app/static/vendor/MANIFEST.json")):
            content = archive.read(f"app/static/vendor/{entry['file']}")
            assert base64.b64encode(hashlib.sha384(content).digest()).decode() == entry["sha384"]


def test_installed_wheel_serves_the_site_from_another_folder(installed: Path, tmp_path: Path) -> None:
    # Folders of the same names where the command is typed must not be taken for ours.
    for name in ("app", "templates", "examples"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('the wrong one')\n")
    up = Up(tmp_path / "data", "--no-worker", python=str(installed))
    try:
        url = up.url()
        page = _get(url)
        styles = re.findall(r'<link rel="stylesheet" href="([^"]+)"', page)
        scripts = re.findall(r'<script [^>]*src="([^"]+)"', page)
        assert styles
        assert scripts
        for address in (*styles, *scripts):
            assert _get(url + address)
    finally:
        up.stop()


def test_installed_wheel_is_the_code_that_runs(installed: Path, tmp_path: Path) -> None:
    asked = "import app, studio, worker, migrations, templates, examples; print(app.__file__, examples.__file__)"

    said = subprocess.run([installed, "-P", "-c", asked], cwd=tmp_path, capture_output=True, text=True, check=True)

    assert all(Path(path).is_relative_to(installed.parent.parent) for path in said.stdout.split())


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=DEADLINE_SECONDS) as answer:
        assert answer.status == 200
        text: str = answer.read().decode()
    return text
