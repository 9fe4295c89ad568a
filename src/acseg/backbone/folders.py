"""From the name of a backbone to a folder with its checkpoint. Nothing here imports torch."""

import importlib.util
from importlib import resources
from pathlib import Path

from acseg.errors import BackboneError

WAIT_SECONDS = 5  # for the hub's first answer
SMALL_FILES = ["config.json", "preprocessor_config.json"]
SAFE_WEIGHTS = ["model*.safetensors", "model*.safetensors.index.json"]
PICKLE_WEIGHTS = "pytorch_model*.bin"  # never opened, as opening a pickle can run code


def checkpoint_folder(name: str) -> Path:
    """Find, or fetch, the folder that holds a backbone's config.json and weights.

    Parameters
    ----------
    name : str
        "bundled"; a folder; or a name on the Hugging Face hub ("facebook/dino-vits8",
        "timm/vit_small_patch16_224.dino", with or without "hf-hub:"). A hub name is looked up in
        the local cache first, then on the network, unless HF_HUB_OFFLINE is set.

    Raises
    ------
    BackboneError
        One line: what was tried, and what to do.
    """
    if name == "bundled":
        return bundled_folder()
    folder = named_folder(name)
    if folder is not None:
        if not has_checkpoint(folder):
            if any(folder.glob(PICKLE_WEIGHTS)):
                raise BackboneError(only_a_pickle(name))
            raise BackboneError(
                f"the folder {name} holds no backbone: expected config.json and model.safetensors, "
                "as save_pretrained of transformers or `hf download NAME --local-dir FOLDER` make"
            )
        return folder
    name = name.removeprefix("hf-hub:").removeprefix("hf_hub:")
    if looks_like_path(name):
        raise BackboneError(f"there is no folder {name}; {WHAT_ELSE}")
    if name.startswith("timm/"):
        need_timm(name)
    return cached_folder(name) or fetched_folder(name)


def named_folder(name: str) -> Path | None:
    """Return the folder of this name, None where there is none or the name can be none."""
    try:
        folder = Path(name).expanduser()
        return folder if folder.is_dir() else None
    except (OSError, ValueError, RuntimeError):  # too long, a NUL, the home of nobody
        return None


def only_a_pickle(name: str) -> str:
    """Put together the line about weights that are a pickle."""
    return (
        f"the weights of the backbone {name!r} are there only as a pickle (pytorch_model.bin), "
        "which could run code and is not opened. If you trust it, write them as safetensors once: "
        'python -c "from transformers import AutoModel as M; '
        f"M.from_pretrained({name!r}).save_pretrained('FOLDER')\", and give FOLDER as the backbone"
    )


WHAT_ELSE = (
    "give a folder with config.json and model.safetensors, a name on the Hugging Face hub such as "
    "facebook/dino-vits8, or 'bundled', which works offline"
)


def bundled_folder() -> Path:
    """Return the folder of the backbone that ships with the package.

    Raises
    ------
    BackboneError
        If this installation has none.
    """
    folder = Path(str(resources.files("acseg") / "bundled" / "backbone"))
    if not has_checkpoint(folder):
        raise BackboneError(
            f"this installation of acseg lacks its bundled backbone (expected in {folder}): "
            "install acseg again, or name another backbone, such as facebook/dino-vits8"
        )
    return folder


def has_checkpoint(folder: Path) -> bool:
    """Tell whether a folder holds a configuration and weights."""
    return (folder / "config.json").is_file() and any(folder.glob(SAFE_WEIGHTS[0]))


def looks_like_path(name: str) -> bool:
    """Tell whether a name that is no folder was meant as one rather than as a hub name."""
    strange = any(c in name for c in "\\:\0")  # a drive, an address, no name at all
    return strange or name.startswith((".", "/", "~")) or name.count("/") > 1 or not name


def need_timm(name: str) -> None:
    """Refuse a timm name where timm, or torchvision which timm imports, is not installed."""
    if importlib.util.find_spec("timm") is None:
        raise BackboneError(
            f"the backbone {name!r} needs timm, which is not installed: pip install timm"
        )
    if importlib.util.find_spec("torchvision") is None:
        raise BackboneError(
            f"the backbone {name!r} needs timm, and timm needs torchvision, which is not "
            "installed: pip install timm torchvision (a build that fits your torch)"
        )


def cached_folder(name: str) -> Path | None:
    """Return the folder of a hub name in the local cache, or None where it is not complete."""
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


def fetched_folder(name: str) -> Path:
    """Download a hub name into the local cache: small files and safetensors, nothing else.

    Raises
    ------
    BackboneError
        If the network is switched off or silent, or the hub does not hand the checkpoint out.
    """
    from huggingface_hub import constants, snapshot_download

    if constants.HF_HUB_OFFLINE:
        raise BackboneError(cannot_fetch(name, "the network is switched off by HF_HUB_OFFLINE"))
    try:
        folder = Path(
            snapshot_download(
                name, allow_patterns=SMALL_FILES + SAFE_WEIGHTS, etag_timeout=WAIT_SECONDS
            )
        )
    except Exception as error:  # the hub's client, its http library, the system
        raise BackboneError(cannot_fetch(name, why_not(error))) from error
    if not has_checkpoint(folder):
        raise BackboneError(f"on the hub, but without model*.safetensors: {only_a_pickle(name)}")
    return folder


def why_not(error: Exception) -> str:
    """Say in words why the hub did not hand out a checkpoint."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    if isinstance(error, GatedRepoError):
        return "the hub asks to accept its licence first (on its page there, then `hf auth login`)"
    if isinstance(error, RepositoryNotFoundError):
        return "the hub does not know it (or it is private: `hf auth login`)"
    cause = error.__cause__ or error
    return f"the hub could not be reached ({type(cause).__name__})"


def cannot_fetch(name: str, reason: str) -> str:
    """Put together the line about a hub name that is not to be had."""
    return (
        f"cannot load the backbone {name!r}: no such folder, not in the Hugging Face cache, and "
        f"{reason}. On a machine with a network: `hf download {name} --local-dir FOLDER`, then "
        "give FOLDER as the backbone. The bundled backbone ('bundled') works offline"
    )
