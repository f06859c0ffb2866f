"""One epoch of alternating updates: the adversaries learn to read, the network learns to predict and not to be read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from debias.training.adam import Adam
from debias.training.adversaries import ClusterAdversary, FairAdversaries, inputs_of, is_dead, reading
from debias.training.batches import Batch, Data, Scale
from debias.training.draws import drawn_seed, generator
from debias.training.kinds import Kind
from debias.training.losses import Groups, Terms, correlation, divergence, label_losses, objective, swap_penalty
from debias.training.networks import MixedEffects, Served, build
from debias.training.rows import Rows, Task
from debias.training.settings import Settings


@dataclass(frozen=True)
class _Passed:
    """What a forward pass leaves: the fixed effects' output and all activations, what slopes act on, and dropout.

    `posterior` holds means and standard deviations of slopes and, last, intercepts [K, r + 1].
    """

    f: Tensor
    acts: list[Tensor]
    reads: Tensor
    masks: list[Tensor]
    posterior: tuple[Tensor, Tensor] | None


class Course:
    """Networks, optimisers and random draws of one training.

    Parameters
    ----------
    kind : Kind
        Which subnetworks there are.
    train : Rows
        Training rows.
    settings : Settings
        How it is trained.
    task : {"classification", "regression"}
        What is predicted.
    seed : int
        Decides every draw.
    """

    def __init__(self, kind: Kind, train: Rows, settings: Settings, task: Task, seed: int) -> None:
        self.kind, self.settings, self.task = kind, settings, task
        self.scale = Scale.of(train, task)
        self.data = Data(train, kind, settings, task, self.scale)
        self.module: Served = build(
            kind,
            train.width,
            train.n_clusters,
            settings.hidden,
            regression=task == "regression",
            slopes=settings.slopes,
            seed=drawn_seed(seed, 0),
        )
        if task == "regression":
            self.module.set_scale(self.scale.mean, self.scale.sd)
        self.cluster_adversary, self.fair_adversaries = self._adversaries(train, seed)
        adversaries = [
            parameter
            for adversary in (self.cluster_adversary, self.fair_adversaries)
            if adversary is not None
            for parameter in adversary.parameters()
        ]
        self.optimizer = Adam(list(self.module.parameters()), settings.lr)
        self.adversary_optimizer = Adam(adversaries, settings.lr_adversary) if adversaries else None
        self.order, self.draws = generator(seed, 2), generator(seed, 3)

    def _adversaries(self, train: Rows, seed: int) -> tuple[ClusterAdversary | None, FairAdversaries | None]:
        kind, settings = self.kind, self.settings
        cluster = fair = None
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(drawn_seed(seed, 1))
            if kind.cluster_adversary:
                cluster = ClusterAdversary(sum(settings.hidden), train.n_clusters, settings.adversary_hidden)
            if kind.debiased:
                heads = [
                    name for name, there in (("mixed", kind.mixed_adversary), ("fixed", kind.fixed_adversary)) if there
                ]
                categories = {name: train.categories[name] for name in self.data.names}
                inputs = inputs_of(self.task, settings.adversary_input)
                fair = FairAdversaries(heads, categories, inputs, settings.adversary_hidden)
        return cluster, fair

    def epoch(self, listened: bool) -> dict[str, float]:
        """Train for one epoch; return the mean of every loss.

        Parameters
        ----------
        listened : bool
            Whether the adversaries are part of the network's loss; they learn in any case.
        """
        record: dict[str, list[Tensor]] = defaultdict(list)
        for batch in self.data.batches(self.order, self.draws):
            passed = self.run(batch.x)
            for _ in range(self.settings.adversary_steps if self.adversary_optimizer else 0):
                self.adversary_step(batch, passed, record)
            self.main_step(batch, passed, listened, record)
        return self._means(record)

    def _means(self, record: Mapping[str, list[Tensor]]) -> dict[str, float]:
        """Return the mean of every loss over an epoch's steps, by its name in the history."""
        found: dict[str, float] = {}
        heads = ("loss_mixed", "loss_fixed") if self.kind.random_effects else ("loss_fixed",)
        fair = () if self.fair_adversaries is None else self.fair_adversaries.names
        vectors = {"labels": heads, "fair_adversaries": fair}
        for name, values in record.items():
            means = torch.stack(values).mean(0)
            found |= dict(zip(vectors.get(name, (name,)), means.reshape(-1).tolist(), strict=True))
        return found

    def revive(self, losses: Mapping[str, float]) -> list[str]:
        """Draw adversaries anew that did no better than chance in an epoch; return their names.

        Parameters
        ----------
        losses : mapping of str to float
            What `epoch` returned.
        """
        found = []
        if self.cluster_adversary is not None and is_dead(losses["cluster_adversary"], self.data.cluster_chance):
            found.append("cluster_adversary")
            with torch.no_grad():
                for layer in self.cluster_adversary.layers:
                    assert isinstance(layer, nn.Linear)
                    bound = layer.in_features**-0.5
                    layer.weight.uniform_(-bound, bound, generator=self.draws)
                    layer.bias.uniform_(-bound, bound, generator=self.draws)
            self._forget(self.cluster_adversary)
        if self.fair_adversaries is not None:
            names, chances = self.fair_adversaries.names, self._fair_chances()
            for place, (name, at_chance) in enumerate(zip(names, chances, strict=True)):
                if is_dead(losses[name], at_chance):
                    found.append(name)
                    self.fair_adversaries.draw(place, self.draws)
                    self._forget(self.fair_adversaries, place)
        return found

    def _forget(self, adversary: nn.Module, place: int | None = None) -> None:
        assert self.adversary_optimizer is not None
        self.adversary_optimizer.forget(adversary.parameters(), place)

    @property
    def finite(self) -> bool:
        """Whether every number of every network is finite."""
        return all(optimizer.finite for optimizer in self._optimizers)

    def network_state(self) -> dict[str, Tensor]:
        """Return a copy of the served network's numbers."""
        return {name: value.detach().clone() for name, value in self.module.state_dict().items()}

    def state(self) -> dict[str, Any]:
        """Return everything that the next epoch depends on."""
        return {
            "optimizers": [optimizer.state() for optimizer in self._optimizers],
            "generators": [self.order.get_state(), self.draws.get_state()],
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from a state that `state` returned."""
        for optimizer, kept in zip(self._optimizers, state["optimizers"], strict=True):
            optimizer.load(kept)
        for draws, kept in zip((self.order, self.draws), state["generators"], strict=True):
            draws.set_state(kept)

    def release(self) -> Served:
        """Return the served network, in eval mode, with numbers of its own."""
        self.optimizer.release()
        return self.module.eval()

    @property
    def _optimizers(self) -> list[Adam]:
        return [self.optimizer] if self.adversary_optimizer is None else [self.optimizer, self.adversary_optimizer]

    def run(self, x: Tensor, masks: Sequence[Tensor] = ()) -> _Passed:
        """Run the fixed effects in train mode, with dropout drawn unless given."""
        fe, p, value = self.module.fe, self.settings.dropout, x
        acts, drawn = [], []
        for k, layer in enumerate(fe.layers):
            value = torch.relu(layer(value))
            if p:
                mask = masks[k] if masks else (torch.rand(value.shape, generator=self.draws) >= p) / (1 - p)
                value = value * mask
                drawn.append(mask)
            acts.append(value)
        reads = value if isinstance(self.module, MixedEffects) and self.module.latent else x
        return _Passed(fe.out(value).squeeze(1), acts, reads, drawn, self._posterior())

    def _posterior(self) -> tuple[Tensor, Tensor] | None:
        if not isinstance(self.module, MixedEffects):
            return None
        effects = (self.module.slope, self.module.intercept)
        return torch.cat([one.mean for one in effects], 1), torch.cat([one.sd() for one in effects], 1)

    def _coefficients(self, posterior: tuple[Tensor, Tensor] | None) -> Tensor | None:
        """Draw slopes and intercepts [K, r + 1] from the posterior: one draw for a batch."""
        if posterior is None:
            return None
        mean, sd = posterior
        return torch.addcmul(mean, sd, torch.randn(mean.shape, generator=self.draws))

    def _outputs(self, f: Tensor, reads: Tensor, z: Tensor, coefficients: Tensor | None) -> Tensor:
        """Return the heads that the loss reads [heads, N]: mixed and fixed, or fixed alone."""
        if coefficients is None:
            return f.unsqueeze(0)
        # the effects of every cluster on every row, of which each row takes those of its own
        every = torch.addmm(coefficients[:, -1], reads, coefficients[:, :-1].t())
        return torch.stack((f + every.gather(1, z.unsqueeze(1)).squeeze(1), f))

    def _read(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Return what the adversaries read of the heads that they are for."""
        assert self.fair_adversaries is not None
        if len(outputs) > len(self.fair_adversaries.heads):
            outputs = outputs[:1] if self.fair_adversaries.heads == ("mixed",) else outputs[1:]
        return reading(outputs, y, self.task, self.settings.adversary_input)

    def adversary_step(self, batch: Batch, passed: _Passed, record: Mapping[str, list[Tensor]]) -> None:
        """Move every adversary along its own cross-entropy; the network stays."""
        assert self.adversary_optimizer is not None
        losses = []
        if self.cluster_adversary is not None:
            acts = torch.cat([value.detach() for value in passed.acts], 1)
            losses.append(nn.functional.cross_entropy(self.cluster_adversary(acts), batch.z))
            record["cluster_adversary"].append(losses[0].detach())
        if self.fair_adversaries is not None:
            with torch.no_grad():
                drawn = self._coefficients(passed.posterior)
                outputs = self._outputs(passed.f, passed.reads, batch.z, drawn)
                read = self._read(outputs, batch.y)
            each = self.fair_adversaries.cross_entropy(read, batch.codes, _shares(batch.code_weights))
            losses.append(each.sum())
            record["fair_adversaries"].append(each.detach())
        loss = losses[0] if len(losses) == 1 else losses[0] + losses[1]
        self.adversary_optimizer.step(loss)

    def terms(self, batch: Batch, passed: _Passed, listened: bool) -> Terms:
        """Return the terms of the network's loss on one batch."""
        drawn = self._coefficients(passed.posterior)
        outputs = self._outputs(passed.f, passed.reads, batch.z, drawn)
        cluster = fixed = mixed = kl = corr = swap = None
        if listened and self.cluster_adversary is not None and self.settings.lambda_cluster:
            logits = self.cluster_adversary(torch.cat(passed.acts, 1))
            cluster = nn.functional.cross_entropy(logits, batch.z)
        if listened and self.fair_adversaries is not None:
            each = self.fair_adversaries.cross_entropy(
                self._read(outputs, batch.y), batch.codes, _shares(batch.code_weights)
            )
            if self.settings.cap_chance:
                each = torch.minimum(each, torch.tensor(self._fair_chances()))
            parts = dict(zip(self.fair_adversaries.heads, torch.split(each, len(self.data.names)), strict=True))
            fixed, mixed = parts.get("fixed"), parts.get("mixed")
        if cluster is not None and self.settings.cap_chance:
            cluster = cluster.clamp(max=self.data.cluster_chance)
        if passed.posterior is not None:
            kl = divergence(*passed.posterior, self.settings.prior_sd)
        if self.kind.correlation:
            groups = Groups(batch.indicators, self.data.attribute)
            value = torch.sigmoid(passed.f) if self.task == "classification" else passed.f
            corr = correlation(value, groups, batch.y if self.settings.correlation_given_label else None, self.task)
        if self.data.swaps:
            swap = self._swap(batch, outputs, drawn, passed.masks)
        losses = label_losses(outputs, batch.y, batch.weights, self.task)
        return Terms(losses, cluster, fixed, mixed, kl, corr, swap)

    def _swap(self, batch: Batch, outputs: Tensor, drawn: Tensor | None, masks: Sequence[Tensor]) -> Tensor:
        """Return the pair-swap penalty; draws from the posterior and dropout are those of the rows as they are."""
        count = len(self.data.swaps)
        passed = self.run(self.data.swapped(batch), [mask.repeat(count, 1) for mask in masks])
        swapped = self._outputs(passed.f, passed.reads, batch.z.repeat(count), drawn)
        return swap_penalty(outputs, swapped.view(len(outputs), count, -1), self.task)

    def main_step(self, batch: Batch, passed: _Passed, listened: bool, record: Mapping[str, list[Tensor]]) -> None:
        """Move the network along its objective; the adversaries stay."""
        terms = self.terms(batch, passed, listened)
        loss = objective(terms, self.kind, self.settings, self.data.n)
        record["loss"].append(loss.detach())
        record["labels"].append(terms.labels.detach())
        for name in ("divergence", "correlation", "swap"):
            if (value := getattr(terms, name)) is not None:
                record[name].append(value.detach())
        self.optimizer.step(loss)

    def _fair_chances(self) -> list[float]:
        assert self.fair_adversaries is not None
        return self.data.chances * len(self.fair_adversaries.heads)


def _shares(weights: Tensor) -> Tensor:
    """Return weights [attributes, N] that sum to 1 for each attribute; 0 where none has weight."""
    return weights / weights.sum(1, keepdim=True).clamp(min=1e-12)
