"""The doctor names what is missing, what to do about it, and whether that stops anything."""

from pathlib import Path

import pytest

from studio.doctor import Check, examine, report
from studio.settings import Settings


def found(checks: list[Check]) -> dict[str, Check]:
    """The checks by name."""
    return {check.name: check for check in checks}


def test_everything_that_tests_need_is_there(settings: Settings) -> None:
    checks = examine(settings)

    assert [check.name for check in checks if check.is_needed and not check.found] == []
    assert set(found(checks)) == {
        "Python",
        "torch",
        "GPU",
        "bitsandbytes",
        "peft",
        "trl",
        "Redis",
        "Data folder",
        "Disk",
        "Database",
        "Front end",
    }
    assert all(check.found or check.remedy for check in checks)


def test_what_does_not_answer_has_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.doctor._gpu", lambda: Check("GPU", False, "not asked here", is_needed=False))
    (tmp_path / "file").write_text("")
    settings = Settings(
        data_dir=tmp_path / "file" / "data",
        redis_url="redis://:secret@127.0.0.1:1/0",
        database_url="postgresql://someone:secret@127.0.0.1:1/none",
    )

    checks = found(examine(settings))

    for name in ("Redis", "Database", "Data folder"):
        assert not checks[name].found
        assert checks[name].remedy
    assert "secret" not in report(list(checks.values()))


def test_the_report_is_aligned_and_tells_needed_from_optional() -> None:
    checks = [
        Check("Python", True, "3.12.1"),
        Check("GPU", False, "none", "Use the CPU.", is_needed=False),
        Check("torch", False, "not installed", "Install it."),
    ]

    assert report(checks).splitlines() == [
        "Python  ok       3.12.1",
        "GPU     none     none",
        "                 Use the CPU.",
        "torch   MISSING  not installed",
        "                 Install it.",
    ]
