"""Variational inference of artists' emotional states (spec 3 section 6).

`model` has the joint density and the bound, `updates` the closed forms. `mean_field` and `structured`
fit two families by coordinate ascent, `gradient` follows the natural and the ordinary gradient, `nuts`
samples the same model without approximation.
"""

from methods.variational.families import Gamma, Gaussian
from methods.variational.gradient import gradient_ascent, natural_gradient, natural_gradient_ascent
from methods.variational.mean_field import Fit, MeanField, coordinate_ascent
from methods.variational.model import Careers, Globals, Moments, Prior, careers_of
from methods.variational.nuts import SampledPosterior, sample
from methods.variational.structured import smooth, structured_ascent

__all__ = [
    "Careers",
    "Fit",
    "Gamma",
    "Gaussian",
    "Globals",
    "MeanField",
    "Moments",
    "Prior",
    "SampledPosterior",
    "careers_of",
    "coordinate_ascent",
    "gradient_ascent",
    "natural_gradient",
    "natural_gradient_ascent",
    "sample",
    "smooth",
    "structured_ascent",
]
