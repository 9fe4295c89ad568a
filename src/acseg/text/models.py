"""Text: a region takes the class whose name a text-image model (CLIP, SigLIP) finds nearest.

A class name, put into several prompts, becomes one vector of the joint space of text and image.
A region becomes one by the mean of the model's tokens inside it (ACSeg, CVPR 2023,
concept classification with text). Such a model is trained on whole images only. As in MaskCLIP
(ECCV 2022), its tokens are had by letting each attend to itself alone in the last block: the value
path, out_proj(v_proj(LayerNorm(x))), without the attention that mixes places, and here without
the residual and the feed-forward too. CLIP's then pass the last LayerNorm and the projection;
SigLIP's pass its pooling head one by one, which for a single token is the head's own value path.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from acseg.backbone.precision import choose_device
from acseg.backbone.quiet import quiet_transformers
from acseg.errors import BackboneError

PROMPTS = (
    "a photo of a {}.",
    "a photo of the {}.",
    "a picture with {} in it.",
    "there is {} in the scene.",
    "a close view of {}.",
    "{} seen from far away.",
    "{}",
)
# Mean and standard deviation of red, green and blue in 0..1 that each family was trained with.
NORMALISATION = {
    "clip": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    "siglip": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}


@dataclass(frozen=True)
class TextTokens:
    """Tokens (B, N, E) float32 in the joint space, on a grid (h, w) with N = h w."""

    tokens: Tensor
    grid: tuple[int, int]


class TextImageModel:
    """A frozen CLIP or SigLIP: names and tokens in one space.

    Parameters
    ----------
    model : CLIPModel or SiglipModel of transformers
    tokenizer : tokenizer of transformers
        The model's own.

    Attributes
    ----------
    family : str
        "clip" or "siglip".
    patch : int
        Side of a patch in pixels of the picture; height and width must be multiples of it.
    side : int
        Height and width in pixels that it was trained with, as a multiple of `patch`.
    scale : float
        What cosines are multiplied with before the softmax: the model's trained temperature.

    Raises
    ------
    BackboneError
        If the model is of another family.
    """

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self.family = str(model.config.model_type)
        if self.family not in NORMALISATION:
            raise BackboneError(
                f"expected a text-image model of the family {' or '.join(NORMALISATION)}, "
                f"not {self.family!r}"
            )
        self.model = model.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self.patch = int(model.config.vision_config.patch_size)
        self.side = int(model.config.vision_config.image_size) // self.patch * self.patch
        self.scale = float(model.logit_scale.exp())

    @torch.no_grad()
    def embed_names(self, names: Sequence[str], *, prompts: Sequence[str] = PROMPTS) -> Tensor:
        """Embed class names, each as the mean of its prompts.

        Parameters
        ----------
        names : sequence of str
            Class names, such as "sky" or "dining table".
        prompts : sequence of str
            Sentences with one {} for the name.

        Returns
        -------
        Tensor
            (C, E) float32, each of length 1.

        Raises
        ------
        ValueError
            If there is no name or prompt, or a prompt without {}.
        """
        if not names or not prompts or any(prompt.count("{}") != 1 for prompt in prompts):
            raise ValueError("expected names, and prompts with one {} each")
        config = self.model.config.text_config
        texts = [prompt.replace("{}", name) for name in names for prompt in prompts]
        found = []
        for first in range(0, len(texts), 256):
            tokens = self.tokenizer(
                texts[first : first + 256],
                padding="max_length",  # SigLIP was trained so; CLIP reads nothing after the end
                truncation=True,
                max_length=config.max_position_embeddings,
                return_tensors="pt",
            )
            given = {"input_ids": tokens["input_ids"].to(self.model.device)}
            if self.family == "clip":
                given["attention_mask"] = tokens["attention_mask"].to(self.model.device)
            out = self.model.get_text_features(**given)
            found.append(getattr(out, "pooler_output", out).float())
        each = functional.normalize(torch.cat(found), dim=1).view(len(names), len(prompts), -1)
        return functional.normalize(each.mean(dim=1), dim=1)

    @torch.no_grad()
    def tokens(self, images: Tensor) -> TextTokens:
        """Give the pixels of images in the joint space.

        Parameters
        ----------
        images : Tensor
            (B, 3, H, W) float in 0..1, H and W multiples of `patch`; position embeddings are
            interpolated to any size.

        Returns
        -------
        TextTokens
            (B, N, E) float32, not normalised, and the grid.

        Raises
        ------
        ValueError
            If the shape is another.
        """
        if images.ndim != 4 or images.shape[1] != 3:
            raise ValueError(f"expected images (B, 3, H, W), not {tuple(images.shape)}")
        grid = (images.shape[2] // self.patch, images.shape[3] // self.patch)
        if min(grid) < 1 or images.shape[2] % self.patch or images.shape[3] % self.patch:
            raise ValueError(
                f"expected height and width that are multiples of {self.patch}, "
                f"not {tuple(images.shape[2:])}"
            )
        mean, std = (images.new_tensor(x)[:, None, None] for x in NORMALISATION[self.family])
        given = ((images - mean) / std).to(self.model.device)
        vision = self.model.vision_model
        last = vision.encoder.layers[-1]
        seen: list[Tensor] = []
        hook = last.layer_norm1.register_forward_hook(lambda _m, _i, out: seen.append(out))
        try:
            vision(given, interpolate_pos_encoding=True)
        finally:
            hook.remove()
        tokens = seen[0][:, -grid[0] * grid[1] :]  # without CLS
        values = last.self_attn.out_proj(last.self_attn.v_proj(tokens))  # (B, N, width)
        values = vision.post_layernorm(values)
        if self.family == "clip":
            joint = self.model.visual_projection(values)
        else:
            joint = vision.head(values.flatten(0, 1)[:, None]).view_as(values)
        return TextTokens(joint.float(), grid)


def load_text_image_model(name: str, *, device: str = "auto") -> TextImageModel:
    """Load a CLIP or SigLIP through transformers.

    Parameters
    ----------
    name : str
        A folder in the Hugging Face format, or a name on the hub such as
        "openai/clip-vit-base-patch16" or "google/siglip-base-patch16-224"; looked up in the
        local cache first.
    device : str
        "auto" (a GPU where there is one), "cpu", "cuda".

    Returns
    -------
    TextImageModel
        Frozen, in float32. No code of a checkpoint is ever run.

    Raises
    ------
    BackboneError
        If it cannot be loaded, or is of another family.
    """
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    where = choose_device(device)
    folder = Path(name).is_dir()
    for local in (True,) if folder else (True, False):
        there: dict[str, Any] = {"local_files_only": local}
        try:
            with quiet_transformers(), _quiet_hub():
                family = AutoConfig.from_pretrained(
                    name, trust_remote_code=False, **there
                ).model_type
                if family not in NORMALISATION:
                    raise BackboneError(
                        f"{name!r} is no text-image model of the family "
                        f"{' or '.join(NORMALISATION)}, but {family!r}"
                    )
                tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False, **there)
                model = AutoModel.from_pretrained(
                    name,
                    dtype=torch.float32,
                    use_safetensors=True,
                    trust_remote_code=False,
                    **there,
                )
            tokens = model.config.text_config.vocab_size
            if 2 * len(tokenizer) < tokens:  # transformers makes an empty one of no file at all
                raise OSError(
                    f"its tokenizer knows {len(tokenizer)} of the model's {tokens} tokens; is "
                    "tokenizer.json missing?"
                )
            return TextImageModel(model.to(where), tokenizer)
        except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            failure = error
    if folder:
        raise BackboneError(f"cannot load the text-image model in {name}: {reason}") from failure
    raise BackboneError(
        f"cannot load the text-image model {name!r}: no such folder, not in the Hugging Face "
        f"cache, and not to be had from the hub ({reason}). On a machine with a network: "
        f"`hf download {name} --local-dir FOLDER`, then give FOLDER"
    ) from failure


@contextmanager
def _quiet_hub() -> Iterator[None]:
    """Keep what the hub's client says of each try off the terminal; the error tells it once."""
    theirs = logging.getLogger("huggingface_hub")
    level = theirs.level
    theirs.setLevel(logging.ERROR)
    try:
        yield
    finally:
        theirs.setLevel(level)


