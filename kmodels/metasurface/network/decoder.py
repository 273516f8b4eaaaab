"""The decoder: wavelength queries cross-attend to pattern tokens."""

from keras import layers, ops

from kmodels.layers.film import FiLM
from kmodels.metasurface.network.blocks import dropout, layer_norm
from kmodels.metasurface.network.optics.split_step import logits_of
from kmodels.metasurface.network.wavelengths import SHORTEST, SinesOfWavelength


def wavelength_queries(
    wavelength, pooled, *, band: tuple[float, float], n_wavelengths: int, d_model: int, film: str, dtype
):
    """Embed wavelengths (batch, w) [nm] and modulate them by the pattern's pooled feature: (batch, w, d_model)."""
    highest = max((n_wavelengths - 1) / SHORTEST, 1.0)
    sines = SinesOfWavelength(band, highest, d_model, dtype=dtype, name="sines")(wavelength)
    queries = layers.Dense(d_model, activation="silu", dtype=dtype, name="queries")(sines)
    return FiLM(film, dtype=dtype, name="film")(queries, pooled)


def add_what_is_known(queries, propagated, few, *, d_model: int, dtype):
    """Add to the queries (batch, w, d_model) what two approximate solutions say of each wavelength.

    Parameters
    ----------
    queries : KerasTensor
        (batch, w, d_model).
    propagated : KerasTensor or None
        (batch, w, 5) of split-step propagation.
    few : KerasTensor
        (batch, w, 4) of a rigorous solution with few orders.
    d_model, dtype
        As in `MetasurfaceNet`.
    """
    known = [logits_of(values, 4) for values in (few, propagated) if values is not None]
    hidden = layers.Dense(2 * d_model, activation="gelu", dtype=dtype, name="known_wide")(ops.concatenate(known, -1))
    return ops.add(queries, layers.Dense(d_model, dtype=dtype, name="known")(hidden))


def decode_wavelengths(
    queries,
    tokens,
    *,
    decoder_blocks: int,
    d_model: int,
    heads: int,
    wavelength_kernel: int,
    feed_forward: int,
    decoder_dropout: float,
    memory_norm: bool,
    dtype,
):
    """Run the decoder blocks: cross-attention, convolution along wavelength, feed-forward; each pre-norm, residual.

    Wavelengths do not attend to each other: they exchange information in the convolution only.

    Parameters
    ----------
    queries : KerasTensor
        (batch, w, d_model) of the wavelengths.
    tokens : KerasTensor
        (batch, tokens, d_model) of the pattern.
    decoder_blocks, d_model, heads, wavelength_kernel, feed_forward, decoder_dropout, memory_norm, dtype
        As in `MetasurfaceNet`.

    Returns
    -------
    decoded : KerasTensor
        (batch, w, d_model).
    attention : KerasTensor
        (batch, heads, w, tokens) scores of the last block.
    """

    def add(change):
        return ops.add(queries, dropout(change, decoder_dropout, dtype))

    for k in range(decoder_blocks):
        memory = layer_norm(tokens, dtype, f"memory_{k}") if memory_norm else tokens
        # Biases of keys change nothing behind a softmax, and layer norm has one for queries.
        attend = layers.MultiHeadAttention(heads, d_model // heads, use_bias=False, dtype=dtype, name=f"attention_{k}")
        attended, attention = attend(layer_norm(queries, dtype, f"ask_{k}"), memory, return_attention_scores=True)
        queries = add(attended)
        convolve = layers.DepthwiseConv1D(wavelength_kernel, padding="same", dtype=dtype, name=f"along_{k}")
        along = ops.silu(convolve(layer_norm(queries, dtype, f"along_{k}")))
        queries = add(layers.Dense(d_model, dtype=dtype, name=f"pointwise_{k}")(along))
        expand = layers.Dense(feed_forward * d_model, activation="gelu", dtype=dtype, name=f"wide_{k}")
        wide = expand(layer_norm(queries, dtype, f"wide_{k}"))
        contract = layers.Dense(d_model, dtype=dtype, name=f"narrow_{k}")
        queries = add(contract(dropout(wide, decoder_dropout, dtype)))
    return layer_norm(queries, dtype, "decoded"), attention
