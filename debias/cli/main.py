"""The `debias` command. Nothing heavy is imported before a verb needs it."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from debias.cli import (
    adapt,
    audit,
    compare,
    config,
    contract,
    crossval,
    data,
    diff,
    fleet,
    help,
    importance,
    inspect,
    repair,
    report,
    simulate,
    train,
    tune,
    verify,
)
from debias.cli.guard import ERROR, guarded, interrupted
from debias.errors import was_interrupted

EPILOG = (
    "Exit codes: 0 bound met or none asked, 1 not met, 2 usage, data or model error, "
    "3 inconclusive at the confidence asked, 130 interrupted."
)

app = typer.Typer(
    name="debias",
    help="Repair a trained PyTorch network that misses a fairness bound, and show what was done.",
    epilog=EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


LIBRARIES = ("torch", "numpy", "pandas", "pyarrow", "scipy", "scikit-learn", "pydantic", "matplotlib", "typer")
OPTIONAL = ("optuna", "ray", "mlflow-skinny")


def _version(asked: bool) -> None:
    if asked:
        import debias

        sys.stdout.write("\n".join([f"debias {debias.__version__}", *_surroundings()]) + "\n")
        raise typer.Exit(0)


def _surroundings() -> list[str]:
    """Return the versions that a figure may depend on, and those of the extras that are installed."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version()}
    for name in (*LIBRARIES, *OPTIONAL):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            if name in LIBRARIES:
                found[name] = "not installed"
    return [f"{name} {told}" for name, told in found.items()]


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Print the version, and those of the libraries, and leave.",
            callback=_version,
            is_eager=True,
        ),
    ] = False,
) -> None:
    pass


for verb_module in (
    inspect,
    audit,
    repair,
    fleet,
    compare,
    crossval,
    importance,
    contract,
    simulate,
    data,
    train,
    tune,
    adapt,
    verify,
    report,
    diff,
    config,
    help,
):
    verb_module.register(app)


def main() -> int:
    """Run the command line and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal without, say, the minus sign shows its escape instead of ending the run.
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    return guarded(_run)


def _run() -> int:
    try:
        app(prog_name="debias")
    except SystemExit as leave:
        if was_interrupted(leave):  # before a verb had begun
            return interrupted()
        return leave.code if isinstance(leave.code, int) else ERROR if leave.code else 0
    return 0
