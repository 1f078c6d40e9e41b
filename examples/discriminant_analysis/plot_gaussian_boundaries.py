"""
From linear to quadratic discriminant analysis
==============================================

Three cultivars of wine by two of their measurements. One Gaussian a class is fitted under four
assumptions on the covariances; where they are shared, boundaries are straight lines, where every
class has its own, they are conic sections. The ellipses hold 50 % and 95 % of each class; those of
"spherical" are circles, which look wide because the axes differ in scale. Then all thirteen
measurements, on the two axes along which the classes differ most.
"""

# %%
# Four covariances, two features
# ------------------------------
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_wine
from sklearn.inspection import DecisionBoundaryDisplay
from sklearn.model_selection import cross_val_score
from sklearn.preprocessing import scale

from sklearn_extra_ml.discriminant_analysis import GaussianDiscriminantAnalysis
from sklearn_extra_ml.plotting import GaussianEllipseDisplay

wine = load_wine(as_frame=True)
X, y = wine.data, wine.target
pair = ["flavanoids", "color_intensity"]

figure, axes = plt.subplots(2, 2, figsize=(9, 7.5), sharex=True, sharey=True, layout="constrained")
for covariance, ax in zip(("tied", "full", "diag", "spherical"), axes.flat, strict=True):
    gda = GaussianDiscriminantAnalysis(covariance).fit(X[pair], y)
    DecisionBoundaryDisplay.from_estimator(
        gda,
        X[pair],
        ax=ax,
        response_method="predict",
        multiclass_colors=["C0", "C1", "C2"],
        grid_resolution=300,
        eps=4,
        alpha=0.2,
    )
    GaussianEllipseDisplay.from_estimator(gda, X[pair], y, ax=ax)
    accuracy = cross_val_score(gda, X[pair], y, cv=5).mean()
    ax.set_title(f'covariance="{covariance}": {accuracy:.1%} right')
    ax.get_legend().set_title("cultivar")
    ax.set(xlim=(-1, 6), ylim=(0, 14))
plt.show()

# %%
# How much to regularize
# ----------------------
# `reg_lambda` mixes class covariances with the pooled one, `reg_gamma` shrinks them to a multiple of
# the identity. "auto" classifies every row by a model of the others for each of 400 pairs, without
# fitting one of them. Columns of very different scale are brought to one first.
auto = GaussianDiscriminantAnalysis(reg_lambda="auto", reg_gamma="auto").fit(scale(X), y)
print(f"chosen: reg_lambda={auto.reg_lambda_:.2f}, reg_gamma={auto.reg_gamma_:.2f}")

figure, ax = plt.subplots(figsize=(5.6, 4.4), layout="constrained")
step = auto.loo_gamma_[1] / 2
image = ax.imshow(
    100 * auto.loo_error_,
    origin="lower",
    extent=(-step, 1 + step, -step, 1 + step),
    vmax=np.quantile(100 * auto.loo_error_, 0.95),
)
ax.plot(auto.reg_gamma_, auto.reg_lambda_, "r*", markersize=14, label="chosen")
ax.set(xlabel="reg_gamma", ylabel="reg_lambda", title="leave-one-out error, %")
ax.legend()
figure.colorbar(image, ax=ax, extend="max")
plt.show()

# %%
# All features, on the discriminant axes
# --------------------------------------
display = GaussianEllipseDisplay.from_estimator(auto, scale(X), y)
display.ax_.set_title("13 features on the two discriminant axes")
display.ax_.get_legend().set_title("cultivar")
plt.show()
