"""Losses of the verdict and of the operations, one value an example, from logits."""

from keras import ops


def binary_cross_entropy(target, logit):
    """-[y ln p + (1-y) ln(1-p)], p = sigmoid(logit), without overflow. (batch,) each -> (batch,)."""
    return ops.relu(logit) - logit * target + ops.log1p(ops.exp(-ops.abs(logit)))


def focal(target, logit, alpha: float, gamma: float):
    """-alpha_t (1 - p_t)^gamma ln p_t (Lin et al. 2017, eq. 5), p_t the probability of the true class.

    alpha: weight of the positive class, 1 - alpha of the other. (batch,) each -> (batch,). With gamma = 0 and
    alpha = 0.5 it is half the binary cross-entropy.
    """
    cross_entropy = binary_cross_entropy(target, logit)
    probability = ops.sigmoid(logit)
    missed = target * (1 - probability) + (1 - target) * probability
    weight = target * alpha + (1 - target) * (1 - alpha)
    return weight * missed**gamma * cross_entropy


def operation_cross_entropy(target, logits):
    """Cross-entropy over the classes of each operation, averaged over the operations that count.

    target: (batch, time) classes (violation codes, or a generator's tokens), -1 where an operation does not count.
    logits: (batch, time, classes). -> (batch,) [nats per operation].
    """
    counts = ops.cast(target >= 0, "float32")
    log_p = ops.log_softmax(logits, axis=-1)
    picked = ops.one_hot(ops.maximum(target, 0), logits.shape[-1], dtype="float32")
    cross_entropy = -ops.sum(log_p * picked, axis=-1)
    return ops.sum(cross_entropy * counts, axis=-1) / ops.maximum(ops.sum(counts, axis=-1), 1.0)
