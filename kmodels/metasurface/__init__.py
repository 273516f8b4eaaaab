"""Metasurface: which colour reaches which pixel below a pattern of silicon nitride.

    pattern of silicon nitride above four pixels  ->  transmittance of each pixel, wavelength by wavelength

The input is a binary pattern (128, 128), one period of a periodic structure. The output is the transmittance T (2, 2,
w) at w wavelengths, 51 by default, the fraction of the incident light that reaches each pixel of a Bayer cell, with
gradients. Truth is rigorous coupled-wave analysis with 113 Fourier orders. The network is given the same with 57 orders
and corrects it. Energy is conserved: with R the reflectance, sum T + R = 1.

References
----------
Catrysse, Zhao, Jin and Fan (2022), Subwavelength Bayer RGB color routers with perfect optical efficiency.
Perez et al. (2018), FiLM: visual reasoning with a general conditioning layer.
Rao et al. (2021), Global filter networks for image classification.
Guibas et al. (2022), Adaptive Fourier neural operators.
Moharam, Pommet, Grann and Gaylord (1995), Stable implementation of the rigorous coupled-wave analysis.
Feit and Fleck (1978), Light propagation in graded-index optical fibers: the split-step method.
"""

from kmodels import lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "network.model": ["MetasurfaceNet"],
        "network.preprocess": ["MetasurfacePreprocessor"],
        "data.records": ["Structures"],
        "data.load": ["load"],
        "recipe": ["MetasurfaceRecipe"],
    },
)
