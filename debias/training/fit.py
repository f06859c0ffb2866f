"""Train one network of the mixed-effects family, and keep the best eligible epoch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from debias.errors import Problem, UsageError
from debias.training import checkpoint as checkpoints
from debias.training.course import Course
from debias.training.kinds import Kind, kind_of
from debias.training.networks import ClusterPredictor, MixedEffects, Plain, Served
from debias.training.predictor import fit_predictor
from debias.training.rows import Rows, Task, check_rows
from debias.training.selection import curve, dispersion, error_dispersion
from debias.training.settings import Settings
from debias.training.trainer import Progress, silent
from debias.words import listing, show

Epoch = dict[str, Any]
DEFAULTS = Settings()
FAIRNESS_SHARE = 0.5
"""What a unit of dispersion costs in J, in units of balanced accuracy."""


@dataclass
class Fitted:
    """A trained network and how it came about.

    Parameters
    ----------
    kind : Kind
        Its kind.
    settings : Settings
        How it was trained.
    task : {"classification", "regression"}
        What it predicts.
    module : nn.Module
        The served network in eval mode: `forward(x)`, or `forward(x, z)`.
    predictor : ClusterPredictor or None
        Predicts the cluster from x; of kinds that read the cluster.
    threshold, fixed_threshold : float or None
        Where the probability of each head is cut; None for a regression.
    history : list of dict
        For each epoch: every loss, what was measured on the validation rows, revived adversaries, ``eligible``.
    best_epoch : int
        The epoch returned, from 1.
    epochs_run : int
        Epochs trained.
    stopped : {"epochs", "patience", "diverged"}
        Why training ended.
    predictor_losses : list of float
        Cross-entropy of the cluster predictor on the validation rows after each of its epochs.
    """

    kind: Kind
    settings: Settings
    task: Task
    module: Served
    predictor: ClusterPredictor | None
    threshold: float | None
    fixed_threshold: float | None
    history: list[Epoch]
    best_epoch: int
    epochs_run: int
    stopped: str
    predictor_losses: list[float]

    def predict(self, x: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return mixed- and fixed-effects predictions [N]: probabilities, or values in target units.

        Parameters
        ----------
        x : Tensor, shape [N, d]
            Encoded features.
        z : Tensor, shape [N, K]
            Clusters as columns: one 1 in a row, shares, or zeros. A network without clusters does not read it.
        """
        with torch.no_grad():
            if isinstance(self.module, Plain):
                value = self.module(x)
                return value, value
            return self.module(x, z), self.module.predict_fe(x)

    def clusters(self, x: Tensor) -> Tensor:
        """Return the predicted probability of each cluster [N, K].

        Raises
        ------
        UsageError
            For a kind that does not read the cluster.
        """
        if self.predictor is None:
            raise UsageError(Problem(f"a network of kind {self.kind.name} does not read the cluster"))
        with torch.no_grad():
            value: Tensor = self.predictor(x)
            return value

    def activations(self, x: Tensor, z: Tensor) -> Tensor:
        """Return the activations of all hidden layers [N, units]."""
        with torch.no_grad():
            heads = self.module.heads(x) if isinstance(self.module, Plain) else self.module.heads(x, z)
            return heads[-1]


def fit(
    kind: str | Kind,
    train: Rows,
    valid: Rows,
    settings: Settings = DEFAULTS,
    *,
    task: Task = "classification",
    seed: int = 0,
    progress: Progress = silent,
    checkpoint: Path | None = None,
    resume: bool = True,
    on_epoch: Callable[[Mapping[str, Any]], None] | None = None,
) -> Fitted:
    """Train a network of one kind.

    Parameters
    ----------
    kind : str or Kind
        One of `KINDS`.
    train, valid : Rows
        Rows of seen clusters: those that are learnt from, and those that choose epoch and thresholds.
    settings : Settings
        How it is trained.
    task : {"classification", "regression"}
        What is predicted.
    seed : int
        Decides every draw; the same call gives the same bits on one thread.
    progress : callable
        Receives (epochs done, epochs at most, text).
    checkpoint : Path, optional
        Where the state is written after each epoch. A run that was killed goes on from there, and ends in the same
        bits; one with more `epochs` goes on likewise.
    resume : bool
        Go on from a checkpoint that is there; without it, it is replaced.
    on_epoch : callable, optional
        Receives each new epoch of the history; what it raises ends the training.

    Returns
    -------
    Fitted
        With the weights of the best eligible epoch. Of a training that diverged, those of the best eligible epoch
        before, or else of the last epoch whose numbers were finite.

    Raises
    ------
    UsageError
        Unknown kind; no epoch could be chosen; training diverged in its first epoch.
    DataError
        Rows that cannot be trained on.
    ModelError
        A checkpoint of another training.
    """
    kind = kind_of(kind)
    check_rows(kind, train, valid, task)
    _check_settings(kind, settings, train)
    run = _Run(kind, train, valid, settings, task, seed)
    belongs_to = _identity(kind, train, valid, settings, task, seed) if checkpoint is not None else {}
    if checkpoint is not None and resume and (state := checkpoints.read(checkpoint, belongs_to)) is not None:
        run.load(state)
    while not run.stopped:
        epoch = run.epoch()
        if checkpoint is not None:
            checkpoints.write(checkpoint, belongs_to, run.state())
        if on_epoch is not None:
            on_epoch(epoch)
        progress(len(run.history), settings.epochs, _told(epoch, task))
    return run.fitted(train, valid, seed, progress)


