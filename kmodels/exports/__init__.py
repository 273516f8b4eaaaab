"""Trained networks in the formats of other runtimes: written, compared with Keras' own outputs, and loaded again.

`python -m kmodels.export` writes one; `kmodels.exports.exported.load(path)` opens it, where it is what was written.
"""
