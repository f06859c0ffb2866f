"""Codes of the American Community Survey's person records, 2018 (PUMS data dictionary of the US Census Bureau)."""

from __future__ import annotations

SEX = {1: "Male", 2: "Female"}

MARITAL = {1: "Married", 2: "Widowed", 3: "Divorced", 4: "Separated", 5: "Never married"}

RACE = {
    1: "White",
    2: "Black or African American",
    3: "American Indian",
    4: "Alaska Native",
    5: "American Indian or Alaska Native, tribe not specified",
    6: "Asian",
    7: "Native Hawaiian or Pacific Islander",
    8: "Some other race",
    9: "Two or more races",
}

CLASS_OF_WORKER = {
    1: "Private company",
    2: "Private not-for-profit",
    3: "Local government",
    4: "State government",
    5: "Federal government",
    6: "Self-employed, not incorporated",
    7: "Self-employed, incorporated",
    8: "Without pay, family business",
    9: "Unemployed",
}

SCHOOLING = {
    1: "None",
    2: "Nursery school",
    3: "Kindergarten",
    **{code: f"Grade {code - 3}" for code in range(4, 15)},
    15: "Grade 12, no diploma",
    16: "High school diploma",
    17: "GED",
    18: "College, less than 1 year",
    19: "College, no degree",
    20: "Associate's degree",
    21: "Bachelor's degree",
    22: "Master's degree",
    23: "Professional degree",
    24: "Doctorate",
}

RELATIONSHIP = {
    0: "Reference person",
    1: "Spouse",
    2: "Biological child",
    3: "Adopted child",
    4: "Stepchild",
    5: "Sibling",
    6: "Parent",
    7: "Grandchild",
    8: "Parent-in-law",
    9: "Child-in-law",
    10: "Other relative",
    11: "Roomer or boarder",
    12: "Housemate or roommate",
    13: "Unmarried partner",
    14: "Foster child",
    15: "Other nonrelative",
    16: "Institutional quarters",
    17: "Noninstitutional quarters",
}

BIRTHPLACES = (
    (1, 59, "United States"),
    (60, 99, "US island areas"),
    (100, 199, "Europe"),
    (200, 299, "Asia"),
    (300, 302, "Canada or Bermuda"),
    (303, 303, "Mexico"),
    (304, 399, "Other Americas"),
    (400, 499, "Africa"),
    (500, 554, "Oceania or at sea"),
)
"""Areas of POBP's codes."""
