from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from acseg.backbone.features import Features
from acseg.classes.text import TextPixels
from acseg.errors import DataError
from acseg.experiments.classifiers import (
    ByClusters,
    ByLinearProbe,
    ByRetrieval,
    ByText,
    Described,
)
from acseg.experiments.conceptualizers import from_labels

IMAGE = torch.zeros(1, 3, 16, 24)
NOTHING: Any = None


def groups(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Thirty descriptors about three directions, and which of them each is about."""
    random = np.random.default_rng(seed)
    labels = np.arange(30) % 3
    rows = np.eye(3)[labels] + random.normal(0, 0.05, (30, 3))
    return rows.astype(np.float32), labels.astype(np.int64)


@pytest.mark.parametrize("classifier", [ByRetrieval(1), ByRetrieval(5), ByLinearProbe()])
def test_labelled_regions_give_the_classes_of_the_data_set(classifier: Any) -> None:
    rows, labels = groups()
    unknown = labels.copy()
    unknown[:6] = 255  # must not be learned
    classifier.fit(Described(rows, labels=unknown))
    queries, truth = groups(1)
    found = classifier.classify(Described(queries), NOTHING, IMAGE)
    assert classifier.knows_classes
    np.testing.assert_array_equal(found, truth)


@pytest.mark.parametrize("classifier", [ByRetrieval(), ByLinearProbe()])
def test_labels_are_needed_where_they_are_used(classifier: Any) -> None:
    with pytest.raises(DataError, match="need labelled regions"):
        classifier.fit(Described(groups()[0]))


def test_a_probe_that_was_not_fitted_says_so() -> None:
    with pytest.raises(DataError, match="not been fitted"):
        ByLinearProbe().classify(Described(groups()[0]), NOTHING, IMAGE)


def test_clusters_keep_groups_together_without_labels() -> None:
    rows, labels = groups()
    classifier = ByClusters(3)
    classifier.fit(Described(rows))
    found = classifier.classify(Described(rows), NOTHING, IMAGE)
    assert not classifier.knows_classes
    assert sorted({(a, b) for a, b in zip(found, labels, strict=True)})[::1] == sorted(
        {(found[i], labels[i]) for i in range(3)}
    )


def test_background_is_class_0_and_no_centre_is_spent_on_it() -> None:
    rows, labels = groups()
    foreground = labels != 2
    classifier = ByClusters(3)
    classifier.fit(Described(rows, foreground=foreground))
    found = classifier.classify(Described(rows, foreground=foreground), NOTHING, IMAGE)
    assert classifier.centres is not None
    assert len(classifier.centres) == 2
    np.testing.assert_array_equal(found == 0, labels == 2)


def test_text_gives_each_region_the_nearest_name() -> None:
    grid = (2, 3)
    labels = torch.tensor([0, 1, 1, 0, 1, 1])
    features = Features(torch.rand(1, 6, 4), grid, torch.rand(1, 6))
    joint = F.one_hot(torch.tensor([2, 0, 0, 2, 0, 0]), 3).float()[None]  # (1, 6, 3)
    model = SimpleNamespace(
        patch=8,
        scale=100.0,
        embed_names=lambda names: torch.eye(3)[: len(names)],
        pixels=lambda image: TextPixels(joint, grid),
    )
    classifier = ByText(model, ["sky", "road", "car"])  # type: ignore[arg-type]
    classifier.fit(Described(np.zeros((0, 1), np.float32)))
    found = classifier.classify(
        Described(np.zeros((2, 4), np.float32)), from_labels(features, labels), IMAGE
    )
    np.testing.assert_array_equal(found, [2, 0])
