"""Compare: several methods under one objective, on the same rows with the same seed; the best is written."""

from debias.experiments.compare.verb import compare

__all__ = ["compare"]
