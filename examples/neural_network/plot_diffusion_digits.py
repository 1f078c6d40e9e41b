"""
Digits out of noise: a diffusion model of images
================================================

With ``image_shape`` the network of `DiffusionModel` is a U-Net: it looks at images on two scales, and
knows that neighbouring pixels belong together. Fitted with the classes of scikit-learn's digits, it
draws the digit that it is asked for. Network and training are small here, seconds on two free cores; the
default has twice the channels, looks at twelve times as many rows, and draws better digits.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

from sklearn_extra_ml.metrics import distance_to_closest_record
from sklearn_extra_ml.neural_network import DiffusionModel
from sklearn_extra_ml.plotting import SampleGridDisplay

X, y = load_digits(return_X_y=True)
X, X_test, y, y_test = train_test_split(X, y, test_size=0.3, random_state=0, stratify=y)
model = DiffusionModel(
    image_shape=(1, 8, 8),
    hidden_layer_sizes=(16, 32),
    batch_size=64,
    max_iter=24,
    learning_rate_init=4e-3,
    ema_decay=0.99,
    random_state=0,
).fit(X, y)
SampleGridDisplay.from_estimator(model, n_samples=12, vmin=0, vmax=16)
plt.show()

# %%
# Step by step
# ------------
# Each line is one sample on its way from noise of 80 times the contrast of the data. What a digit
# will be is settled while the eye sees noise only; the last steps clean the edges. (With a little
# guidance, which comes next.)

labels = [0, 3, 4, 7, 9]
model.set_params(guidance_scale=2.0)
_, trajectory = model.sample(5, labels, random_state=1, return_trajectory=True)
SampleGridDisplay.from_trajectory(
    trajectory, image_shape=(8, 8), n_columns=10, row_labels=labels, vmin=0, vmax=16
)
plt.show()

# %%
# Guidance
# --------
# A tenth of the rows was trained without their class, so the model knows both: any digit, and the one
# asked for. ``guidance_scale`` multiplies the difference. At 0 the class is ignored; at 1 digits are
# as varied as in the data; beyond, they become textbook examples, all alike.

figure, axes = plt.subplots(1, 3, figsize=(9, 2.1), layout="constrained")
digits = np.array([2, 5, 8, 9]).repeat(6)
for ax, scale in zip(axes, (0.0, 1.0, 4.0), strict=True):
    drawn = model.set_params(guidance_scale=scale).sample(len(digits), digits, random_state=2)
    SampleGridDisplay.from_samples(
        drawn, digits, image_shape=(8, 8), n_columns=6, vmin=0, vmax=16, ax=ax
    )
    ax.set_title(f"guidance {scale:g}")
plt.show()

# %%
# What are they worth?
# --------------------
# A classifier that sees drawn digits only, tested on real ones; its variety tells what guidance costs.
# And are they new? Of real new digits, half are nearer to a training row than to a test row.

labels = np.arange(10).repeat(50)
print(f"real training rows: {SVC().fit(X, y).score(X_test, y_test):.3f}")
for scale in (1.0, 4.0):
    drawn = model.set_params(guidance_scale=scale).sample(len(labels), labels, random_state=3)
    accuracy = SVC().fit(drawn, labels).score(X_test, y_test)
    near = distance_to_closest_record(X, drawn, X_holdout=X_test).share_nearer_train
    print(f"drawn, guidance {scale:g}: {accuracy:.3f}, nearer to a training row {near:.0%}")
