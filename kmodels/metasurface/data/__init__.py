"""Records, file formats and encoding; no Keras."""
