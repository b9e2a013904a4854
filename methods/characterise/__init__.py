"""Moments, shifts and families of tables (specification 1, section 5.2)."""

from methods.characterise.families import Choice, Score, recognise
from methods.characterise.levels import aggregate, intraclass, nested_shares
from methods.characterise.missing import Little, NormalFit, little, normal_fit
from methods.characterise.shape import Covariance, Mardia, covariance, mardia
from methods.characterise.shift import TwoSamples, holm, kolmogorov_smirnov, psi, two_samples
from methods.characterise.student import StudentT, fit_student, student_log_density

__all__ = [
    "Choice",
    "Covariance",
    "Little",
    "Mardia",
    "NormalFit",
    "Score",
    "StudentT",
    "TwoSamples",
    "aggregate",
    "covariance",
    "fit_student",
    "holm",
    "intraclass",
    "kolmogorov_smirnov",
    "little",
    "mardia",
    "nested_shares",
    "normal_fit",
    "psi",
    "recognise",
    "student_log_density",
    "two_samples",
]
