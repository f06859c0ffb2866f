"""Crossval: kinds of networks are trained in folds and compared with their baselines."""

from debias.experiments.crossval.verb import crossval

__all__ = ["crossval"]
