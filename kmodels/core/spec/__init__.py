"""What a model is made of: task, recipe, gate, ladder; and the registry of models."""
