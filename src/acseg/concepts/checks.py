"""What the functions of this folder ask of their inputs."""

from torch import Tensor


def check_tokens_and_concepts(tokens: Tensor, concepts: Tensor) -> None:
    """Raise ValueError unless tokens (B, N, D) and concepts (B, k, D) belong together."""
    for name, shape, x in (("tokens", "(B, N, D)", tokens), ("concepts", "(B, k, D)", concepts)):
        if x.ndim != 3 or 0 in x.shape:
            raise ValueError(
                f"{name} must be {shape} with no empty dimension, found {tuple(x.shape)}"
            )
        if not x.is_floating_point():
            raise ValueError(f"{name} must be floating point, found {x.dtype}")
    if (tokens.shape[0], tokens.shape[2]) != (concepts.shape[0], concepts.shape[2]):
        raise ValueError(
            "tokens (B, N, D) and concepts (B, k, D) must agree in B and D, "
            f"found {tuple(tokens.shape)} and {tuple(concepts.shape)}"
        )
