"""The errors that people see: one clear line each, naming what failed and what to do."""


class AcsegError(Exception):
    """Base of all errors that are about the user's input rather than about a fault in acseg."""


class ImageError(AcsegError):
    """A picture that cannot be read, or is too small or too large."""


class BackboneError(AcsegError):
    """A backbone that cannot be found, loaded or used."""


class ModelError(AcsegError):
    """A model folder that is missing, broken or of another format."""


class DataError(AcsegError):
    """A data set or a collection that does not hold what is needed."""
