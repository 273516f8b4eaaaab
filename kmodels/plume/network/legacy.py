"""What runs written by earlier code call things, and what they are called now."""

REGISTERED = {
    "kmodels>PlumeModel": "kmodels.plume>PlumeNet",
    "kmodels>Spread": "kmodels.plume>LocalRedistribution",
    "kmodels>Mixing": "kmodels.plume>ImplicitVerticalDiffusion",
}
GROUPS = {"spread": "local_redistribution", "mixing": "implicit_vertical_diffusion"}  # in a file of weights
RENAMED = {"depth": "num_layers", "kernel": "kernel_size", "policy": "dtype"}


def upgrade_config(class_name: str, config: dict) -> dict:
    """Turn a stored constructor's arguments into those of today.

    Parameters
    ----------
    class_name : str
        Of the stored object, such as "PlumeModel".
    config : dict
        What it was stored with.

    Returns
    -------
    dict
        The arguments of `PlumeNet`; other classes' as they are.
    """
    if class_name not in ("PlumeModel", "PlumeNet") or "shape" not in config:
        return config
    config = {RENAMED.get(name, name): value for name, value in config.items()}
    past, *grid = config.pop("shape")
    return config | {"past": past, "grid": tuple(grid)}
