"""The attention of a ViT: computed the fastest way, and that of CLS in the last block kept.

Fused attention never writes out its T x T weights, and asking a model for them switches it to slow
code in every block. Only one row is wanted, that of CLS, so the queries and keys of the last block
are kept (rotary embedding already applied) and the row is computed from them: T * D operations in
place of T * T * D.

In float32 torch's fused attention is the fastest on a processor: 14 ms for 769 tokens and 6 heads
on one core, against 17 ms for plain products in bands of rows and 32 ms for one product (AVX2). In
bfloat16 it takes its products in float32 whatever it is given, so on a processor with bfloat16 in
hardware plain products are several times faster, provided the scores between two of them stay in
the cache: hence a band of rows at a time.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from acseg.errors import BackboneError

ROWS = 256  # queries in a band, measured at 785 and 3,137 tokens; 128 and 512 are a little slower


class Enough(Exception):  # noqa: N818  # control flow
    """The queries and keys of the last block are known, and nothing else of it is wanted."""


class Attention(TorchFunctionMode):
    """Watch every fused attention that runs inside the `with`.

    Bound to the thread that enters it, so that several threads may share one backbone.

    Parameters
    ----------
    banded : bool
        Answer calls in bfloat16 on a processor by `banded_attention`; default false.

    Attributes
    ----------
    query, key : torch.Tensor or None
        (B, heads, T, d) of the latest call, T = prefix tokens and then patches; None before one.
    scale : float or None
        The factor on the products; None means 1 / sqrt(d).
    stop : bool
        Raise `Enough` at the next call, once its queries and keys are known; default false.
    """

    def __init__(self, *, banded: bool = False) -> None:
        super().__init__()
        self.banded = banded
        self.query: Tensor | None = None
        self.key: Tensor | None = None
        self.scale: float | None = None
        self.stop = False

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func is not functional.scaled_dot_product_attention:
            return func(*args, **kwargs)
        named = dict(zip(("query", "key", "value", "attn_mask"), args)) | kwargs
        self.query, self.key, self.scale = named["query"], named["key"], named.get("scale")
        if self.stop:
            raise Enough
        if self.banded and len(args) <= 4 and is_plain(named):
            return banded_attention(named["query"], named["key"], named["value"], self.scale)
        return func(*args, **kwargs)

    def cls_row(self, prefix: int) -> Tensor:
        """Compute the attention of CLS to the patches: softmax(q_cls K^T * scale), mean of heads.

        Parameters
        ----------
        prefix : int
            Number of tokens before the patches; the first of them is CLS.

        Returns
        -------
        torch.Tensor
            (B, N) float32.

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
        scale = self.query.shape[-1] ** -0.5 if self.scale is None else self.scale
        query = self.query[:, :, :1].float()
        scores = query @ self.key.float().transpose(-2, -1) * scale  # (B, heads, 1, T)
        return scores.softmax(dim=-1).mean(dim=1)[:, 0, prefix:]


def is_plain(named: dict[str, Any]) -> bool:
    """Tell whether `banded_attention` can answer: bfloat16 on a processor, no mask, no dropout."""
    query, mask = named["query"], named.get("attn_mask")
    special = any(named.get(option) for option in ("is_causal", "enable_gqa", "dropout_p"))
    here = query.device.type == "cpu" and query.dtype == torch.bfloat16
    return here and mask is None and not special


def banded_attention(query: Tensor, key: Tensor, value: Tensor, scale: float | None) -> Tensor:
    """Compute softmax(Q K^T * scale) V, one band of rows of Q after another.

    Parameters
    ----------
    query, key, value : torch.Tensor
        (B, heads, T, d), of one number type.
    scale : float or None
        Of the products; None means 1 / sqrt(d).

    Returns
    -------
    torch.Tensor
        (B, heads, T, d), of that type.
    """
    b, heads, t, d = query.shape
    scale = d**-0.5 if scale is None else scale
    q = (query * scale).flatten(0, 1)  # (B * heads, T, d)
    k = key.flatten(0, 1).mT  # (B * heads, d, T)
    v = value.flatten(0, 1)
    out = torch.empty_like(q)
    for one in range(len(q)):
        for top in range(0, t, ROWS):
            band = slice(top, top + ROWS)
            weights = (q[one, band] @ k[one]).softmax(dim=-1)  # (ROWS, T)
            torch.mm(weights, v[one], out=out[one, band])
    return out.view(b, heads, t, d)
