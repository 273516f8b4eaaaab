"""What runs written by earlier code call the network and its arguments, and what they are called now."""

REGISTERED = {"kmodels>DiffractionNet": "kmodels.metasurface>MetasurfaceNet"}
RENAMED = {
    "waves": "propagation_slices",
    "wave_nodes": "propagation_nodes",
    "wavelength": "band",
    "policy": "dtype",
}
# What networks did that were stored before there was a choice.
BEFORE = {
    "propagation": "scalar",
    "propagation_features": 24,
    "few_orders": 0,
    "few_order_nodes": 24,
    "few_order_closure": ((0.0, 0.0), (0.0, 0.0)),
    "calibrated": False,
}


def upgrade_config(config: dict) -> dict:
    """Turn the stored arguments of the network, once parts of its recipe, into those of today.

    Parameters
    ----------
    config : dict
        What it was stored with.

    Returns
    -------
    dict
        The arguments of `MetasurfaceNet`; those of today as they are.
    """
    if "network" not in config:
        return BEFORE | config
    own = {name: value for name, value in config.items() if name not in ("network", "optics")}
    merged = (config.get("optics") or {}) | own | config["network"]
    return BEFORE | {RENAMED.get(name, name): value for name, value in merged.items()}
