"""Keras 3 layers of use to anybody: standalone, one a file, one code for all backends."""
