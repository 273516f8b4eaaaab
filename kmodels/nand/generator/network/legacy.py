"""How models that earlier versions saved are read: registered names and constructor arguments of then and today."""

REGISTERED = {"kmodels>NandGenerator": "kmodels.nand.generator>NandGenerator"}

RENAMED = {"depth": "num_layers", "policy": "dtype"}
DATA = ("num_blocks", "seq_len", "read_offset_limit", "program_order")


def upgrade_config(class_name: str, config: dict) -> dict:
    """Turn the constructor's arguments of an earlier version into today's.

    Parameters
    ----------
    class_name : str
        Of the saved object, with or without its package.
    config : dict
        As it was saved.

    Returns
    -------
    dict
        What the class takes today; other classes' configurations, and today's, come back as they are.
    """
    if class_name.rpartition(">")[2] != "NandGenerator" or "data" not in config:
        return config
    config = dict(config)
    data = config.pop("data")  # the fields of a recipe's data section
    today = {RENAMED.get(name, name): value for name, value in config.items()}
    return today | {name: data[name] for name in DATA} | data["geometry"]
