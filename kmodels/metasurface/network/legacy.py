"""Names and configurations of models saved by earlier versions, for `kmodels.core.runs.legacy`."""

_LAYERS = ("SinesOfWavelength", "SpectrumBias", "Orientation", "BackToPixels", "Positions", "DetectorLogits")

REGISTERED = {
    "kmodels>DiffractionNet": "kmodels.metasurface>MetasurfaceNet",
    "kmodels>WaveSlices": "kmodels.metasurface>SplitStepPropagation",
    **{f"kmodels>{name}": f"kmodels.metasurface>{name}" for name in _LAYERS},
}
GROUPS = {"wave_slices": "split_step_propagation"}  # of weights in a .keras file: named after the layer's class


def upgrade_config(class_name: str, config: dict) -> dict:
    """Turn the configuration of an earlier version into today's.

    Parameters
    ----------
    class_name : str
        Of the saved object, by its old or its new name.
    config : dict
        Arguments of its constructor.

    Returns
    -------
    dict
        Arguments of today's constructor; `config` itself where nothing has changed.
    """
    if "network" in config:
        return _upgrade_network(config)
    if "optics" in config:
        own = {name: value for name, value in config.items() if name != "optics"}
        return own | _optics(config["optics"])
    return config


def _upgrade_network(config: dict) -> dict:
    """Turn the recipe's `model` and `data` fields, once two dictionaries, into named arguments."""
    dropped = ("network", "optics", "policy")
    own = {name: value for name, value in config.items() if name not in dropped}
    network = dict(config["network"])
    for old, new in (("waves", "propagation_slices"), ("wave_nodes", "propagation_nodes")):
        if old in network:
            network[new] = network.pop(old)
    optics = _optics(config.get("optics") or {})
    return optics | own | network | {"dtype": config.get("policy", "float32")}


def _optics(optics: dict) -> dict:
    """Rename `wavelength` of the geometry to `band`."""
    return {"band" if name == "wavelength" else name: value for name, value in optics.items()}
