"""The generator: the tokens so far in, logits of the next one out."""

from kmodels.exports.signature import Signature, Tensor


def signature(recipe) -> Signature:
    """Name tokens and pages; `GeneratorPreprocessor` makes them."""
    return Signature(
        inputs={
            "tokens": Tensor("1", "(time, 3) integers, the token before each operation (GeneratorPreprocessor)"),
            "pages": Tensor("1", "(time, slot, flag) 0 or 1, what the trace has shown of every block before it"),
        },
        outputs={"token": Tensor("1", "(time, word) logits of each operation's token given all before it")},
        sample=("n_sequences", 100),
    )
