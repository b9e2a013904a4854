"""Variational auto-encoders with a learned observation variance."""

from methods.latent.fit import Settings, Vae, fit_vae

__all__ = ["Settings", "Vae", "fit_vae"]