def describe_inside(seen: TextTokens, inside: Tensor) -> Tensor:
    """Average the joint-space pixels of each image inside a mask of it.

    A pixel counts by the share of its patch that lies inside.

    Parameters
    ----------
    seen : TextTokens
        Of B images.
    inside : Tensor
        (B, H, W) bool, of the size of the images.

    Returns
    -------
    Tensor
        (B, E) float32, each of length 1; zeros where the mask is empty.
    """
    masks = inside[:, None].to(seen.tokens.device, torch.float32)  # (B, 1, H, W)
    share = functional.adaptive_avg_pool2d(masks, seen.grid).flatten(1)  # (B, N)
    return functional.normalize(torch.einsum("bn,bne->be", share, seen.tokens), dim=1)


def name_probabilities(descriptors: Tensor, names: Tensor, *, scale: float = 100.0) -> Tensor:
    """Say how well each name fits each region: the softmax of scale * cosine over the names.

    Parameters
    ----------
    descriptors : Tensor
        (R, E) of `describe_in_text_space` or `describe_inside`.
    names : Tensor
        (C, E) of `embed_names`.
    scale : float
        Factor of the cosines before the softmax: the model's `scale`, about 100.

    Returns
    -------
    Tensor
        (R, C) float32, rows that sum to 1.

    Raises
    ------
    ValueError
        If dimensions differ or there is no name.
    """
    if descriptors.ndim != 2 or names.ndim != 2 or descriptors.shape[1] != names.shape[1]:
        raise ValueError(
            f"expected descriptors (R, E) and names (C, E), not {tuple(descriptors.shape)} "
            f"and {tuple(names.shape)}"
        )
    if len(names) == 0:
        raise ValueError("expected at least one name")
    rows = functional.normalize(descriptors.float(), dim=1)
    cosine = rows @ functional.normalize(names.float(), dim=1).T  # (R, C)
    return (scale * cosine).softmax(dim=1)
