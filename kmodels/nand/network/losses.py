"""Losses of the validity and of the operations, one value an example, from logits."""

from keras import ops


def binary_cross_entropy(target, logit):
    """Compute -[y ln p + (1-y) ln(1-p)], p = sigmoid(logit), without overflow: (batch,) each -> (batch,)."""
    return ops.relu(logit) - logit * target + ops.log1p(ops.exp(-ops.abs(logit)))


def focal(target, logit, alpha: float, gamma: float):
    """Compute the focal loss -alpha_t (1 - p_t)^gamma ln p_t, p_t the probability of the true class.

    With gamma = 0 and alpha = 0.5 it is half the binary cross-entropy.

    Parameters
    ----------
    target, logit : tensor, shape (batch,)
        0/1, and the logit of 1.
    alpha : float
        Weight of the positive class, 1 - alpha of the other.
    gamma : float
        How far easy examples fade.

    Returns
    -------
    tensor, shape (batch,)
        The loss of each example.

    References
    ----------
    Lin et al. 2017, arXiv:1708.02002, eq. 5.
    """
    cross_entropy = binary_cross_entropy(target, logit)
    probability = ops.sigmoid(logit)
    missed = target * (1 - probability) + (1 - target) * probability
    weight = target * alpha + (1 - target) * (1 - alpha)
    return weight * missed**gamma * cross_entropy


def operation_cross_entropy(target, logits):
    """Compute the cross-entropy over the classes of each operation, averaged over the operations that count.

    Parameters
    ----------
    target : tensor of int, shape (batch, time)
        Classes (violation codes, or a generator's tokens), -1 where an operation does not count.
    logits : tensor, shape (batch, time, classes)
        Of the classes.

    Returns
    -------
    tensor, shape (batch,)
        Of each sequence [nats per operation].
    """
    counts = ops.cast(target >= 0, "float32")
    log_p = ops.log_softmax(logits, axis=-1)
    picked = ops.one_hot(ops.maximum(target, 0), logits.shape[-1], dtype="float32")
    cross_entropy = -ops.sum(log_p * picked, axis=-1)
    return ops.sum(cross_entropy * counts, axis=-1) / ops.maximum(ops.sum(counts, axis=-1), 1.0)
