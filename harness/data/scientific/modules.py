"""Which modules of numpy and scipy the second embedded corpus documents."""

from __future__ import annotations

from harness.data.docstrings import Library

_NUMPY = """
    numpy numpy.char numpy.exceptions numpy.fft numpy.lib.mixins numpy.lib.recfunctions
    numpy.lib.scimath numpy.lib.stride_tricks numpy.linalg numpy.ma numpy.polynomial
    numpy.polynomial.chebyshev numpy.polynomial.hermite numpy.polynomial.hermite_e
    numpy.polynomial.laguerre numpy.polynomial.legendre numpy.polynomial.polynomial
    numpy.polynomial.polyutils numpy.random numpy.testing
"""

_SCIPY = """
    scipy.cluster.hierarchy scipy.cluster.vq scipy.constants scipy.datasets scipy.fft
    scipy.fftpack scipy.integrate scipy.interpolate scipy.io scipy.io.arff scipy.io.wavfile
    scipy.linalg scipy.linalg.interpolative scipy.ndimage scipy.optimize scipy.signal
    scipy.signal.windows scipy.sparse scipy.sparse.csgraph scipy.sparse.linalg scipy.spatial
    scipy.spatial.distance scipy.spatial.transform scipy.special scipy.stats
    scipy.stats.contingency scipy.stats.mstats scipy.stats.qmc scipy.stats.sampling
"""
"""The wrappers of BLAS and LAPACK are left out: they list arguments, they explain nothing."""

MODULES = tuple(f"{_NUMPY} {_SCIPY}".split())


def library() -> Library:
    """Return what the corpus documents."""
    return Library(MODULES, _is_public)


def _is_public(module: str) -> bool:
    """Tell whether a module is one of the documented ones, so that its objects stay its own."""
    return module in MODULES
