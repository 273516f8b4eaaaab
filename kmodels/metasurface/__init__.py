"""metasurface: which colour reaches which pixel?

    pattern of silicon nitride above four pixels  ->  share of the light that each pixel gets, wavelength by wavelength

A binary pattern (128, 128), one period of a periodic structure, goes in; the shares (2, 2, 301) of the pixels come
out, rows and columns of a Bayer cell, in milliseconds and with gradients instead of a solver's minutes.

Catrysse et al. (2022), Subwavelength Bayer RGB color routers with perfect optical efficiency. Perez et al. (2018),
FiLM. Guibas et al. (2022), Adaptive Fourier Neural Operators.
"""
