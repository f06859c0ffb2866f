"""Runs written into an MLflow store.

Nothing is sent anywhere but to the store that was named: MLflow's own telemetry is off unless the environment says
otherwise.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from debias.errors import Problem, UsageError, WriteError

if TYPE_CHECKING:
    from debias.report.tracking import Tracked

AT_ONCE = 100
"""Most entries of one call."""
_INSTALL = "Install it: pip install 'debias[mlflow]'"
_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")


def check_store(uri: str) -> None:
    """Refuse, before any work, a store that cannot be used here.

    Parameters
    ----------
    uri : str
        As MLflow names stores: ``sqlite:///runs.db``, ``http://host:5000``.

    Raises
    ------
    UsageError
        MLflow, or what its database stores need, is not installed; the folder of a SQLite file is missing.
    """
    where = f"--mlflow {masked(uri)}"
    scheme = uri.partition(":")[0].partition("+")[0].lower()
    needed = ["mlflow", *(["sqlalchemy", "alembic"] if scheme in _DATABASES else [])]
    problems = [Problem(f"{name} is not installed", where, _INSTALL) for name in needed if find_spec(name) is None]
    if "://" not in uri:
        remedy = "Write it as sqlite:///runs.db (a file here), or http://HOST:PORT (a server)."
        problems.append(Problem("is no address of a store", where, remedy))
    elif scheme == "sqlite":
        folder = Path(uri.partition(":///")[2]).parent
        if ":///" not in uri or not uri.partition(":///")[2]:
            problems.append(Problem("names no file", where, "Write sqlite:///runs.db, or sqlite:////folder/runs.db."))
        elif not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
            problems.append(Problem(f"no file can be made in the folder {folder}", where, "Make it, or name another."))
    if problems:
        raise UsageError(problems)


def masked(uri: str) -> str:
    """Return an address without the password in it."""
    return re.sub(r"(?<=//)([^/@]*):[^/@]*@", r"\1:***@", uri)


def log(found: Tracked, uri: str, experiment: str, files: Sequence[tuple[Path, str]] = (), text: str = "") -> str:
    """Write a run into a store and return its id.

    Parameters
    ----------
    found : Tracked
        See `debias.report.tracking.tracked`.
    uri : str
        See `check_store`.
    experiment : str
        Made where it is not there.
    files : sequence of (Path, str)
        Files to keep with the run, each with its folder there.
    text : str
        The report as JSON, kept as ``report.json``.

    Raises
    ------
    WriteError
        The store cannot be reached or written. What the run wrote before stays.
    """
    import warnings

    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")  # it tells of each table that it makes
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # a server that is down is told within seconds
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _log(found, _settled(uri), experiment, files, text)
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].replace(uri, masked(uri))
        remedy = "All files were written before. Check the address, and log the run again."
        raise WriteError(
            Problem(f"the run could not be logged: {reason}", f"--mlflow {masked(uri)}", remedy)
        ) from error


def _settled(uri: str) -> str:
    """Return the address of a SQLite file with its whole path: MLflow keeps stores by their address."""
    head, scheme, rest = uri.partition("sqlite:///")
    path, mark, query = rest.partition("?")
    return f"{scheme}{Path(path).resolve()}{mark}{query}" if scheme and not head else uri


def _log(found: Tracked, uri: str, experiment: str, files: Sequence[tuple[Path, str]], text: str) -> str:
    from mlflow import MlflowClient
    from mlflow.entities import Metric as Logged
    from mlflow.entities import Param, RunTag

    client = MlflowClient(tracking_uri=uri)
    known = client.get_experiment_by_name(experiment)
    place = client.create_experiment(experiment) if known is None else known.experiment_id
    run = client.create_run(place, run_name=found.name).info.run_id
    try:
        now = int(1000 * time.time())
        metrics = [Logged(one.name, one.value, now, one.step) for one in found.metrics]
        parameters = [Param(name, value) for name, value in found.parameters.items()]
        tags = [RunTag(name, value) for name, value in found.tags.items()]
        for start in range(0, max(len(metrics), len(parameters), len(tags)), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            client.log_batch(run, metrics=metrics[part], params=parameters[part], tags=tags[part])
        client.log_text(run, text, "report.json")
        for path, folder in files:
            client.log_artifact(run, str(path), folder)
    except BaseException:
        client.set_terminated(run, "FAILED")
        raise
    client.set_terminated(run)
    return str(run)
