"""The command line: `tunewright up|worker|web|migrate|doctor|fsck|backup|restore|demo|version`."""

import contextlib
import os
import sys
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from pydantic import ValidationError

from studio.errors import StudioError
from studio.settings import Settings

app = typer.Typer(
    help="A web-based fine-tuning studio. Settings are TUNEWRIGHT_* variables; docs/operations.md lists them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def main() -> None:
    """Run the command; a refusal is one sentence on stderr and exit code 1."""
    try:
        app()
    except StudioError as error:
        _refuse(error.message)
    except ValidationError as error:
        for problem in error.errors(include_url=False):
            name = f"TUNEWRIGHT_{'_'.join(str(part) for part in problem['loc']).upper()}"
            print(f"{name}: {problem['msg']}. You gave {problem['input']!r}.", file=sys.stderr)
        sys.exit(1)


@app.command()
def up(
    worker: Annotated[bool, typer.Option("--worker/--no-worker", help="Start a worker, or the website alone.")] = True,
) -> None:
    """Start the whole studio on this machine and print its address."""
    from studio.local import up as run_studio

    run_studio(Settings(), with_worker=worker, say=_say)


@app.command()
def worker(
    cpu: Annotated[
        bool, typer.Option("--cpu", help="Serve the CPU queue: checks of datasets, never a training.")
    ] = False,
) -> None:
    """Run one worker, which trains; needs TUNEWRIGHT_REDIS_URL."""
    from studio.local import check_worker_packages

    check_worker_packages()
    _become("worker.cpu" if cpu else "worker")


@app.command()
def web() -> None:
    """Run the website alone; needs TUNEWRIGHT_REDIS_URL for live updates."""
    _become("app")


@app.command()
def migrate() -> None:
    """Bring the database to the newest schema."""
    from studio.data_folder import prepare
    from studio.migrate import upgrade

    settings = Settings()
    prepare(settings)
    upgrade(settings.sqlalchemy_url)
    _say("The database has the newest schema.")


@app.command()
def doctor() -> None:
    """Show what is there, and the remedy for what is not."""
    from studio.doctor import examine, report

    checks = examine(Settings())
    _say(report(checks))
    if any(check.is_needed and not check.found for check in checks):
        sys.exit(1)


@app.command()
def fsck(
    repair: Annotated[bool, typer.Option("--repair", help="Mend what can be mended.")] = False,
) -> None:
    """Check that rows and files fit each other; ends with 1 while something is wrong."""
    from studio import house

    with house.open_house(Settings()) as opened:
        left = house.check(opened, repair=repair, say=_say)
    if left:
        sys.exit(1)


@app.command()
def backup(
    target: Annotated[Path, typer.Argument(help="A new folder, or a new file that ends in .tar.")],
) -> None:
    """Copy the database and every file that it names, while the studio runs; 1 when some were damaged already."""
    from studio import copies, house

    with house.open_house(Settings()) as opened:
        made = copies.back_up(opened, target.absolute(), say=_say)
    if made.missing:
        sys.exit(1)


@app.command()
def restore(
    source: Annotated[Path, typer.Argument(help="A backup: a folder or a .tar file.")],
    force: Annotated[bool, typer.Option("--force", help="Put aside what the data folder holds.")] = False,
) -> None:
    """Put a backup into an empty data folder and migrate it. Stop the studio before."""
    from studio import copies

    copies.restore(Settings(), source.absolute(), force=force, say=_say)


@app.command()
def demo(
    url: Annotated[str, typer.Option(help="Use a studio that runs already, at this address.")] = "",
) -> None:
    """Fine-tune the demo model from end to end and leave demo-adapter.zip in this folder."""
    from studio.demo import run_demo

    run_demo(url or None, say=_say)


@app.command()
def version() -> None:
    """Print the version."""
    _say(installed_version("tunewright"))


def _become(module: str) -> NoReturn:
    """Replace this process, so that signals reach the program itself."""
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, "-m", module], {**os.environ, "PYTHONSAFEPATH": "1"})  # noqa: S606


def _say(sentence: str) -> None:
    # A reader that went away (`tunewright up | head -1`) must not end the studio.
    with contextlib.suppress(BrokenPipeError):
        print(sentence, flush=True)


def _refuse(sentence: str) -> NoReturn:
    print(sentence, file=sys.stderr, flush=True)
    sys.exit(1)


if __name__ == "__main__":
    main()
