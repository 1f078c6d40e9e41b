"""
New digits, missing pixels and a density: a variational autoencoder
===================================================================

A variational autoencoder is a density: it draws new rows, fills in missing entries, and says how
likely a row is. Fitted with classes, it draws from the class it is asked for.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

from sklearn_extra_ml.neural_network import VAE
from sklearn_extra_ml.plotting import ReconstructionDisplay

X, y = load_digits(return_X_y=True)
train, test, y_train, y_test = train_test_split(
    X / 16, y, test_size=0.3, random_state=0, stratify=y
)
vae = VAE(
    10, beta=2.0, dropout=0.1, alpha=0.1, learning_rate_init=2e-3, max_iter=150, random_state=0
).fit(train, y_train)
print(f"held-out log-density  {vae.score(test):6.2f} nats (a bound)")
print(f"probabilistic PCA     {PCA(10).fit(train).score(test):6.2f} nats")

# %%
# Digits that nobody wrote
# ------------------------
# One column for each class: the mean image of three random codes.

codes = np.random.default_rng(3).normal(size=(3, 10)).repeat(10, axis=0)
images = vae.inverse_transform(codes, y=np.tile(np.arange(10), 3))
figure, axes = plt.subplots(3, 10, figsize=(9, 2.9), layout="constrained")
for ax, image in zip(axes.flat, images, strict=True):
    ax.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
    ax.set(xticks=[], yticks=[])
plt.show()

# %%
# A classifier trained on samples only, tested on real digits.

labels = np.arange(10).repeat(150)
synthetic = vae.sample(len(labels), y=labels).clip(0, 1)
print(f"trained on real digits   {SVC().fit(train, y_train).score(test, y_test):.3f}")
print(f"trained on synthetic     {SVC().fit(synthetic, labels).score(test, y_test):.3f}")

# %%
# Half of the pixels lost
# -----------------------

gaps = test[:10].copy()
gaps[np.random.default_rng(0).random(gaps.shape) < 0.5] = np.nan
filled = vae.impute(gaps)
display = ReconstructionDisplay(gaps, filled, (1, 8, 8))
display.X_original = test[:10]
display.plot()
plt.show()
