"""Whether a name ends in .csv or .CSV is the same, whoever writes."""

from types import SimpleNamespace

import pandas as pd
import pytest
import xarray as xr

from kmodels.core.spec.errors import UserError
from kmodels.metasurface.evaluation.prediction import Spectra
from kmodels.plume.evaluation.prediction import Forecast
from kmodels.precip.evaluation.prediction import Ensemble


def test_capitals_in_the_name_of_a_prediction(tmp_path):
    table = SimpleNamespace(table=lambda: pd.DataFrame({"a": [1]}))
    Spectra.write(table, tmp_path / "V.CSV")
    assert pd.read_csv(tmp_path / "V.CSV")["a"].tolist() == [1]
    maps = xr.Dataset({"pr": (("t", "r", "y", "x"), [[[[1.0]]]])})
    days = SimpleNamespace(dataset=lambda: maps, days=SimpleNamespace(domain=SimpleNamespace(shape=(1, 1))))
    Ensemble.write(days, tmp_path / "V.NC")
    assert (tmp_path / "V.NC").stat().st_size > 0


@pytest.mark.parametrize("kind", [Spectra, Forecast, Ensemble])
def test_other_names_are_refused(kind, tmp_path):
    with pytest.raises(UserError, match=r"V\.txt: .* written as \."):
        kind.write(SimpleNamespace(), tmp_path / "V.txt")
