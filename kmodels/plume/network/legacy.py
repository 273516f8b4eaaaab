"""What runs written by earlier code call the network and its arguments, and what they are called now."""

REGISTERED = {"kmodels>PlumeModel": "kmodels.plume>PlumeNet"}
RENAMED = {"depth": "num_layers", "kernel": "kernel_size", "policy": "dtype"}


def upgrade_config(config: dict) -> dict:
    """Turn the stored arguments of the network into those of today.

    Parameters
    ----------
    config : dict
        What it was stored with.

    Returns
    -------
    dict
        The arguments of `PlumeNet`; those of today as they are.
    """
    config = {"scales": 1} | config  # a U-Net since
    if "shape" not in config:
        return config
    config = {RENAMED.get(name, name): value for name, value in config.items()}
    past, *grid = config.pop("shape")
    return config | {"past": past, "grid": tuple(grid)}
