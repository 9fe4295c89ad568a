"""From photographs to a backbone folder: settings, reading, training, probing."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from acseg.backbone.families import family_of
from acseg.backbone.folders import checkpoint_folder
from acseg.backbone.load import read_json, read_model
from acseg.backbone.precision import choose_device
from acseg.errors import BackboneError, DataError
from acseg.images.walk import find_images
from acseg.output.atomic import remove_partials
from acseg.output.lock import locked
from acseg.pretraining.loop import pretrain
from acseg.pretraining.photos import load_photos, read_photos
from acseg.pretraining.probe import probe_folder, probe_pairs
from acseg.pretraining.settings import PretrainSettings, read_settings
from acseg.training.group import join_group, own_device

Progress = Callable[[str, int, int, str], None]


def pretrain_collection(
    inputs: Sequence[str | Path],
    out: Path,
    *,
    settings: Path | None = None,
    start: str | None = None,
    changes: dict[str, Any] | None = None,
    workers: int = 2,
    probes: Sequence[Path] = (),
    device: str = "auto",
    progress: Progress = lambda task, done, of, note: None,
) -> list[tuple[str, str]]:
    """Pre-train a backbone on the photographs of INPUT.

    Parameters
    ----------
    inputs : sequence of path
        Files, folders, globs.
    out : Path
        Hugging Face folder to write; a killed call goes on from out/state.
    settings : Path, optional
        TOML file with a table ``[pretrain]``. Default: `PretrainSettings`.
    start : str, optional
        "bundled" or a folder of a ViT to continue from. Default: from scratch.
    changes : dict, optional
        Settings that override the file; None leaves one as it is.
    workers : int
        Processes that over-segment.
    probes : sequence of Path
        Folders with images/ and masks/ that are scored at each checkpoint, never trained on.
    device : str
    progress : callable
        Told (task, done, of, note).

    Returns
    -------
    list of (path, reason)
        Photographs that could not be read.

    Raises
    ------
    DataError
        If no photograph can be read, settings or probes are wrong, or another call writes `out`.
    BackboneError
        If `start` is no plain ViT.
    RunError
        If `out` holds a checkpoint that is broken, of other settings, or of more steps.
    """
    chosen = PretrainSettings(**(read_settings(settings) if settings else {}))
    chosen = replace(chosen, **{k: v for k, v in (changes or {}).items() if v is not None})
    vit = None if start is None else open_vit(start)
    for folder in probes:
        probe_pairs(folder)  # what is wrong with one is said before the long work, not after
    device = own_device(device)
    group = join_group(choose_device(device))
    if not group.first:
        if group.tell():
            photos = read_photos(out / "state" / "photos.safetensors")
            pretrain(photos, out, chosen, start=vit, device=device, group=group)
        return []
    sources, missing = find_images(inputs, exclude=[out])
    with locked(out / "state" / "lock"):
        remove_partials(out)
        remove_partials(out / "state")
        photos, unread = load_photos(
            [s.path for s in sources],
            out / "state" / "photos.safetensors",
            workers=workers,
            progress=lambda done, of: progress("finding regions", done, of, ""),
        )
        failed = [(f.path, f.reason) for f in missing]
        failed += unread
        if len(photos.aspect) == 0:
            reasons = "; ".join(f"{path}: {reason}" for path, reason in failed)
            raise DataError(f"no photograph could be read. {reasons}".strip())

        def show(step: int, steps: int, losses: dict[str, float]) -> None:
            note = ", ".join(f"{name} {value:.3f}" for name, value in losses.items())
            progress("pre-training", step, steps, note)

        group.tell(True)
        pretrain(
            photos,
            out,
            chosen,
            start=vit,
            device=device,
            group=group,
            probe=(lambda folder: _probe(folder, probes, device)) if probes else None,
            progress=show,
        )
    return failed


def open_vit(name: str) -> Any:
    """Open a plain ViT (model_type vit) to continue from, with its weights in float32."""
    folder = checkpoint_folder(name)
    kind = read_json(folder / "config.json").get("model_type")
    if kind != "vit":
        raise BackboneError(
            f"pre-training continues from a plain ViT (model_type vit), and {name!r} is of type "
            f"{kind!r}"
        )
    return read_model(folder, name, "vit", family_of("vit", name))


def _probe(backbone: Path, folders: Sequence[Path], device: str) -> dict[str, float]:
    """Score the backbone written so far on every probe folder."""
    return {f.name: round(probe_folder(str(backbone), f, device=device), 4) for f in folders}
