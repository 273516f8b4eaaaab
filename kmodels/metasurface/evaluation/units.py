"""Units of the metrics that have one; transmittances, and what is made of them, have none."""

UNITS = {"peak_error": "nm", "transfer_peak_error": "nm", "milliseconds": "ms", "network_milliseconds": "ms"}
