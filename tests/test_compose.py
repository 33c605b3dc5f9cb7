"""Containers, checked as data: what they name exists, and nothing runs with more rights than it needs."""

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from studio.cli import app as command_line
from studio.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("migrate", "web", "worker")
DOCKERFILE = (ROOT / "Dockerfile.gpu").read_text(encoding="utf-8").replace("\\\n", " ")
INSTRUCTIONS = [line.split(maxsplit=1) for line in DOCKERFILE.splitlines() if re.match(r"[A-Z]+ ", line)]
STAGES = [words.split()[-1] for name, words in INSTRUCTIONS if name == "FROM"]
COMMANDS = set(typer.main.get_command(command_line).commands)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", OURS)
def test_commands_targets_and_variables_exist(name: str) -> None:
    service = SERVICES[name]

    assert service["command"][0] in COMMANDS
    assert (ROOT / service["build"]["dockerfile"]).is_file()
    assert service["build"]["target"] in STAGES
    known = {f"TUNEWRIGHT_{field.upper()}" for field in Settings.model_fields}
    assert {key for key in service["environment"] if key.startswith("TUNEWRIGHT_")} <= known


@pytest.mark.parametrize("name", SERVICES)
def test_no_service_has_rights_it_does_not_need(name: str) -> None:
    service = SERVICES[name]

    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"])
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "/tmp" in [mount.partition(":")[0] for mount in service["tmpfs"]]
    assert not service.get("privileged")
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "migrate"])
def test_every_lasting_service_is_watched(name: str) -> None:
    check = SERVICES[name]["healthcheck"]

    assert check["test"][0] == "CMD"
    assert {"interval", "timeout", "retries"} <= set(check)


def test_services_wait_for_what_they_need() -> None:
    for service in SERVICES.values():
        for needed, how in service.get("depends_on", {}).items():
            condition = how["condition"]
            assert needed in SERVICES
            assert condition == ("service_completed_successfully" if needed == "migrate" else "service_healthy")


def test_volumes_are_declared() -> None:
    used = {mount.partition(":")[0] for service in SERVICES.values() for mount in service["volumes"]}

    assert used == set(COMPOSE["volumes"])
    # The image of PostgreSQL 18 keeps its data in a folder per version below this one.
    assert SERVICES["postgres"]["volumes"] == ["postgres:/var/lib/postgresql"]


def test_the_worker_reserves_one_gpu_and_has_time_to_save() -> None:
    worker = SERVICES["worker"]

    devices = worker["deploy"]["resources"]["reservations"]["devices"]
    assert devices == [{"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}]
    assert worker["stop_grace_period"] == "180s"
    assert worker["healthcheck"]["test"] == ["CMD", "python", "-m", "worker.health"]
    assert (ROOT / "worker" / "health.py").is_file()


def test_health_check_of_the_website_asks_a_route_that_exists() -> None:
    asked = " ".join(SERVICES["web"]["healthcheck"]["test"])

    assert "/readyz" in asked
    assert '"/readyz"' in (ROOT / "app" / "health.py").read_text(encoding="utf-8")


def test_passwords_come_from_outside() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")

    assert set(re.findall(r"\$\{POSTGRES_PASSWORD(:\?)", text)) == {":?"}
    assert not re.search(r"PASSWORD: [^$]", text)


def test_every_path_that_is_copied_exists_and_is_sent() -> None:
    sent = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for name, words in INSTRUCTIONS:
        if name != "COPY" or words.startswith("--from"):
            continue
        for source in words.split()[:-1]:
            assert (ROOT / source).exists()
            assert source == "." or f"!{source}" in sent


def test_copies_between_stages_name_earlier_stages() -> None:
    seen: list[str] = []
    for name, words in INSTRUCTIONS:
        if name == "FROM":
            image, _, stage = words.split()
            assert image in seen or re.fullmatch(r"(node|python):[\w.${}-]+", image)
            seen.append(stage)
        if name == "COPY" and words.startswith("--from="):
            assert words.split()[0].removeprefix("--from=") in seen


def test_extras_that_are_installed_exist() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    asked = [extra for group in re.findall(r"\.whl\)\[([\w,]+)\]", DOCKERFILE) for extra in group.split(",")]

    assert set(asked) == {"worker", "postgres", "parquet"}
    assert set(asked) <= set(project["optional-dependencies"])


def test_what_is_needed_to_build_the_wheel_is_sent() -> None:
    sent = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]

    for pattern in packages["find"]["include"]:
        assert f"!{pattern.rstrip('*')}" in sent
    assert {"!pyproject.toml", "!README.md", "!LICENSE"} <= set(sent)


@pytest.mark.parametrize("stage", ["web", "gpu"])
def test_images_run_a_command_that_exists_as_nobody_special(stage: str) -> None:
    begin = next(i for i, (name, words) in enumerate(INSTRUCTIONS) if name == "FROM" and words.endswith(f" {stage}"))
    end = next((i for i in range(begin + 1, len(INSTRUCTIONS)) if INSTRUCTIONS[i][0] == "FROM"), len(INSTRUCTIONS))
    stated = dict(INSTRUCTIONS[begin:end])

    assert stated["USER"].strip() == "10001:10001"
    assert stated["ENTRYPOINT"].strip() == '["tunewright"]'
    assert shlex.split(stated["CMD"].strip("[] "))[0] in COMMANDS


def test_the_gpu_image_has_what_slim_python_lacks() -> None:
    assert "NVIDIA_VISIBLE_DEVICES=all" in DOCKERFILE
    assert "NVIDIA_DRIVER_CAPABILITIES=compute,utility" in DOCKERFILE
    assert re.search(r"apt-get install .*\bgcc\b.*\blibc6-dev\b", DOCKERFILE)
    pinned = re.search(r"torch==([\d.]+)", DOCKERFILE)
    assert pinned
    assert f"torch=={pinned[1]}\n" in (ROOT / "constraints.txt").read_text(encoding="utf-8")
