"""Train: from a raw table with clusters to a model file with its contract and a report."""

from debias.run.training.verb import CHECKPOINT, divided, fit_on, train

__all__ = ["CHECKPOINT", "divided", "fit_on", "train"]
