import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone, is_clusterer
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from acseg import ACSeg, Segmentation
from acseg.errors import DataError, ModelError
from acseg.images.batch import to_tensor
from acseg.images.read import read_image
from acseg.model.settings import NAMES

Photos = Callable[..., Path]


@pytest.fixture
def paths(photos: Photos, tmp_path: Path) -> list[str]:
    folder = photos(tmp_path / "photos", [f"{n}.png" for n in range(6)])
    return sorted(str(path) for path in folder.iterdir())


def test_parameters_are_those_of_the_constructor_and_come_back() -> None:
    given: dict[str, Any] = {"backbone": "some/vit", "n_classes": 8, "device": "cpu", "concepts": 3}
    model = ACSeg(**given)
    parameters = model.get_params()
    assert given.items() <= parameters.items()
    assert set(parameters) >= (set(NAMES) - {"seed"}) | {"device", "random_state"}
    assert parameters == ACSeg(**parameters).get_params() == model.get_params(deep=False)


def test_clone_is_new_and_not_fitted(tiny_run: Path) -> None:
    model = ACSeg.from_pretrained(tiny_run, device="cpu", precision="float32")
    other = clone(model)
    assert isinstance(other, ACSeg)
    assert other is not model
    assert other.get_params() == model.get_params()
    assert other.centres_ is None
    check_is_fitted(model)
    with pytest.raises(NotFittedError):
        check_is_fitted(other)


def test_clone_keeps_tuples() -> None:
    model = ACSeg(bands=(4, 3, 2), stretch=(2.0, 98.0), tile="auto")
    assert clone(model).settings == model.settings


def test_set_params_changes_and_returns_itself() -> None:
    model = ACSeg()
    assert model.set_params(concepts=3, device="cpu") is model
    assert (model.settings.dividing.concepts, model.device) == (3, "cpu")
    assert model.set_params() is model
    assert ACSeg(concepts=3, device="cpu").get_params() == model.get_params()


def test_a_wrong_parameter_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="concepts must be"):
        ACSeg(concepts=0)
    with pytest.raises(ValueError, match="Invalid parameter 'colour'"):
        ACSeg().set_params(colour=1)
    with pytest.raises(TypeError, match="colour"):
        ACSeg(colour=1)  # type: ignore[call-arg]


def test_what_the_bundled_backbone_fills_in_is_still_open() -> None:
    model = ACSeg("bundled", stride=8, device="cpu")
    assert (model.settings.encoding.side, model.settings.encoding.stride) == (160, 8)
    assert model.get_params()["side"] is None
    model.set_params(side=72)
    assert (model.settings.encoding.side, model.get_params()["side"]) == (72, 72)


def test_another_backbone_is_loaded_after_set_params(
    tiny_settings: dict[str, Any], tiny_backbone: Path
) -> None:
    model = ACSeg(**tiny_settings)
    first = model.pipeline.backbone
    assert model.set_params(steps=3).pipeline.backbone is first
    assert model.set_params(blocks=1).pipeline.backbone is not first
    assert model.pipeline.backbone.blocks == (1,)
    for change in ({"device": "auto"}, {"precision": "auto"}, {"runtime": "auto"}):
        second = model.pipeline.backbone
        assert model.set_params(**change).pipeline.backbone is not second
    model.set_params(backbone=tiny_backbone)
    assert model.settings.encoding.backbone == str(tiny_backbone)


def test_the_text_shows_what_differs_from_the_defaults(tiny_run: Path) -> None:
    assert repr(ACSeg()) == "ACSeg()"
    model = ACSeg("a/b", n_classes=4, random_state=1)
    assert repr(model) == "ACSeg(backbone='a/b', n_classes=4, random_state=1)"
    again = eval(repr(model), {"ACSeg": ACSeg})
    assert again.get_params() == model.get_params()


def test_what_is_not_fitted_says_so_to_scikit_learn(
    tiny_settings: dict[str, Any], paths: list[str]
) -> None:
    model = ACSeg(**tiny_settings)
    with pytest.raises(NotFittedError, match="`fit`") as caught:
        model.predict(paths[0])
    assert isinstance(caught.value, ModelError)


