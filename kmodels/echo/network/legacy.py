"""How models that earlier versions saved are read: their names then, and their arguments, as they are called today."""

REGISTERED = {
    "kmodels>EchoModel": "kmodels.echo>EchoNet",
    "kmodels>StartMap": "kmodels.echo>StartMap",
    "kmodels>FusedNormalization": "kmodels.echo>FusedNormalization",
    "kmodels>FreezableNormalization": "kmodels.echo>FreezableNormalization",
    "kmodels>FreezingAdam": "kmodels.echo>FreezingAdam",
}


def upgrade_config(class_name: str, config: dict) -> dict:
    """Return today's constructor arguments for a saved configuration.

    Parameters
    ----------
    class_name : str
        "EchoModel" (before), "EchoNet", or another, whose configuration stays as it is.
    config : dict
        As it was saved.
    """
    if "widths" not in config:
        return config
    kept = ("name", "moments", "coordinates", "width", "max_depth", "residual_range")
    upgraded = {name: config[name] for name in kept if name in config}
    upgraded |= {"image_size": config["size"], "dtype": config["policy"]}
    upgraded |= {f"lambda_{term}": weight for term, weight in config["term_weights"].items()}
    widths = config["widths"]
    if "depth" in widths:
        return upgraded | {"architecture": "single", "single_width": widths["depth"]}
    return upgraded | {"base_width": widths["base"]}
