"""What the server of processes loads last, so that those it forks find everything ready and little to copy."""

from __future__ import annotations

import gc

import debias.jobs.worker  # noqa: F401
from debias.jobs.pages import join_pages
from debias.jobs.work import one_thread, seed

# For good, and for all that are forked; the reference keeps it.
threads = one_thread()
threads.__enter__()
seed()
gc.collect()
gc.freeze()  # else a collection in a child would touch, and so copy, every object
join_pages()
