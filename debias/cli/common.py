"""Flags that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from debias.cli.verbs import DATA, OUTPUT, SEARCH

Table = Annotated[
    Path,
    typer.Option(metavar="FILE", help="Table: CSV (also .gz, .zst), Parquet or Arrow IPC.", rich_help_panel=DATA),
]
Ignore = Annotated[
    list[str] | None,
    typer.Option(
        metavar="COLUMNS",
        help="Columns that are no features, written as for --features. Repeatable.",
        rich_help_panel=DATA,
    ),
]
Positive = Annotated[
    str | None,
    typer.Option(
        metavar="VALUE",
        help="Label value that a high score predicts. Required unless labels are 0/1, -1/1 or true/false.",
        rich_help_panel=DATA,
    ),
]
Regression = Annotated[
    bool, typer.Option("--regression", help="The label is a number to predict.", rich_help_panel=DATA)
]
ColumnKinds = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=KIND",
        help="Kind of a column where its values do not tell: numeric, boolean or category. Repeatable.",
        rich_help_panel=DATA,
    ),
]
Seed = Annotated[int, typer.Option(metavar="N", help="Seed of every random choice.", rich_help_panel=SEARCH)]
Report = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="FILE",
        help="Write the report to FILE; .html, .json or .md by its ending. Repeatable.",
        rich_help_panel=OUTPUT,
    ),
]
View = Annotated[
    list[str] | None,
    typer.Option(
        metavar="VIEW",
        help="Show the figures as a rule asks for them too, such as nyc-ll144 or us-four-fifths. Repeatable. "
        "Default: impact ratios, and no rule by name.",
        rich_help_panel=OUTPUT,
    ),
]
JudgedReport = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="FILE",
        help="Write the report to FILE; .html, .json, .md, .xml (JUnit) or .sarif by its ending. Repeatable.",
        rich_help_panel=OUTPUT,
    ),
]
FleetReport = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="FILE",
        help="Write the report to FILE; .html, .json, .md, .csv, .parquet, .xml (JUnit) or .sarif by its ending. "
        "Repeatable.",
        rich_help_panel=OUTPUT,
    ),
]
Baseline = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Findings in FILE are accepted: they do not count for the exit code, unless the bias is larger than the "
        "one accepted or has the other sign.",
        rich_help_panel=OUTPUT,
    ),
]
WriteBaseline = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Write what is found to FILE, for --baseline; with --baseline what it says of other models is kept.",
        rich_help_panel=OUTPUT,
    ),
]
Card = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Write a model card of the file written (audit: of MODEL) to FILE.md, in the layout of the Hugging Face "
        "Hub. What the run does not know is left to the owner and marked.",
        rich_help_panel=OUTPUT,
    ),
]
CardLicense = Annotated[
    str | None,
    typer.Option(
        metavar="ID",
        help="Licence of the model, for --card, such as apache-2.0. Default: none is told.",
        rich_help_panel=OUTPUT,
    ),
]
Mlflow = Annotated[
    str | None,
    typer.Option(
        metavar="URI",
        help="Log the run to an MLflow store, such as sqlite:///runs.db: figures, settings, hashes, reports, model. "
        "Needs pip install 'debias[mlflow]'.",
        rich_help_panel=OUTPUT,
    ),
]
MlflowExperiment = Annotated[
    str,
    typer.Option(metavar="NAME", help="Experiment of --mlflow; made where it is missing.", rich_help_panel=OUTPUT),
]
ExitZero = Annotated[
    bool,
    typer.Option(
        "--exit-zero",
        help="Leave with exit code 0 where the bound is not met (1) or that is open (3); errors stay 2.",
        rich_help_panel=OUTPUT,
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite files that exist.", rich_help_panel=OUTPUT)]
Json = Annotated[
    bool, typer.Option("--json", help="One JSON document on stdout, all else on stderr.", rich_help_panel=OUTPUT)
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only the line with the result.", rich_help_panel=OUTPUT)]
Full = Annotated[
    bool,
    typer.Option(
        "--full", help="Print every section, those too that else only report files hold.", rich_help_panel=OUTPUT
    ),
]