def _check_settings(kind: Kind, settings: Settings, train: Rows) -> None:
    problems = []
    if first_eligible(kind, settings) > settings.epochs:
        found = f"with a warm-up of {settings.warmup} epochs none of {settings.epochs} can be chosen"
        problems.append(Problem(found, "--warmup", f"Give --epochs {settings.warmup + 2} or more, or less --warmup."))
    if settings.lambda_swap > 0:
        problems += [
            Problem(f"{show(name)} is no protected attribute among the inputs", "--swap", _swaps_told(train))
            for name in settings.swapped or ()
            if name not in train.swaps
        ]
        if not train.swaps:
            found = "no protected attribute is an input of the network, so none can be swapped"
            problems.append(Problem(found, "--lambda-swap", "Leave it out: a swap changes nothing."))
    if problems:
        raise UsageError(problems)


def _swaps_told(train: Rows) -> str:
    return f"Name some of {listing(train.swaps)}."


def first_eligible(kind: Kind, settings: Settings) -> int:
    """Return the first epoch, from 1, that can be chosen: one after the first in which adversaries are heard."""
    return settings.warmup + 2 if kind.adversarial and settings.warmup else 1


def _identity(kind: Kind, train: Rows, valid: Rows, settings: Settings, task: Task, seed: int) -> dict[str, Any]:
    told = settings.as_dict()
    # a longer run of the same training begins with the same epochs
    for name in ("epochs", "patience"):
        told.pop(name)
    return checkpoints.identity(
        kind=kind.name,
        task=task,
        seed=seed,
        settings=told,
        **{"training rows": train.digest(), "validation rows": valid.digest()},
    )


class _Run:
    """One training: its course, its history, and the best epoch so far."""

    def __init__(self, kind: Kind, train: Rows, valid: Rows, settings: Settings, task: Task, seed: int) -> None:
        self.kind, self.settings, self.task = kind, settings, task
        self.course = Course(kind, train, settings, task, seed)
        self.judge = Judge(kind, valid, task, settings)
        self.history: list[Epoch] = []
        self.best: dict[str, Any] = {}
        self.diverged = False

    @property
    def stopped(self) -> str:
        """Why training has ended; empty while it goes on."""
        if self.diverged:
            return "diverged"
        done, patience = len(self.history), self.settings.patience
        if self.best.get("eligible") and patience and done - self.best["epoch"] >= patience:
            return "patience"
        return "epochs" if done >= self.settings.epochs else ""

    def epoch(self) -> Epoch:
        """Train and measure one more epoch."""
        number = len(self.history) + 1
        losses = self.course.epoch(number > self.settings.warmup)
        found: Epoch = {"epoch": number, "eligible": number >= first_eligible(self.kind, self.settings), **losses}
        if not self.course.finite or not all(map(_is_finite, losses.values())):
            self.diverged = True
            found |= {"eligible": False, "events": ["diverged: a number is not finite"]}
            if not self.best:
                raise UsageError(
                    Problem(
                        "training diverged in its first epoch", f"--lr {self.settings.lr:g}", "Give a smaller --lr."
                    )
                )
            self.history.append(found)
            return found
        measured, cuts = self.judge(self.course.module)
        revived = self.course.revive(losses)
        found |= measured | self._spreads() | {"events": [f"{name} did no better than chance" for name in revived]}
        self.history.append(found)
        # while no epoch is eligible the last one stands
        if not self.best.get("eligible") or (found["eligible"] and found["j"] > self.best["j"]):
            self.best = {
                "epoch": number,
                "eligible": found["eligible"],
                "j": found["j"],
                "cuts": cuts,
                "module": self.course.network_state(),
            }
        return found

    def _spreads(self) -> dict[str, float]:
        """Return the SD of the posterior means in units of the prior's: near 0, random effects have collapsed."""
        module, prior = self.course.module, self.settings.prior_sd
        if not isinstance(module, MixedEffects):
            return {}
        parts = {"slope_spread": module.slope.mean, "intercept_spread": module.intercept.mean}
        return {name: float(mean.detach().std(correction=0)) / prior for name, mean in parts.items()}

    def state(self) -> dict[str, Any]:
        """Return everything that the rest of the training depends on."""
        return {"course": self.course.state(), "history": self.history, "best": self.best, "diverged": self.diverged}

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from a state that `state` returned."""
        self.course.load(state["course"])
        self.history, self.best, self.diverged = list(state["history"]), state["best"], state["diverged"]

    def fitted(self, train: Rows, valid: Rows, seed: int, progress: Progress) -> Fitted:
        """Return the best epoch's network, with the cluster predictor where the kind reads clusters."""
        self.course.module.load_state_dict(self.best["module"])
        module = self.course.release()
        predictor: ClusterPredictor | None = None
        losses: list[float] = []
        if self.kind.reads_clusters:
            predictor, losses = fit_predictor(train, valid, seed=seed, progress=progress)
        mixed, fixed = self.best["cuts"]
        return Fitted(
            self.kind,
            self.settings,
            self.task,
            module,
            predictor,
            mixed,
            fixed,
            self.history,
            self.best["epoch"],
            len(self.history),
            self.stopped,
            losses,
        )


