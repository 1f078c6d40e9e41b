"""
Diffusion in the code of an autoencoder, and ways between images
================================================================

Most of an image is detail that an autoencoder restores well. *Latent diffusion* leaves it to one: with
``encoder`` a `DiffusionModel` learns the distribution of codes, here ten numbers in place of 64 pixels,
and what it draws is decoded. It trains as fast as on a small table.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

from sklearn_extra_ml.metrics import distance_to_closest_record, frechet_distance
from sklearn_extra_ml.neural_network import VAE, DiffusionModel
from sklearn_extra_ml.plotting import SampleGridDisplay

X, y = load_digits(return_X_y=True)
X, X_test, y, y_test = train_test_split(X, y, test_size=0.3, random_state=0, stratify=y)
vae = VAE(10, beta=0.5, max_iter=100, random_state=0).fit(X)
model = DiffusionModel(encoder=vae, dropout_context=0.3, max_iter=200, random_state=0).fit(X, y)
SampleGridDisplay.from_estimator(model, image_shape=(8, 8), n_samples=12, vmin=0, vmax=16)
plt.show()

# %%
# What the diffusion model adds
# -----------------------------
# A variational autoencoder draws rows without help: it decodes normal codes. But codes of digits lie in
# lumps, and normal ones fall between them. The Fréchet distance compares drawn digits with real ones by
# features that tell digits apart; here these are discriminant axes. No distribution of codes can do
# much better than the training rows restored from theirs.

features = LinearDiscriminantAnalysis().fit(X, y)
normal = np.random.default_rng(0).normal(size=(len(X), 10))
drawn = {
    "training rows": X,
    "training rows, restored": vae.predict(X),
    "normal codes, decoded": vae.inverse_transform(normal),
    "with diffusion": model.sample(len(X), random_state=0),
}
for name, rows in drawn.items():
    distance = frechet_distance(rows, X_test, feature_extractor=features)
    print(f"{name:25s} distance to the test rows {distance:6.2f}")
labels = np.arange(10).repeat(100)
accuracy = SVC().fit(model.sample(len(labels), labels), labels).score(X_test, y_test)
print(f"a classifier taught by drawn rows is right for {accuracy:.1%} of the test rows")

# %%
# Ways between images
# -------------------
# Halfway between two images lies a double exposure. Halfway between their codes lies something that
# can be decoded, but need not be likely. The flow of the diffusion model makes of a code normal noise
# (`transform`) and back (`inverse_transform`): noise between two noises is as normal as they are, so
# that each image on the way is one that the model would draw.


def between(one, other, way, share):
    """Return images at a share of the way from each row of `one` to that of `other`."""
    if way == "pixels":
        return (1 - share) * one + share * other
    if way == "codes":
        return vae.inverse_transform(
            (1 - share) * vae.transform(one) + share * vae.transform(other)
        )
    angle = share * np.pi / 2
    noise = np.cos(angle) * model.transform(one) + np.sin(angle) * model.transform(other)
    return model.inverse_transform(noise)


def first_of(label):
    """Return eleven copies of the first test row of a class."""
    return np.repeat(X_test[y_test == label][:1], 11, axis=0)


ways = ("pixels", "codes", "noise")
pairs = [(first_of(0), first_of(1)), (first_of(6), first_of(7))]
steps = np.linspace(0, 1, 11)[:, None]
lines = [between(*pair, way, steps) for pair in pairs for way in ways]
SampleGridDisplay(lines, (8, 8), row_labels=ways * len(pairs)).plot(vmin=0, vmax=16)
plt.show()

# %%
# How far from any real digit are the images halfway? The mean over random pairs of test rows, and of the
# test rows themselves:

one, other = np.random.default_rng(0).permutation(X_test)[:500].reshape(2, 250, 64)
for way in ways:
    middle = between(one, other, way, 0.5)
    print(f"{way:7s} {distance_to_closest_record(X, middle).to_train.mean():.1f}")
print(f"none    {distance_to_closest_record(X, X_test).to_train.mean():.1f}")
