"""What runs written by earlier code call the network and its arguments, and what they are called now."""

REGISTERED = {"kmodels>EchoModel": "kmodels.echo>EchoNet"}


def upgrade_config(config: dict) -> dict:
    """Turn the stored arguments of the network into those of today.

    Parameters
    ----------
    config : dict
        What it was stored with.

    Returns
    -------
    dict
        The arguments of `EchoNet`; those of today as they are.
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
