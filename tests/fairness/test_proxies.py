import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from debias.errors import DataError
from debias.fairness.proxies import Proxy, proxy, proxy_weights


def test_weights_by_hand():
    codes, y = np.array([0, 0, 1, 1, 1, -1]), np.array([1, 0, 1, 1, 0, 1])
    assert proxy_weights(codes, (0, 1)) == pytest.approx([1 / 2, 1 / 2, -1 / 3, -1 / 3, -1 / 3, 0])
    assert proxy_weights(np.where(y == 1, codes, -1), (0, 1)) == pytest.approx([1, 0, -1 / 2, -1 / 2, 0, 0])
    assert proxy_weights(np.where(y == 1, codes, -1), (1, 0)) == pytest.approx([-1, 0, 1 / 2, 1 / 2, 0, 0])
    assert proxy_weights(codes, (0, 1), np.array([1.0, 3, 2, 1, 1, 9])) == pytest.approx(
        [1 / 4, 3 / 4, -1 / 2, -1 / 4, -1 / 4, 0]
    )


def test_every_empty_group_is_named():
    with pytest.raises(DataError) as caught:
        proxy_weights(np.array([2, -1]), (0, 1))
    assert len(caught.value.problems) == 2
    with pytest.raises(DataError, match="group 1 has no rows"):
        proxy_weights(np.array([0, 2]), (0, 1))


@st.composite
def scored_rows(draw):
    n = draw(st.integers(0, 12))
    y = np.array([0, 1, 0, 1, *draw(st.lists(st.integers(0, 1), min_size=n, max_size=n))])
    a = np.array([0, 0, 1, 1, *draw(st.lists(st.integers(0, 1), min_size=n, max_size=n))])
    f = np.array(draw(st.lists(st.floats(0, 1), min_size=n + 4, max_size=n + 4)))
    return f, y, a


def equation_1(f, a):
    return (f * (1 - a)).sum() / (1 - a).sum() - (f * a).sum() / a.sum()


def equation_2(f, y, a):
    return (f * (1 - a) * y).sum() / ((1 - a) * y).sum() - (f * a * y).sum() / (a * y).sum()


@given(scored_rows())
@settings(max_examples=60, deadline=None)
def test_proxies_are_equations_1_and_2_and_their_gradient_is_the_weights(rows):
    f, y, a = rows
    for members, expected in [(a, equation_1(f, a)), (np.where(y == 1, a, -1), equation_2(f, y, a))]:
        weights = torch.from_numpy(proxy_weights(members, (0, 1)))
        scores = torch.from_numpy(f).requires_grad_()
        value = proxy(scores, weights)
        assert value.item() == pytest.approx(expected, abs=1e-12)
        (gradient,) = torch.autograd.grad(value, scores)
        assert torch.equal(gradient, weights)


def test_a_column_of_scores_is_taken_as_rows():
    weights = torch.tensor([1.0, -1.0])
    assert proxy(torch.tensor([[0.75], [0.25]]), weights).item() == 0.5


@given(scored_rows())
@settings(max_examples=60, deadline=None)
def test_lemma_1_the_proxy_is_proportional_to_the_covariance(rows):
    f, y, a = rows
    for among in (np.ones(len(y), bool), y == 1):
        value = proxy_weights(np.where(among, a, -1), (0, 1)) @ f
        share = a[among].mean()
        covariance = np.cov(a[among], f[among], bias=True)[0, 1]
        assert -value * share * (1 - share) == pytest.approx(covariance, abs=1e-12)


@pytest.mark.parametrize("form", ["probability", "value", "squared-error"])
def test_the_slope_of_every_form_is_its_gradient(form):
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(30, generator=generator, dtype=torch.float64).requires_grad_()
    truth = torch.randn(30, generator=generator, dtype=torch.float64)
    weights = torch.randn(30, generator=generator, dtype=torch.float64)
    value = {"probability": scores.sigmoid(), "value": scores, "squared-error": (scores - truth) ** 2}[form]
    (value @ weights).backward()
    found = Proxy(weights, form, truth).slope(scores.detach())
    np.testing.assert_allclose(found.numpy(), scores.grad.numpy(), rtol=1e-12, atol=1e-15)
