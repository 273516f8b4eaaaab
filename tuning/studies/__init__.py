"""One study a file: `space(hp)` gives a recipe, STUDY says by what it is judged."""
