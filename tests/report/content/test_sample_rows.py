from __future__ import annotations

from debias.report.markdown import to_markdown
from debias.report.values.report import SampleInfo, SampleStratum
from tests.report import examples


def test_a_sample_is_stated_with_its_strata() -> None:
    plain = examples.report()
    strata = [
        SampleStratum(groups=["Female"], label=1, rows=1, of=2),
        SampleStratum(groups=[None], label=0, rows=2333, of=46_660),
    ]
    sample = SampleInfo(rows=2334, of=46_662, by=["sex", "race"], strata=strata)
    report = plain.model_copy(update={"rows": plain.rows.model_copy(update={"sample": sample, "verdict": 44_328})})
    text = to_markdown(report)
    assert "verdict: 44,328 rows of --data, all that are not in the sample" in text
    assert "sample of --data: 2,334 of 46,662 rows, stratified by sex, race, label" in text
    assert "of a stratum 5% to 50% of its rows" in text
    from_test = report.rows.model_copy(update={"verdict_from": "test"})
    assert "44,328 rows of --test" in to_markdown(report.model_copy(update={"rows": from_test}))
    assert "sample of" not in to_markdown(plain)
