"""What runs written by earlier code call the network and its arguments, and what they are called now."""

REGISTERED = {"kmodels>NandGenerator": "kmodels.nand.generator>NandGenerator"}

RENAMED = {"depth": "num_layers", "policy": "dtype"}
DATA = ("num_blocks", "seq_len", "read_offset_limit", "program_order")


def upgrade_config(config: dict) -> dict:
    """Turn the constructor's arguments of an earlier version into today's.

    Parameters
    ----------
    config : dict
        As it was saved.

    Returns
    -------
    dict
        What the class takes today; today's arguments come back as they are.
    """
    if "memory" not in config:  # tokens stood for legal operations alone
        config = config | {"memory": "none"}
    if "data" not in config:
        return config
    config = dict(config)
    data = config.pop("data")  # the fields of a recipe's data section
    today = {RENAMED.get(name, name): value for name, value in config.items()}
    return today | {name: data[name] for name in DATA} | data["geometry"]
