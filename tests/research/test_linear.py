import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from acseg.errors import DataError
from research.linear import fit_linear


def labelled(classes, rows=120, dim=6, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, rows)
    return rng.normal(size=(classes, dim))[truth] + 0.5 * rng.normal(size=(rows, dim)), truth


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_probe_is_logistic_regression_on_unit_rows(classes):
    rows, truth = labelled(classes)
    truth = truth * 3 + 1  # class ids with gaps
    probe = fit_linear(rows, truth, strength=5.0)
    found, confidence = probe.predict(torch.from_numpy(rows * 100))
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    plain = LogisticRegression(C=5.0, max_iter=1000, tol=1e-8).fit(unit, truth)
    assert (found == plain.predict(unit)).mean() > 0.99
    np.testing.assert_allclose(confidence, plain.predict_proba(unit).max(axis=1), atol=2e-2)
    assert (found == truth).mean() > 0.9
    assert probe.weights.shape == (classes, 6)
    assert probe.classes.tolist() == [3 * c + 1 for c in range(classes)]
    assert found.dtype == np.int64


def test_same_data_same_bytes():
    rows, truth = labelled(3)
    first, second = fit_linear(rows, truth), fit_linear(rows, truth)
    assert first.weights.tobytes() == second.weights.tobytes()


def test_the_budget_is_kept_without_a_warning(recwarn):
    rows, truth = labelled(3)
    short = fit_linear(rows, truth, iterations=1)
    full = fit_linear(rows, truth)
    assert np.abs(short.weights - full.weights).max() > 0.1
    assert len(recwarn) == 0


def test_errors_name_what_is_wrong():
    rows, truth = labelled(2)
    with pytest.raises(DataError, match="two classes"):
        fit_linear(rows, np.zeros(len(rows), dtype=int))
    with pytest.raises(DataError, match="120 whole numbers"):
        fit_linear(rows, truth[1:])
    with pytest.raises(ValueError, match="strength"):
        fit_linear(rows, truth, strength=0)
    with pytest.raises(ValueError, match="iterations"):
        fit_linear(rows, truth, iterations=0)
    with pytest.raises(DataError, match="6 dimensions"):
        fit_linear(rows, truth).predict(rows[:, :4])
