"""What may be added to the course of a training: weights to begin with, services that are told of it."""

LOGS = ("mlflow", "wandb")  # the services, by the names of their packages
