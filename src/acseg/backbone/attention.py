"""The attention of the last block, taken from the ViT while it runs its fast attention.

Fused attention never writes out its T x T weights, and asking a model for them switches it to slow
code in every block. Only one row is wanted, that of CLS, so the queries and keys that the
last block hands to fused attention are remembered (rotary embedding already applied) and the row
is computed from them: T * D operations in place of T * T * D.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from acseg.errors import BackboneError


class LastAttention(TorchFunctionMode):
    """Remember the queries and keys of the latest fused attention that ran inside the `with`.

    Bound to the thread that enters it, so that several threads may share one backbone.

    Attributes
    ----------
    query, key : torch.Tensor or None
        (B, heads, T, d), T = prefix tokens and then pixels; None before anything ran.
    scale : float or None
        The factor on the products; None means 1 / sqrt(d).
    """

    def __init__(self) -> None:
        super().__init__()
        self.query: torch.Tensor | None = None
        self.key: torch.Tensor | None = None
        self.scale: float | None = None

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func is functional.scaled_dot_product_attention:
            named = dict(zip(("query", "key"), args)) | kwargs
            self.query, self.key, self.scale = named["query"], named["key"], kwargs.get("scale")
        return func(*args, **kwargs)

    def seen(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the queries and keys, each (B, heads, T, d).

        Raises
        ------
        BackboneError
            If no fused attention ran.
        """
        if self.query is None or self.key is None:
            raise BackboneError(
                "this backbone does not use torch's scaled_dot_product_attention in its last "
                "block, so its attention cannot be read (for timm: unset TIMM_FUSED_ATTN)"
            )
        return self.query, self.key

    def cls_row(self, prefix: int) -> torch.Tensor:
        """Compute the attention of CLS to the pixels: softmax(q_cls K^T * scale), mean of heads.

        Parameters
        ----------
        prefix : int
            Number of tokens before the pixels; the first of them is CLS.

        Returns
        -------
        torch.Tensor
            (B, N) float32.
        """
        query, key = self.seen()
        scale = query.shape[-1] ** -0.5 if self.scale is None else self.scale
        scores = query[:, :, :1].float() @ key.float().transpose(-2, -1) * scale  # (B, heads, 1, T)
        return scores.softmax(dim=-1).mean(dim=1)[:, 0, prefix:]

    def keys(self, prefix: int) -> torch.Tensor:
        """Return the keys of the pixels, heads side by side: (B, N, heads * d) float32."""
        _, key = self.seen()
        return key.transpose(1, 2).flatten(2)[:, prefix:].float()
