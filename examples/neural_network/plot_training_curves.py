"""
When to stop training, and how to go on after a crash
=====================================================

A network that is trained for long learns its rows by heart, and on a few hundred rows that does not take
long. Here a variational autoencoder learns the density of thirty measurements of tumours from 300 of
them. What counts is how likely it finds the other 269.
"""

# %%
# By heart
# --------
# With `early_stopping` a tenth of the rows is held out, and their loss is written down for every epoch.
# Here it watches two trainings to the end: the same network without and with regularisation. `dropout`
# switches a tenth of the units off in each step, `alpha` pulls weights towards zero.
import tempfile
from pathlib import Path
from time import perf_counter, sleep

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from skorch.callbacks import Callback

from sklearn_extra_ml.neural_network import VAE
from sklearn_extra_ml.plotting import LossCurveDisplay

X, unseen = train_test_split(load_breast_cancer().data, train_size=300, random_state=0)
EPOCHS = 180
settings = {"n_components": 5, "standardize": "column", "max_iter": EPOCHS, "random_state": 0}
regularised = {"dropout": 0.1, "alpha": 0.1}
to_the_end = {"early_stopping": True, "n_iter_no_change": EPOCHS}

figure, axes = plt.subplots(1, 2, figsize=(10, 3.8), sharey=True, layout="constrained")
for ax, more, title in zip(axes, ({}, regularised), ("plain", "regularised"), strict=True):
    watched = VAE(**settings, **to_the_end, **more).fit(X)
    LossCurveDisplay.from_estimator(watched, ax=ax, log=False)
    ax.set_title(title)
plt.show()

# %%
# Ways out
# --------
# The loss of training falls all the time; that of held-out rows turns. Stopping there is the simplest
# way out, and the cheapest. Regularisation is better here: the curve on the right does not turn, and
# nothing has to be held out. Where you have a score, a grid search over `max_iter` and `dropout` finds
# the rest.
choices = {
    f"{EPOCHS} epochs": {},
    "stopped early": {"early_stopping": True, "n_iter_no_change": 20},
    "regularised": regularised,
}
print("                              epochs   seconds   nats a row: learnt   unseen")
for name, more in choices.items():
    began = perf_counter()
    model = VAE(**settings, **more).fit(X)
    seconds = perf_counter() - began
    print(
        f"{name:30s} {model.n_iter_:5d} {seconds:9.1f} {model.score(X):20.1f} "
        f"{model.score(unseen):8.1f}"
    )

# %%
# A power cut
# -----------
# A training of hours should survive one. With `checkpoint_dir` weights, optimiser and random state are
# written there, at most once a second. What was interrupted is continued by the same `fit`, and ends
# with the bits of a training that nobody disturbed.
power = {"on": True, "epochs": 0}


class PowerCut(Callback):
    """A skorch callback: counts epochs, and ends the first training once something is stored."""

    def on_train_begin(self, net, **kwargs):
        power["epochs"] = 0

    def on_epoch_end(self, net, **kwargs):
        power["epochs"] += 1
        if power["on"] and power["epochs"] == 100:
            sleep(1.0)  # this training is over in a second, before anything would be stored
        if power["on"] and any(checkpoints.iterdir()):
            power["on"] = False
            raise OSError("power cut")


with tempfile.TemporaryDirectory() as folder:
    checkpoints = Path(folder)
    model = VAE(**settings, callbacks=[PowerCut()], checkpoint_dir=checkpoints)
    try:
        model.fit(X)
    except OSError as error:
        print(f"{error} after {power['epochs']} epochs")
    model.fit(X)
    print(f"the second fit did {power['epochs']} of {model.n_iter_} epochs")
undisturbed = VAE(**settings).fit(X)
print("same bits:", np.array_equal(model.transform(unseen), undisturbed.transform(unseen)))

# %%
# To keep a model, `save` it: a file of weights and parameters, nothing in which is executed when it is
# loaded.
with tempfile.TemporaryDirectory() as folder:
    model.save(f"{folder}/tumours.safetensors")
    loaded = VAE.load(f"{folder}/tumours.safetensors")
print("same score:", loaded.score(unseen) == model.score(unseen))
