"""
Digits through rain: denoising, and which digit is odd
======================================================

An autoencoder squeezes each image through a code of a few numbers. What does not fit through, noise
above all, is lost on the way; so a network that was trained on noisy digits restores clean ones. The
same loss tells which rows are unlike the others.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from sklearn_extra_ml.neural_network import AutoEncoder, AutoEncoderDetector
from sklearn_extra_ml.plotting import LatentSpaceDisplay, LossCurveDisplay, ReconstructionDisplay

X, y = load_digits(return_X_y=True)
train, test, y_train, y_test = train_test_split(X, y, random_state=0)
noisy = test + np.random.default_rng(0).normal(scale=4, size=test.shape)

# %%
# Trained to undo noise
# ---------------------
# `noise_scale` is in units of the data's standard deviation: 0.8 of it is about 4 grey levels of 16.

model = AutoEncoder(
    16,
    noise="gaussian",
    noise_scale=0.8,
    learning_rate_init=2e-3,
    max_iter=150,
    early_stopping=True,
    random_state=0,
).fit(train)
pca = PCA(16).fit(train)
for name, restored in [
    ("noisy", noisy),
    ("PCA", pca.inverse_transform(pca.transform(noisy))),
    ("autoencoder", model.predict(noisy)),
]:
    print(f"{name:12s} mean squared error {np.mean((restored - test) ** 2):.2f}")

ReconstructionDisplay.from_estimator(model, noisy[:10], X_original=test[:10], image_shape=(1, 8, 8))
plt.show()

# %%
# The loss of each epoch; the weights of the best epoch are kept.

LossCurveDisplay.from_estimator(model)
plt.show()

# %%
# Two numbers
# -----------
# A code of two numbers is a map of the digits.

flat = AutoEncoder(2, max_iter=80, learning_rate_init=2e-3, random_state=0).fit(train)
LatentSpaceDisplay.from_estimator(flat, test, y_test)
plt.show()

# %%
# Odd ones
# --------
# The rows that come back worst, each under the label that it has. Nobody told the detector which digits
# there are.

detector = AutoEncoderDetector(8, contamination=0.02, max_iter=40, random_state=0).fit(X)
odd = np.argsort(detector.score_samples(X))[:10]
figure, axes = plt.subplots(1, len(odd), figsize=(9.8, 1.3), layout="constrained")
for ax, row in zip(axes, odd, strict=True):
    ax.imshow(X[row].reshape(8, 8), cmap="gray_r")
    ax.set(xticks=[], yticks=[], title=f"{y[row]}")
plt.show()
