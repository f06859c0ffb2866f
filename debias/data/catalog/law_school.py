"""LSAC law school: the grade average of a student, or who passes the bar; protected attributes race and sex."""

from __future__ import annotations

from debias.data.catalog.official import find, read, shrunk
from debias.data.catalog.source import Request, Source, Tidy, Use, check_count

ROWS = 20_798
_NUMBERS = ("decile1b", "decile3", "lsat", "ugpa", "zfygpa", "zgpa", "fulltime", "fam_inc", "male", "tier", "pass_bar")
_COLUMNS = (*_NUMBERS[:10], "race", "pass_bar")
_WHOLE = ("decile1b", "decile3", "fulltime", "fam_inc", "male", "tier", "pass_bar")


def make(request: Request) -> Tidy:
    """Return the table as it stands; whole numbers without their ``.0``."""
    import pandas as pd

    assert request.source is not None
    path = request.source
    if path.is_dir():
        (path,) = find(path, ["law_*.csv"], SOURCE.address)
    rows = read(path, _COLUMNS)
    columns = {
        name: rows.text(name) if name == "race" else rows.whole(name) if name in _WHOLE else rows.numbers(name)
        for name in _COLUMNS
    }
    notes = check_count(len(rows), {"law_school": ROWS}, str(path), request.exact)
    frame = pd.DataFrame(columns)
    whole = shrunk(frame[list(_WHOLE)].copy())
    return Tidy(frame.assign(**{name: whole[name] for name in _WHOLE}), notes)


SOURCE = Source(
    name="law-school",
    title="LSAC national longitudinal bar passage study (1991 entrants)",
    address="https://github.com/tailequy/fairness_dataset (Law_school/law_dataset.csv)",
    licence="none stated; collected by the Law School Admission Council",
    files=("law_*.csv",),
    use=Use(
        label="zfygpa",
        attributes=("race", "male"),
        cluster="tier",
        ignore=("pass_bar", "zgpa", "decile1b", "decile3"),
        rows={"whole": ROWS},
        text="A regression: zfygpa is the standardised grade average of the first year. pass_bar is a label of its "
        "own (positive 1), known later, as are zgpa and the deciles.",
    ),
    choices=("The tier of the school as cluster is our choice.",),
    make=make,
)
