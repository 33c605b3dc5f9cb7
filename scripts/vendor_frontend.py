"""Copy the pinned front-end files from node_modules into app/static/vendor, with one icon sprite and a manifest."""

import base64
import hashlib
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
VENDOR = Path("app/static/vendor")
ICONS = "lucide-static"


def vendor(root: Path = ROOT) -> list[dict[str, str]]:
    """Fill the vendor folder anew and return its manifest; raises FileNotFoundError for what npm did not install."""
    wanted = json.loads((root / "package.json").read_text(encoding="utf-8"))["tunewright"]
    target = root / VENDOR
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    manifest = []
    for package, files in wanted["files"].items():
        for file in files:
            source = root / "node_modules" / package / file
            (target / source.name).write_bytes(source.read_bytes())
            manifest.append(_entry(root, package, target / source.name))
    (target / "icons.svg").write_text(_sprite(root, wanted["icons"]), encoding="utf-8")
    manifest.append(_entry(root, ICONS, target / "icons.svg"))
    (target / "LICENSES.txt").write_text(_licences(root, [*wanted["files"], ICONS]), encoding="utf-8")
    (target / "MANIFEST.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    return manifest


def _entry(root: Path, package: str, file: Path) -> dict[str, str]:
    described = _described(root, package)
    digest = base64.b64encode(hashlib.sha384(file.read_bytes()).digest()).decode()
    return {
        "name": package,
        "version": described["version"],
        "licence": described["license"],
        "file": file.name,
        "sha384": digest,
    }


def _described(root: Path, package: str) -> dict[str, Any]:
    text = (root / "node_modules" / package / "package.json").read_text(encoding="utf-8")
    described: dict[str, Any] = json.loads(text)
    return described


def _sprite(root: Path, icons: list[str]) -> str:
    """One <symbol> per icon; strokes take the colour of the text around them."""
    symbols = [_symbol(root / "node_modules" / ICONS / "icons" / f"{icon}.svg") for icon in icons]
    return '<svg xmlns="http://www.w3.org/2000/svg">\n' + "\n".join(symbols) + "\n</svg>\n"


def _symbol(file: Path) -> str:
    shapes = re.search(r"<svg[^>]*>(.*)</svg>", file.read_text(encoding="utf-8"), re.DOTALL)
    if shapes is None:
        raise ValueError(f"{file.name} is not an icon")
    body = re.sub(r"\s*\n\s*", "", shapes[1])
    return (
        f'<symbol id="{file.stem}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2"'
        f' stroke-linecap="round" stroke-linejoin="round">{body}</symbol>'
    )


def _licences(root: Path, packages: list[str]) -> str:
    return "\n\n".join(f"{package}\n{'=' * len(package)}\n\n{_licence(root, package)}" for package in packages)


def _licence(root: Path, package: str) -> str:
    folder = root / "node_modules" / package
    found = sorted(folder.glob("LICENSE*"))
    return found[0].read_text(encoding="utf-8") if found else str(_described(root, package)["license"])


if __name__ == "__main__":
    sys.stdout.write(f"{len(vendor())} front-end files are in {VENDOR}.\n")
