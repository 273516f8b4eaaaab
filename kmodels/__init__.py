"""kmodels: scientific models in Keras 3, each with its simulator, its baselines and its gates.

    import kmodels
    model = kmodels.load("runs/nand-20261121-093000-1a2b3c4d")
    model.predict("my_trace.csv").frame()

Importing this package imports no backend; `load` chooses one (see `kmodels.core.training.backend`).
"""

__version__ = "0.1.0"
__all__ = ["load"]


def load(run):
    """The trained model of a run folder, with its pre- and post-processing.

    run: path of a folder that `python -m kmodels.fit` has written, on any backend.
    Returns a `kmodels.core.runs.predictor.Predictor`.
    Raises `kmodels.core.spec.errors.UserError` when the folder is no finished run, or a newer kmodels wrote it.
    """
    from kmodels.core.runs.predictor import Predictor

    return Predictor.open(run)
