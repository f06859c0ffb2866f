"""What the server of processes loads last, so that those it forks find everything ready and little to copy."""

from __future__ import annotations

import gc

import debias.jobs.worker  # noqa: F401
from debias.jobs.work import alone

with alone():  # loads the libraries whose threads and generators a job is given
    pass
gc.collect()
gc.freeze()  # else every collection in a child would copy all pages
