"""The job that a training is. Nothing here imports Keras before the backend is chosen."""

from pathlib import Path

from kmodels.core.io import files


def train(
    folder: Path, recipe, data: str | None, smoke: bool, backend: str, patience: float = 0.0
) -> tuple[Path, dict]:
    """Train a recipe, or go on where its training was stopped, and evaluate it.

    Parameters
    ----------
    folder : pathlib.Path
        Of runs.
    recipe : Recipe
        What to train.
    data : str or None
        The user's file or folder; None for simulated data.
    smoke : bool
        Whether a new run is too small to judge.
    backend : str
        That Keras runs on.
    patience : float
        How long to wait for another process to leave the same run [s]: one whose worker died is saving its state.

    Returns
    -------
    run : pathlib.Path
        Its folder.
    report : dict
        What report.json holds.
    """
    from kmodels.core.training import backend as door

    door.start(backend, recipe.SMALL_OPERATIONS)
    from kmodels.core.runs import pipeline

    lock = Path(folder) / f".seed{recipe.seed}-{recipe.digest()}.lock"
    with files.file_lock(lock, patience):  # where it is another's after all, the run's own lock says whose
        run, report = pipeline.train_or_resume(Path(folder), recipe, data, smoke)
        lock.unlink(missing_ok=True)
    return run.path, report
