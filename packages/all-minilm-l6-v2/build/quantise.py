"""Weights as whole numbers of 7 bits and a scale for each row, so that what the rounding changes is made up for."""

import numpy as np

# 7 bits, not 8: without VNNI, x86 adds pairs of products in 16 bits, and 8-bit weights overflow there.
LARGEST = 63

# How much of the channels' range SmoothQuant moves from the inputs into the weights.
ALPHA = 0.65

# Added to the diagonal of the second moments, as a part of its mean, so that they can be inverted.
DAMPING = 0.003

# Parts of a row's largest weight that its scale may be made for; the one with the least error is taken.
CLIPS = (1, 0.97, 0.94, 0.9, 0.85, 0.8)


def smooth(weights, largest):
    """SmoothQuant: what each channel of the input is divided by, and each column of the weights multiplied with, so
    that channels which are large in every text do not take the others' resolution. @param largest of each channel."""
    factors = np.maximum(largest, 1e-3) ** ALPHA / np.maximum(np.abs(weights).max(0), 1e-3) ** (1 - ALPHA)
    return (factors / np.exp(np.log(factors).mean())).astype(np.float32)


def rounded(weights, moments):
    """GPTQ: rounds column by column, the largest inputs first; what a column loses, later columns make good.

    @param weights [rows, columns]
    @param moments [columns, columns] of the inputs
    @returns whole numbers [rows, columns], and the scale of each row
    """
    count = moments.shape[0]
    order = np.argsort(-np.diag(moments), kind='stable')
    ordered = moments[np.ix_(order, order)]
    damped = ordered + np.eye(count) * DAMPING * np.diag(ordered).mean()
    passed_on = np.linalg.cholesky(np.linalg.inv(damped)).T
    best = None
    for clip in CLIPS:
        scales = np.abs(weights).max(1) * clip / LARGEST
        left = weights[:, order].astype(np.float64)
        whole = np.zeros_like(left)
        for i in range(count):
            whole[:, i] = np.clip(np.rint(left[:, i] / scales), -LARGEST, LARGEST)
            lost = (left[:, i] - whole[:, i] * scales) / passed_on[i, i]
            left[:, i + 1 :] -= np.outer(lost, passed_on[i, i + 1 :])
        error = weights[:, order] - whole * scales[:, None]
        errors = ((error @ ordered) * error).sum(1)
        if best is None:
            best = [errors, whole, scales]
            continue
        better = errors < best[0]
        best[0] = np.where(better, errors, best[0])
        best[1] = np.where(better[:, None], whole, best[1])
        best[2] = np.where(better, scales, best[2])
    return best[1][:, np.argsort(order)].astype(np.int8), best[2].astype(np.float32)
