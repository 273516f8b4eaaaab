"""The Keras model, its layers and losses."""
