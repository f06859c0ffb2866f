"""A seeded lender: a made-up table of loans with branches as clusters, for examples and tests.

No row stands for a person. Whether a loan is repaid depends on means, debts and history; means depend on sex through
the labour market that the generator makes up, and so a network that never reads the sex still treats the sexes
differently.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from debias.data.sample import FloatArray, IntArray
from debias.data.values import Mask

if TYPE_CHECKING:
    import pandas as pd

LABEL = "repaid"
POSITIVE = "yes"
ATTRIBUTE = "sex"
CLUSTER = "branch"
FEATURES = (
    "age",
    "employment",
    "education",
    "housing",
    "income",
    "debt_ratio",
    "credit_history_years",
    "prior_defaults",
    "savings",
    "loan_amount",
    "loan_months",
    "purpose",
    "existing_customer",
)
"""Raw columns that a network reads; `sex` and `branch` are not among them."""

BRANCHES = 30
Texts = npt.NDArray[np.str_]
_EDUCATION = ("primary", "secondary", "vocational", "bachelor", "master")
_PURPOSE = ("car", "debt consolidation", "education", "furniture", "home repair", "small business")
BRANCH_NAMES = (
    "Alder Bridge",
    "Ashford",
    "Birch Hill",
    "Blackmoor",
    "Brookside",
    "Cedar Falls",
    "Clearwater",
    "Dunmore",
    "Eastgate",
    "Elm Park",
    "Fairview",
    "Fernley",
    "Glenwood",
    "Greystone",
    "Harbour",
    "Hazel Cross",
    "Ironbridge",
    "Juniper",
    "Kingsmead",
    "Lakeside",
    "Linden",
    "Maple Row",
    "Millbrook",
    "Northfield",
    "Oakham",
    "Pinehurst",
    "Quarry Bank",
    "Riverside",
    "Stonebridge",
    "Thornton",
)


def lender_table(n: int, seed: int = 0) -> pd.DataFrame:
    """Return a table of `n` loans.

    Parameters
    ----------
    n : int
        Rows.
    seed : int
        The same seed gives the same table. The branches and what they add to the odds of repayment are the same for
        every seed: tables of two seeds are two draws from one lender.

    Returns
    -------
    DataFrame
        `ATTRIBUTE`, `CLUSTER`, the columns of `FEATURES`, and `LABEL` (yes or no). ``credit_history_years`` and
        ``savings`` lack some values.
    """
    import pandas as pd

    rng = np.random.default_rng(seed)
    branch = rng.choice(BRANCHES, size=n, p=_branch_shares())
    effect = np.random.default_rng(30).normal(0.0, 0.45, BRANCHES)
    female = rng.random(n) < 0.46
    age = np.clip(rng.gamma(5.5, 4.2, n) + 18, 18, 79).round()
    education = _education(rng, age, n)
    employment = _employment(rng, age, female, n)
    income = _income(rng, age, female, education, employment, effect[branch])
    history = np.clip((age - 19) * rng.beta(2.2, 2.4, n), 0, None).round()
    defaults = np.minimum(rng.poisson(np.exp(-1.5 - 0.1 * np.log(income / 28_000))), 6)
    purpose = rng.choice(len(_PURPOSE), size=n, p=(0.27, 0.22, 0.08, 0.14, 0.19, 0.10))
    amount = _loan(rng, income, purpose)
    months = rng.choice((12, 24, 36, 48, 60, 72), size=n, p=(0.10, 0.20, 0.29, 0.20, 0.14, 0.07))
    debts = np.clip(rng.beta(2.0, 4.5, n) + 0.06 * (income < 24_000), 0.0, 0.95).round(3)
    savings = np.round(np.exp(rng.normal(7.2, 1.2, n) + 0.9 * np.log(income / 30_000)), -1)
    housing = _housing(rng, age, income)
    customer = rng.random(n) < 0.55
    logit = (
        0.35
        + effect[branch]
        + 0.9 * np.log(income / 30_000)
        - 5.0 * (debts - 0.3)
        - 1.2 * defaults
        + 0.045 * (history - 10)
        + 0.22 * np.log1p(savings / 1000)
        - 0.55 * np.log(amount / 11_000)
        - 0.009 * (months - 36)
        + _by_kind(employment, {"permanent": 0.5, "unemployed": -0.9, "part-time": -0.6})
        + 0.35 * (housing == "owner")
        + 0.25 * customer
        - 0.45 * (purpose == 5)
    )
    repaid = rng.random(n) < 1 / (1 + np.exp(-1.35 * logit))
    history[rng.random(n) < 0.03] = np.nan
    savings[rng.random(n) < 0.05] = np.nan
    return pd.DataFrame(
        {
            "sex": np.where(female, "female", "male"),
            "branch": np.array(BRANCH_NAMES)[branch],
            "age": age.astype(np.int64),
            "employment": employment,
            "education": np.array(_EDUCATION)[education],
            "housing": housing,
            "income": income.astype(np.int64),
            "debt_ratio": debts,
            "credit_history_years": history,
            "prior_defaults": defaults.astype(np.int64),
            "savings": savings,
            "loan_amount": amount.astype(np.int64),
            "loan_months": months.astype(np.int64),
            "purpose": np.array(_PURPOSE)[purpose],
            "existing_customer": customer,
            "repaid": np.where(repaid, "yes", "no"),
        }
    )


def _by_kind(kind: Texts, values: dict[str, float]) -> FloatArray:
    return np.select([kind == name for name in values], list(values.values()), default=0.0)


def _branch_shares() -> FloatArray:
    """Return the share of each branch: the largest is some six times the smallest."""
    weights = np.linspace(6.0, 1.0, BRANCHES)
    shares: FloatArray = weights / weights.sum()
    return shares


def _education(rng: np.random.Generator, age: FloatArray, n: int) -> IntArray:
    latent = rng.normal(0, 1, n) - 0.012 * (age - 40)
    return np.searchsorted((-1.5, -0.1, 0.55, 1.35), latent).astype(np.int64)


def _employment(rng: np.random.Generator, age: FloatArray, female: Mask, n: int) -> Texts:
    """Return the kind of work: women hold part-time contracts more often, men are self-employed more often."""
    draw = rng.random(n)
    part_time = np.where(female, 0.50, 0.05)
    own = np.where(female, 0.06, 0.13)
    unemployed = np.full(n, 0.05)
    fixed_term = np.where(age < 30, 0.20, 0.08)
    edges = np.cumsum([part_time, own, unemployed, fixed_term], axis=0)
    kinds = ["part-time", "self-employed", "unemployed", "fixed-term"]
    kind = np.select([draw < edge for edge in edges], kinds, default="permanent")
    return np.where(age >= 66, "retired", kind)


def _income(
    rng: np.random.Generator,
    age: FloatArray,
    female: Mask,
    education: IntArray,
    employment: Texts,
    effect: FloatArray,
) -> FloatArray:
    """Return the yearly income: grows with age to the fifties and with education; women earn less for the same."""
    work = _by_kind(employment, {"part-time": -0.42, "unemployed": -0.75, "retired": -0.35})
    log_income = (
        10.33
        + 0.16 * (education - 1.5)
        + 0.018 * (np.minimum(age, 55) - 38)
        - 0.10 * female
        + 0.10 * effect
        + work
        + rng.normal(0, 0.33, len(age))
    )
    income: FloatArray = np.maximum(np.exp(log_income), 6_000).round(-2)
    return income


def _loan(rng: np.random.Generator, income: FloatArray, purpose: IntArray) -> FloatArray:
    typical = np.array((12_500, 11_000, 8_000, 4_500, 9_500, 18_000))[purpose]
    log_amount = np.log(typical) + 0.35 * np.log(income / 30_000) + rng.normal(0, 0.5, len(income))
    amount: FloatArray = np.clip(np.exp(log_amount), 500, 80_000).round(-2)
    return amount


def _housing(rng: np.random.Generator, age: FloatArray, income: FloatArray) -> Texts:
    owner = 1 / (1 + np.exp(-(0.06 * (age - 44) + 1.1 * np.log(income / 30_000))))
    draw = rng.random(len(age))
    other = np.where(age < 28, 0.35, 0.06)
    return np.select([draw < owner, draw < owner + (1 - owner) * other], ["owner", "with family"], default="rent")
