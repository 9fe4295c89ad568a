"""The conventions of scikit-learn: parameters that can be read, set and cloned."""

import inspect
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, Self

from sklearn.exceptions import NotFittedError

from acseg.bundle import fill_in
from acseg.errors import RunError
from acseg.settings import Settings

SETTINGS = tuple(field.name for field in fields(Settings))
# what a loaded backbone depends on
LOADED = ("backbone", "block", "stride", "device", "precision", "runtime")


class UnfittedError(RunError, NotFittedError):
    """A model that was asked for what only `fit` or `load` bring; scikit-learn knows it too."""


class Estimator:
    """What scikit-learn asks of an estimator, for a class that keeps its parameters in Settings.

    `sklearn.base.clone`, `Pipeline` and `GridSearchCV` work with it. It does not derive from
    scikit-learn's BaseEstimator: that one looks at every attribute to show an object, and so would
    load the backbone.
    """

    settings: Settings
    _filled: dict[str, Any]
    _backbone: Any

    @classmethod
    def _parameters(cls) -> tuple[str, ...]:
        """Names of all parameters: those of the constructor, then the other settings."""
        given = inspect.signature(cls.__init__).parameters.values()
        own = [p.name for p in given if p.name != "self" and p.kind is not p.VAR_KEYWORD]
        return (*own, *(name for name in SETTINGS if name not in own))

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Give the parameters as the constructor takes them.

        Parameters
        ----------
        deep : bool, default True
            Not used: no parameter is an estimator itself.

        Returns
        -------
        dict of str to value
            What was left open is None here, also where the bundled backbone has filled it in.
        """
        values = {}
        for name in self._parameters():
            values[name] = getattr(self.settings if name in SETTINGS else self, name)
            if name in self._filled and self._filled[name] == values[name]:
                values[name] = None
        return values

    def set_params(self, **parameters: Any) -> Self:
        """Change parameters; what was fitted stays until the next `fit`.

        Returns
        -------
        ACSeg
            This object.

        Raises
        ------
        RunError
            If a parameter is unknown or out of range; nothing is changed then. It is a ValueError
            too where the name is unknown, as in scikit-learn.
        """
        known = self._parameters()
        for name in parameters:
            if name not in known:
                raise ParameterError(f"no parameter {name!r}; there are {', '.join(known)}")
        told = self.get_params() | parameters
        told["backbone"] = str(told["backbone"])
        self.settings = replace(self.settings, **{name: told[name] for name in SETTINGS})
        self._filled = {}
        for name in known:
            if name not in SETTINGS:
                setattr(self, name, told[name])
        if any(name in LOADED for name in parameters):
            self._backbone = None
        elif self._backbone is not None:
            self._fill_in()
        return self

    def _fill_in(self) -> None:
        """Fill in the settings that were left open, and keep which they were."""
        told, self.settings = self.settings, fill_in(self.settings)
        for name in SETTINGS:
            if getattr(self.settings, name) != getattr(told, name):
                self._filled[name] = getattr(self.settings, name)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the backbone, which is loaded again where the object is unpickled."""
        return self.__dict__ | {"_backbone": None}

    def __sklearn_clone__(self) -> Self:
        """Make an unfitted model of the same parameters, for `sklearn.base.clone`."""
        return type(self)(**self.get_params())

    def __sklearn_is_fitted__(self) -> bool:
        """Say whether there are classes to predict."""
        return getattr(self, "generator_", None) is not None and (
            getattr(self, "centres_", None) is not None
        )

    def __sklearn_tags__(self) -> Any:
        """Say to scikit-learn: a clusterer of lists of paths, without targets."""
        from sklearn.utils import InputTags, Tags, TargetTags

        return Tags(
            estimator_type="clusterer",
            target_tags=TargetTags(required=False),
            input_tags=InputTags(one_d_array=True, two_d_array=False, string=True),
            no_validation=True,
        )

    def __repr__(self) -> str:
        defaults = self._defaults()
        told = self.get_params().items()
        changed = [f"{name}={value!r}" for name, value in told if value != defaults[name]]
        return f"{type(self).__name__}({', '.join(changed)})"

    @classmethod
    def _defaults(cls) -> dict[str, Any]:
        given: Callable[..., Any] = cls.__init__
        own = {name: p.default for name, p in inspect.signature(given).parameters.items()}
        return {field.name: field.default for field in fields(Settings)} | own


class ParameterError(RunError, ValueError):
    """A parameter that there is not."""
