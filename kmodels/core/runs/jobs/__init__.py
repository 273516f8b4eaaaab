"""Independent jobs: one after the other in this process, on workers of this machine, or on any Dask cluster.

README.md beside this file says how to outgrow one machine.
"""

from kmodels.core.runs.jobs.engine import PATIENCE, WAIT, active, run, workers

__all__ = ["PATIENCE", "WAIT", "active", "run", "workers"]
