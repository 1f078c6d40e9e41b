"""
Diffusion in the code of an autoencoder
=======================================

Large images are mostly detail that a plain autoencoder restores well. *Latent diffusion* leaves it to
one: with ``encoder`` the diffusion model learns the distribution of codes, here sixteen numbers in
place of 64 pixels, and what it draws is decoded. Training and samples cost as much as those of a small
table. Codes also make good ways between images.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

from sklearn_extra_ml.neural_network import VAE, DiffusionModel
from sklearn_extra_ml.plotting import SampleGridDisplay

X, y = load_digits(return_X_y=True)
X, X_test, y, y_test = train_test_split(X, y, test_size=0.3, random_state=0, stratify=y)