class Judge:
    """Measures a network on the validation rows.

    J is balanced accuracy less half the mean over attributes of TPR SD + FPR SD, both of the mixed-effects head at
    its own cut; of a regression −MSE less half the mean MSE SD, in units of the variance of the target. A kind whose
    loss has no part for protected attributes is judged by its performance alone.
    """

    def __init__(self, kind: Kind, valid: Rows, task: Task, settings: Settings) -> None:
        self.kind, self.task = kind, task
        self.x, self.z = valid.x, valid.design()
        self.y = valid.y.to(torch.float64).numpy()
        self.weight = None if valid.weight is None else valid.weight.to(torch.float64).numpy()
        self.attributes = {name: codes.numpy() for name, codes in valid.sensitive.items()}
        self.fair = kind.needs_attributes or settings.lambda_swap > 0

    def __call__(self, module: Served) -> tuple[dict[str, float], list[float | None]]:
        """Return what is measured, and the cut of each head: mixed, fixed."""
        with torch.no_grad():
            if isinstance(module, Plain):
                mixed = fixed = module.heads(self.x)[0].to(torch.float64).numpy()
            else:
                mixed, fixed = (value.to(torch.float64).numpy() for value in module.heads(self.x, self.z)[:2])
        return self._regression(mixed, fixed) if self.task == "regression" else self._classification(mixed, fixed)

    def _classification(self, mixed: Any, fixed: Any) -> tuple[dict[str, float], list[float | None]]:
        found: dict[str, float] = {}
        cuts: list[float | None] = []
        for name, scores in (("", mixed), ("_fixed", fixed)):
            along = curve(scores, self.y, self.weight)
            cut, accuracy = along.centre()
            cuts.append(float(torch.sigmoid(torch.tensor(cut, dtype=torch.float64))))
            found[f"balanced_accuracy{name}"], found[f"auroc{name}"] = accuracy, along.auroc
            found[f"dispersion{name}"] = dispersion(scores > cut, self.y, self.attributes, self.weight)
        found["j"] = found["balanced_accuracy"] - FAIRNESS_SHARE * found["dispersion"] * self.fair
        return found, cuts

    def _regression(self, mixed: Any, fixed: Any) -> tuple[dict[str, float], list[float | None]]:
        import numpy as np

        found: dict[str, float] = {}
        for name, values in (("", mixed), ("_fixed", fixed)):
            found[f"mse{name}"] = float(np.average((values - self.y) ** 2, weights=self.weight))
            found[f"dispersion{name}"] = error_dispersion(values, self.y, self.attributes, self.weight)
        centre = np.average(self.y, weights=self.weight)
        variance = float(np.average((self.y - centre) ** 2, weights=self.weight))
        found["j"] = -(found["mse"] + FAIRNESS_SHARE * found["dispersion"] * self.fair) / variance
        return found, [None, None]


def _is_finite(value: float) -> bool:
    return value - value == 0


def _told(epoch: Epoch, task: Task) -> str:
    """Return one line on an epoch: how good, and the losses of every subnetwork."""
    if "j" not in epoch:
        return "diverged"
    head = f"MSE {epoch['mse']:.4g}" if task == "regression" else f"BA {epoch['balanced_accuracy']:.4f}"
    names = [name for name in epoch if name.startswith("loss_") or name.endswith("_adversary") or "_adversary." in name]
    names += [name for name in ("divergence", "correlation", "swap") if name in epoch]
    return " · ".join([head, f"J {epoch['j']:.4f}", *(f"{name} {epoch[name]:.4g}" for name in names), *epoch["events"]])
