"""Units of the metrics that have one; the others are shares and distances without a unit."""

UNITS = {"nats_per_operation": "nats"}
