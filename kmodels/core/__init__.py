"""What every model shares: a Task asks, a Recipe chooses, a Gate judges, a Ladder orders, a Report remembers."""
