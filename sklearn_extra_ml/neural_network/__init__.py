"""Deep estimators: autoencoders, variational autoencoders; torch is imported by `fit`, not before."""

from ._autoencoder import AutoEncoder
from ._autoencoder_detector import AutoEncoderDetector
from ._vae import VAE

__all__ = ["VAE", "AutoEncoder", "AutoEncoderDetector"]
