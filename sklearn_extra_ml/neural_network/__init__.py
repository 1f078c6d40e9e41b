"""Deep estimators: autoencoders, variational autoencoders, diffusion models.

torch is imported by `fit`, not before.
"""

from ._autoencoder import AutoEncoder
from ._autoencoder_detector import AutoEncoderDetector
from ._diffusion import DiffusionModel
from ._diffusion_classifier import DiffusionClassifier
from ._vae import VAE

__all__ = ["VAE", "AutoEncoder", "AutoEncoderDetector", "DiffusionClassifier", "DiffusionModel"]
