"""General codes of IPUMS USA (usa.ipums.org, codes of each variable)."""

from __future__ import annotations

SEX = {1: "Male", 2: "Female"}

RACE = {
    1: "White",
    2: "Black or African American",
    3: "American Indian or Alaska Native",
    4: "Chinese",
    5: "Japanese",
    6: "Other Asian or Pacific Islander",
    7: "Other race",
    8: "Two major races",
    9: "Three or more major races",
}

HISPANIC = {0: "Not Hispanic", 1: "Mexican", 2: "Puerto Rican", 3: "Cuban", 4: "Other", 9: "Not reported"}

MARITAL = {
    1: "Married, spouse present",
    2: "Married, spouse absent",
    3: "Separated",
    4: "Divorced",
    5: "Widowed",
    6: "Never married",
}

RELATE = {
    1: "Householder",
    2: "Spouse",
    3: "Child",
    4: "Child-in-law",
    5: "Parent",
    6: "Parent-in-law",
    7: "Sibling",
    8: "Sibling-in-law",
    9: "Grandchild",
    10: "Other relative",
    11: "Partner, friend or visitor",
    12: "Other nonrelative",
    13: "Institutional inmate",
}

CLASS_OF_WORKER = {0: "Not known", 1: "Self-employed", 2: "Works for wages", 9: "Not known"}

CITIZEN = {
    0: "Born in the United States",
    1: "Born abroad of American parents",
    2: "Naturalized",
    3: "Not a citizen",
    4: "First papers",
    5: "Foreign born, status not reported",
    8: "Not known",
    9: "Not known",
}

BIRTHPLACES = (
    (1, 99, "United States"),
    (100, 149, "US island areas"),
    (150, 199, "Canada or Atlantic islands"),
    (200, 200, "Mexico"),
    (210, 249, "Central America"),
    (250, 299, "Caribbean"),
    (300, 399, "South America"),
    (400, 499, "Europe"),
    (500, 599, "Asia"),
    (600, 699, "Africa"),
    (700, 799, "Oceania"),
    (800, 999, "Not known"),
)
"""Areas of BPL's codes."""
