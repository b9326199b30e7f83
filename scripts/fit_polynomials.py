"""Prints the polynomials of cpp/kernels/math.inl.h: minimax fits by reweighted least squares."""

import math

import numpy as np
from numpy.polynomial import chebyshev, polynomial

NODES = np.cos(np.pi * (np.arange(4000) + 0.5) / 4000)


def fit(degree: int, value: np.ndarray, weight: np.ndarray, factor: np.ndarray) -> tuple[np.ndarray, float]:
    """Coefficients p (of u in [-1, 1], lowest first) that make max |weight (factor p(u) - value)| small."""
    basis = chebyshev.chebvander(NODES, degree) * factor[:, None]
    emphasis = np.ones_like(NODES)
    for _ in range(400):
        w = weight * emphasis
        best = np.linalg.lstsq(basis * w[:, None], value * w, rcond=None)[0]
        error = np.abs(basis @ best - value) * weight
        emphasis *= (error / error.max() + 1e-3) ** 0.3
        emphasis /= emphasis.max()
    return chebyshev.cheb2poly(best), float(error.max())


def exp2(degree: int) -> tuple[np.ndarray, float]:
    """2^x on [-1/2, 1/2], relative error."""
    value = 2.0 ** (NODES / 2)
    p, error = fit(degree, value, 1 / value, np.ones_like(NODES))
    return p * 2.0 ** np.arange(degree + 1), error


def normal_cdf(degree: int, limit: float) -> tuple[np.ndarray, float]:
    """q with Phi(x) = 1/2 + x q(2 (x / limit)^2 - 1), exact at the limit, absolute error of Phi.

    q(u) = q(1) + (u - 1) s(u), with q(1) such that Phi(limit) = 1; s is what is fitted.
    """
    x = np.sqrt((NODES + 1) / 2) * limit
    q = 0.5 * np.array([math.erf(v / math.sqrt(2)) for v in x]) / x
    end = 0.5 / limit
    s, error = fit(degree - 1, q - end, np.maximum(x, 0.05), NODES - 1)
    p = polynomial.polymul(s, [-1, 1])
    p[0] += end
    return p, error


def show(name: str, fitted: tuple[np.ndarray, float]) -> None:
    print(f"{name}: error {fitted[1]:.2g}")
    print("   ", ", ".join(f"{np.float32(c)!s}f" for c in fitted[0]))


if __name__ == "__main__":
    show("exp2, Exact", exp2(6))
    show("exp2, Rough", exp2(3))
    show("gelu_erf, Exact, limit 5.5", normal_cdf(14, 5.5))
    show("gelu_erf, Rough, limit 4", normal_cdf(7, 4.0))
