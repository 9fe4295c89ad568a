"""Linear probe: how much a linear classifier reads out of region descriptors."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from acseg.classes.rows import Floats, Ints, check_labels, unit_rows
from acseg.errors import DataError


@dataclass(frozen=True)
class LinearProbe:
    """A fitted probe, as plain arrays that are safe to store.

    Attributes
    ----------
    weights : ndarray
        (C, D) float32.
    bias : ndarray
        (C,) float32.
    classes : ndarray
        (C,) int64 ascending: the class of each row.
    """

    weights: Floats
    bias: Floats
    classes: Ints

    def predict(self, descriptors: Any) -> tuple[Ints, Floats]:
        """Classify descriptors.

        Parameters
        ----------
        descriptors : array or CPU tensor
            (R, D); brought to length 1 first.

        Returns
        -------
        classes : ndarray
            (R,) int64.
        confidence : ndarray
            (R,) float32 in 0..1: the probability of the class.

        Raises
        ------
        DataError
            If the dimension is another than at the fit, or a number is not finite.
        """
        rows = unit_rows(descriptors)
        if rows.shape[1] != self.weights.shape[1]:
            raise DataError(
                f"expected descriptors of {self.weights.shape[1]} dimensions, not {rows.shape}"
            )
        scores = (rows @ self.weights.T + self.bias).astype(np.float64)  # (R, C)
        odds = np.exp(scores - scores.max(axis=1, keepdims=True))
        confidence = odds.max(axis=1) / odds.sum(axis=1)
        return self.classes[scores.argmax(axis=1)], confidence.astype(np.float32)


def fit_linear(
    descriptors: Any, labels: Any, *, strength: float = 10.0, iterations: int = 500
) -> LinearProbe:
    """Fit a multinomial logistic regression to labelled regions.

    scikit-learn's, with L2 penalty, on descriptors of length 1, for a fixed budget of L-BFGS
    steps: it stops earlier only when it has converged. There is no chance in it, so no seed.

    Parameters
    ----------
    descriptors : array or CPU tensor
        (R, D).
    labels : array
        (R,) integers.
    strength : float
        Inverse of the penalty (scikit-learn's C): 0.1 to 100. Rows of length 1 want more than
        scikit-learn's default of 1.
    iterations : int
        Steps at most: 100 to 2000.

    Returns
    -------
    LinearProbe
        Weights, bias and classes.

    Raises
    ------
    DataError
        If the labels do not fit, fewer than two classes are there, or a number is not finite.
    ValueError
        If `strength` is not positive or `iterations` is below 1.
    """
    if strength <= 0 or iterations < 1:
        raise ValueError(
            f"expected strength > 0 and iterations >= 1, not {strength} and {iterations}"
        )
    rows = unit_rows(descriptors)
    truth = check_labels(labels, len(rows))
    if len(np.unique(truth)) < 2:
        raise DataError(
            f"a linear probe needs regions of at least two classes, but all {len(truth)} regions "
            "given have the same; give more labelled images"
        )
    model = LogisticRegression(C=strength, max_iter=iterations, tol=1e-5)
    with warnings.catch_warnings():  # the budget is meant to end it
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(rows.astype(np.float64), truth)
    weights, bias = model.coef_, model.intercept_
    if len(weights) == 1:  # two classes: scikit-learn keeps the difference only
        weights, bias = np.concatenate([0 * weights, weights]), np.concatenate([0 * bias, bias])
    return LinearProbe(weights.astype(np.float32), bias.astype(np.float32), model.classes_)
