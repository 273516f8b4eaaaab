"""Keras 3 layers of use to anybody: standalone, one a file, one code for three backends.

from kmodels.layers import ConvLSTM3D
"""

from kmodels import lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "attention_pooling": ["AttentionPooling"],
        "conv3d": ["Conv3D"],
        "conv_lstm3d": ["ConvLSTM3D"],
        "film": ["FiLM"],
        "fourier_mixing": ["FourierMixing", "irfft2", "rfft2"],
        "grouped_rnn": ["GroupedRNN"],
        "token_embedding": ["TokenEmbedding"],
    },
)