def test_tags() -> None:
    tags = get_tags(ACSeg())
    assert is_clusterer(ACSeg())
    assert tags.input_tags.string
    assert not tags.target_tags.required


def test_fit_predict_and_names_of_an_earlier_fit(
    tiny_settings: dict[str, Any], paths: list[str]
) -> None:
    model = ACSeg(**tiny_settings)
    model.names_ = {1: "old"}
    results = model.fit_predict(paths)
    assert [type(result) for result in results] == [Segmentation] * 6
    assert model.names_ == {}
    again = ACSeg(**tiny_settings).fit(paths, [0] * 6).predict(np.array(paths))
    for one, other in zip(results, again, strict=True):
        np.testing.assert_array_equal(one.labels, other.labels)


def plain_modularity(x: torch.Tensor, c: torch.Tensor) -> float:
    """The equations of the paper as they stand, for one picture: (N, D), (k, D)."""
    x, c = x / x.norm(dim=1, keepdim=True), c / c.norm(dim=1, keepdim=True)
    affinity = (x @ x.T).clamp(min=0)
    degree, total = affinity.sum(1), affinity.sum()
    soft = (x @ c.T).clamp(min=0)
    delta = (soft[:, None] * soft[None]).amax(2)
    return float(((affinity - degree[:, None] * degree[None] / total) * delta).sum() / total)


def test_score_is_the_mean_modularity(tiny_run: Path, paths: list[str]) -> None:
    model = ACSeg.from_pretrained(tiny_run, device="cpu", precision="float32")
    wanted = []
    for path in paths:
        image = to_tensor(read_image(path), side=model.pipeline.side, multiple=8)[None]
        (found,) = model.pipeline.concepts(image)
        assert found is not None
        tokens = model.pipeline.encode(image).tokens[0]
        wanted.append(plain_modularity(tokens, found.division.means(0.5)))
    assert model.score(paths) == pytest.approx(np.mean(wanted), abs=1e-5)
    assert model.score([paths[2]]) == pytest.approx(wanted[2], abs=1e-5)
    with pytest.raises(DataError, match="no picture"):
        model.score([])


def test_grid_search(tiny_settings: dict[str, Any], paths: list[str]) -> None:
    base = ACSeg(**tiny_settings | {"n_classes": 2, "steps": 2})
    data = np.array(paths[:4])
    search = GridSearchCV(base, {"concepts": [2, 4]}, cv=2, error_score="raise").fit(data)
    assert search.best_params_["concepts"] in (2, 4)
    best = search.best_estimator_
    assert best.generator_.prototypes.shape[0] == best.settings.dividing.concepts
    assert search.score(paths[4:]) == best.score(paths[4:])
    scores = search.cv_results_["mean_test_score"]
    assert np.isfinite(scores).all()


def test_pipeline(tiny_settings: dict[str, Any], paths: list[str]) -> None:
    reverse = FunctionTransformer(lambda given: given[::-1])
    line = Pipeline([("reverse", reverse), ("model", ACSeg(**tiny_settings))])
    line.set_params(model__n_classes=2)
    results = line.fit(paths[:3]).predict(paths[:3])
    np.testing.assert_array_equal(results[0].image, read_image(paths[2]))
    assert line["model"].settings.classifying.n_classes == 2
    assert line.score(paths[:2]) == pytest.approx(line["model"].score(paths[:2]), abs=1e-6)
    assert "ACSeg" in line._repr_html_()


def test_a_fitted_model_can_be_pickled(tiny_run: Path, paths: list[str]) -> None:
    model = ACSeg.from_pretrained(tiny_run, device="cpu", precision="float32")
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(paths[1]).labels, model.predict(paths[1]).labels)


def test_looking_at_a_model_does_not_load_the_backbone() -> None:
    code = (
        "from acseg import ACSeg; m = ACSeg('nobody/none'); repr(m), dir(m), m.get_params();"
        "from sklearn.base import clone; clone(m); assert m._pipeline is None"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
