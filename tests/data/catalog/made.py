"""Small made-up files in the form of the official ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

ADULT_TRAIN = """\
39, State-gov, 77516, Bachelors, 13, Never-married, Adm-clerical, Not-in-family, White, Male, 2174, 0, 40, Cuba, <=50K
30, Private, 215646, HS-grad, 9, Married-AF-spouse, Sales, Wife, Black, Female, 0, 0, 40, ?, >50K
31, ?, 100, HS-grad, 9, Divorced, ?, Unmarried, Other, Female, 0, 0, 20, Cuba, <=50K
31, ?, 100, HS-grad, 9, Divorced, ?, Unmarried, Other, Female, 0, 0, 20, Cuba, <=50K
46, Private, 200, Masters, 14, Married-civ-spouse, Craft-repair, Husband, White, Male, 0, 0, 45, United-States, >50K

"""
ADULT_TEST = """\
|1x3 Cross validator
25, Private, 226802, 11th, 7, Never-married, Machine-op-inspct, Own-child, Black, Male, 0, 0, 40, United-States, <=50K.
45, Private, 89814, HS-grad, 9, Widowed, Farming-fishing, Husband, White, Male, 0, 0, 50, United-States, >50K.

"""
ADULT_COLUMNS = [
    *("age", "workclass", "fnlwgt", "education", "education-num", "marital-status", "occupation", "relationship"),
    *("race", "sex", "capital-gain", "capital-loss", "hours-per-week", "native-country", "income"),
]


def adult(folder: Path) -> Path:
    (folder / "adult.data").write_text(ADULT_TRAIN)
    (folder / "adult.test").write_text(ADULT_TEST)
    return folder


BANK_FULL = """\
"age";"job";"marital";"education";"default";"balance";"housing";"loan";"contact";"day";"month";"duration";"campaign";"pdays";"previous";"poutcome";"y"
58;"management";"married";"tertiary";"no";2143;"yes";"no";"unknown";5;"may";261;1;-1;0;"unknown";"no"
44;"admin.";"single";"secondary";"no";-29;"yes";"no";"cellular";5;"may";151;1;-1;0;"failure";"yes"
"""
BANK_ADDITIONAL = """\
"age";"job";"marital";"education";"default";"housing";"loan";"contact";"month";"day_of_week";"duration";"campaign";"pdays";"previous";"poutcome";"emp.var.rate";"cons.price.idx";"cons.conf.idx";"euribor3m";"nr.employed";"y"
56;"housemaid";"married";"basic.4y";"no";"no";"no";"telephone";"may";"mon";261;1;999;0;"nonexistent";1.1;93.994;-36.4;4.857;5191;"no"
24;"services";"single";"high.school";"unknown";"no";"no";"telephone";"may";"mon";149;1;999;0;"nonexistent";1.1;93.994;-36.4;4.857;5191;"yes"
30;"admin.";"single";"basic.9y";"no";"no";"no";"cellular";"jun";"fri";55;2;3;1;"success";-1.8;92.893;-46.2;1.299;5099.1;"yes"
"""


def bank(folder: Path) -> Path:
    (folder / "bank-full.csv").write_text(BANK_FULL)
    (folder / "bank-additional-full.csv").write_text(BANK_ADDITIONAL)
    return folder


# as ProPublica ships it: names with commas, decile_score and priors_count twice
COMPAS = """\
id,name,dob,sex,age,age_cat,race,juv_fel_count,decile_score,juv_misd_count,juv_other_count,priors_count,days_b_screening_arrest,c_case_number,c_charge_degree,c_charge_desc,is_recid,decile_score,score_text,priors_count,two_year_recid
1,"roe, max",1950-01-01,Male,69,Greater than 45,Other,0,1,0,0,0,-1,00000001,F,Aggravated Assault w/Firearm,0,1,Low,0,0
2,"doe, ""jo"" b",1980-01-01,Female,34,25 - 45,African-American,0,3,0,0,0,-1,00000002,F,Battery,1,3,Low,0,1
3,ed,1990-01-01,Male,24,Less than 25,Caucasian,0,4,0,1,4,-31,00000003,M,Possession of Cocaine,1,4,Medium,4,1
4,al,1990-01-01,Male,24,Less than 25,Caucasian,0,4,0,1,4,,00000004,M,,0,4,N/A,4,0
"""


def compas(folder: Path) -> Path:
    path = folder / "compas-scores-two-years.csv"
    path.write_text(COMPAS)
    return path


LAW = """\
decile1b,decile3,lsat,ugpa,zfygpa,zgpa,fulltime,fam_inc,male,tier,race,pass_bar
10.0,10.0,44.0,3.5,1.33,1.88,1.0,5.0,0.0,4.0,White,1.0
5.0,4.0,29.5,3.5,-0.11,-0.57,2.0,4.0,1.0,2.0,Black,0.0
"""

ACS_COLUMNS = ("AGEP", "COW", "SCHL", "MAR", "OCCP", "POBP", "RELP", "WKHP", "SEX", "RAC1P", "PINCP", "PWGTP")
ACS_ROWS = (
    # kept
    (17, 1, 16, 5, 10, 6, 2, 20, 1, 1, 50_000, 3),
    (30, 6, 21, 1, 960, 303, 0, 40, 2, 2, 50_001, 9),
    (31, 3, 24, 3, 1005, 210, 1, 60, 1, 6, 120_000, 1),
    (46, 8, 1, 2, 9830, 554, 17, 99, 2, 9, 101, 2),
    # too young; no hours; too little income; no income; no weight
    (16, 1, 14, 5, 4720, 6, 2, 20, 1, 1, 60_000, 3),
    (40, 1, 16, 5, 4720, 6, 2, "", 1, 1, 60_000, 3),
    (40, 1, 16, 5, 4720, 6, 2, 40, 1, 1, 100, 3),
    (40, 1, 16, 5, 4720, 6, 2, 40, 1, 1, "", 3),
    (40, 1, 16, 5, 4720, 6, 2, 40, 1, 1, 60_000, 0),
)


def acs(folder: Path, name: str = "psam_p06.csv", rows: tuple[tuple[object, ...], ...] = ACS_ROWS) -> Path:
    frame = pd.DataFrame(rows, columns=list(ACS_COLUMNS), dtype=object)
    frame.insert(0, "SERIALNO", "2018GQ0000049")
    frame.insert(3, "FOD1P", "")
    path = folder / name
    frame.to_csv(path, index=False)
    return path


IPUMS_ROWS = {
    "YEAR": [2006, 2006, 2006, 2006, 2006, 2006, 2005],
    "PERWT": [10, 20, 5, 7, 7, 7, 1],
    "AGE": [17, 30, 46, 16, 50, 60, 50],
    "SEX": [1, 2, 1, 1, 2, 2, 2],
    "RACE": [1, 4, 8, 1, 2, 2, 2],
    "MARST": [6, 1, 4, 6, 5, 5, 5],
    "EDUC": [6, 10, 11, 4, 7, 7, 7],
    "UHRSWORK": [20, 40, 60, 20, 0, 40, 40],
    "INCTOT": [50_000, 50_001, 90_000, 900, 70_000, 9_999_999, 70_000],
    "OCC1990": [22, 407, 999, 275, 275, 275, 275],
    "HISPAN": [0, 1, 4, 0, 0, 0, 0],
    "RELATE": [3, 1, 2, 3, 1, 1, 1],
    "CLASSWKR": [2, 1, 2, 2, 2, 2, 2],
    "WKSWORK1": [52, 50, 10, 5, 0, 5, 5],
    "BPL": [6, 500, 200, 6, 6, 6, 6],
    "CITIZEN": [0, 2, 3, 0, 0, 0, 0],
    "NCHILD": [0, 2, 1, 0, 0, 0, 0],
}


def ipums(folder: Path, name: str = "usa_00001.csv", **changed: list[int] | None) -> Path:
    columns = {key: value for key, value in (IPUMS_ROWS | changed).items() if value is not None}
    path = folder / name
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


LENGTHS = ("", "1 day", "3 days", "6 days", "1- 2 weeks", "8-12 weeks", "26+ weeks")
MONTHS = (
    *("0- 1 month", "1- 2 months", "2- 3 months", "3- 4 months", "4- 5 months", "5- 6 months", "6- 7 months"),
    *("7- 8 months", "8- 9 months", "9-10 months", "10-11 months", "11-12 months"),
)
AGES = ("0-9", "20-29", "30-39", "40-49", "60-69", "70-79", "80+", "")


def heritage(folder: Path, members: int = 40, claims: int = 600, seed: int = 0) -> Path:
    """Write the five files; member 1000 has days in hospital, but no claim with a provider in Y1."""
    rng = np.random.default_rng(seed)
    identifiers = rng.permutation(np.arange(1000, 1000 + members))
    pd.DataFrame(
        {
            "MemberID": identifiers,
            "AgeAtFirstClaim": rng.choice(AGES, members),
            "Sex": rng.choice(["M", "F", ""], members),
        }
    ).to_csv(folder / "Members.csv", index=False)

    def some(values: list[str]) -> np.ndarray:
        return rng.choice(values, claims)

    table = pd.DataFrame(
        {
            "MemberID": rng.integers(1000, 1000 + members, claims),
            "ProviderID": some(["7053364", "1076052", "321261", "98", ""]),
            "Vendor": some(["122401", "35565", "52168", ""]),
            "PCP": some(["5300", "1303", "37796", ""]),
            "Year": some(["Y1", "Y1", "Y2", "Y3"]),
            "Specialty": some(["Internal", "Laboratory", "General Practice", ""]),
            "PlaceSvc": some(["Office", "Urgent Care", "Inpatient Hospital", ""]),
            "PayDelay": some(["0", "28", "61", "162+", ""]),
            "LengthOfStay": some(list(LENGTHS)),
            "DSFS": some([*MONTHS, ""]),
            "PrimaryConditionGroup": some(["MSC2a3", "METAB3", "ARTHSPIN", ""]),
            "CharlsonIndex": some(["0", "1-2", "3-4", "5+"]),
            "ProcedureGroup": some(["EM", "PL", "MED", ""]),
            "SupLOS": some(["0", "0", "1"]),
        }
    )
    table.loc[(table["MemberID"] == 1000) & (table["Year"] == "Y1"), "ProviderID"] = ""
    table.to_csv(folder / "Claims.csv", index=False)
    for year in ("Y2", "Y3"):
        some_members = np.concatenate(
            [[1000], rng.choice(np.arange(1001, 1000 + members), members // 2, replace=False)]
        )
        days = {
            "MemberID": some_members,
            "ClaimsTruncated": 0,
            "DaysInHospital": rng.integers(0, 16, len(some_members)),
        }
        pd.DataFrame(days).to_csv(folder / f"DaysInHospital_{year}.csv", index=False)
    for name, top in (("Drug", "7+"), ("Lab", "10+")):
        entries = {
            "MemberID": rng.integers(1000, 1000 + members, claims // 3),
            "Year": rng.choice(["Y1", "Y2", "Y3"], claims // 3),
            "DSFS": rng.choice(MONTHS, claims // 3),
            f"{name}Count": rng.choice(["1", "2", top], claims // 3),
        }
        pd.DataFrame(entries).to_csv(folder / f"{name}Count.csv", index=False)
    return folder
