"""Words in, words out: command lines, recipes from files, what a person sees."""
