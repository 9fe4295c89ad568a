"""The Hugging Face hub and its cache on this machine. Nothing here imports torch."""

import threading
from pathlib import Path

from acseg.errors import BackboneError

WAIT_SECONDS = 3  # for the hub's first answer
SMALL_FILES = ["config.json", "preprocessor_config.json"]
SAFE_WEIGHTS = ["model*.safetensors", "model*.safetensors.index.json"]
PICKLE_WEIGHTS = "pytorch_model*.bin"  # never opened, as opening a pickle can run code
WHAT_ELSE = (
    "give a folder with config.json and model.safetensors, a name on the Hugging Face hub such as "
    "facebook/dinov2-small, or 'bundled', which works offline"
)


def has_checkpoint(folder: Path) -> bool:
    """Tell whether a folder holds a configuration and weights."""
    return (folder / "config.json").is_file() and any(folder.glob(SAFE_WEIGHTS[0]))


def cached_folder(name: str) -> Path | None:
    """Return the folder of a hub name in the Hugging Face cache, None where it is not complete.

    Raises
    ------
    BackboneError
        If the hub can have no such name.
    """
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        config = try_to_load_from_cache(name, "config.json")
    except HFValidationError as error:
        raise BackboneError(f"{name!r} is neither a folder nor a hub name; {WHAT_ELSE}") from error
    if not isinstance(config, str):
        return None
    folder = Path(config).parent
    return folder if has_checkpoint(folder) else None


def download(name: str, folder: Path | None = None) -> Path:
    """Download a hub name: small files and safetensors, nothing else.

    Parameters
    ----------
    name : str
        Such as "facebook/dinov2-small".
    folder : Path, optional
        Where to. Default: the Hugging Face cache.

    Returns
    -------
    Path
        The folder with config.json and model.safetensors.

    Raises
    ------
    BackboneError
        The reason alone, as a part of a sentence: the network is switched off or silent (noticed
        within three seconds), or the hub does not hand the checkpoint out.
    """
    from huggingface_hub import constants, snapshot_download

    if constants.HF_HUB_OFFLINE:
        raise BackboneError("the network is switched off by HF_HUB_OFFLINE")
    check_network()
    patterns = SMALL_FILES + SAFE_WEIGHTS
    try:
        found = snapshot_download(
            name, allow_patterns=patterns, etag_timeout=WAIT_SECONDS, local_dir=folder
        )
    except Exception as error:  # the hub's client, its http library, the system
        raise BackboneError(why_not(error)) from error
    if not has_checkpoint(Path(found)):
        raise BackboneError(
            f"it is on the hub, but without model*.safetensors: {only_a_pickle(name)}"
        )
    return Path(found)


def check_network() -> None:
    """Raise BackboneError where the hub does not answer at all within three seconds.

    In a thread of its own, as the look-up of a name has no time limit.
    """
    failed: list[Exception] = []

    def ask() -> None:
        from huggingface_hub import constants, get_session

        try:
            get_session().head(constants.ENDPOINT, timeout=WAIT_SECONDS)
        except Exception as error:  # noqa: BLE001  # the http library has errors of its own
            failed.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(WAIT_SECONDS)
    if thread.is_alive():
        raise BackboneError(f"the hub did not answer within {WAIT_SECONDS} seconds")
    if failed:
        raise BackboneError(why_not(failed[0]))


def why_not(error: Exception) -> str:
    """Say in words why the hub did not hand out a checkpoint."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    if isinstance(error, GatedRepoError):
        return "the hub asks to accept its licence first (on its page there, then `hf auth login`)"
    if isinstance(error, RepositoryNotFoundError):
        return "the hub does not know it (or it is private: `hf auth login`)"
    if isinstance(error, OSError) and error.strerror and not isinstance(error, ConnectionError):
        return f"it could not be written: {error.strerror}"  # a full disk
    cause = error.__cause__ or error
    return f"the hub could not be reached ({type(cause).__name__})"


def only_a_pickle(name: str) -> str:
    """Put together the line about weights that are a pickle."""
    return (
        f"the weights of the backbone {name!r} are there only as a pickle (pytorch_model.bin), "
        "which could run code and is not opened. `acseg backbones import pytorch_model.bin -o "
        "FOLDER` reads nothing but weights from one of DINO or DINOv2 and writes them as "
        "safetensors; give FOLDER as the backbone"
    )
