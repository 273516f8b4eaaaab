"""The classifier: integers in, logits out."""

from kmodels.exports.signature import Signature, Tensor
from kmodels.nand.data.encode import columns


def signature(recipe) -> Signature:
    """Name the token columns; a sequence is numbered by `NandPreprocessor`, which no tensor operation does."""
    tokens = f"(time, column) integers {', '.join(columns(recipe))}; 0 behind the end, as NandPreprocessor makes them"
    codes = "(time, code) logits of the code of the first violation"
    return Signature(
        inputs={"tokens": Tensor("1", tokens)},
        outputs={
            "invalid": Tensor("1", "logit that the sequence breaks a rule; probability = 1 / (1 + exp(-logit))"),
            "operation": Tensor("1", codes),
        },
        sample=("n_sequences", 100),
        facts=lambda network: {"threshold": float(network.threshold)},
    )
