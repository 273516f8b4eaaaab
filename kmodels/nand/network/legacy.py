"""What runs written by earlier code call the network and its arguments, and what they are called now."""

REGISTERED = {"kmodels>NandClassifier": "kmodels.nand>NandClassifier"}

RENAMED = {
    "depth": "num_layers",
    "members": "ensemble_size",
    "loss_name": "loss",
    "policy": "dtype",
}
POOLING = {"worst": "attention_max"}


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
    config = {"page_steps": 0} | config  # there were none
    if "sizes" not in config:
        return config
    sizes, block = config.pop("sizes"), config.pop("group_column")
    # The saved sizes had no names; only those of the operation and of the block matter to the network.
    names = {0: "op", block: "slot"}
    columns = {names.get(k, f"column_{k}"): size for k, size in enumerate(sizes)}
    today = {RENAMED.get(name, name): value for name, value in config.items()}
    today["pooling"] = POOLING.get(today["pooling"], today["pooling"])
    return today | {"columns": columns, "sequence_order": "time" if block is None else "block"}
