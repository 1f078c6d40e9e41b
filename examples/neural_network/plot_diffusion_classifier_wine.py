"""
What the classifier thinks a wine is
====================================

`DiffusionClassifier` learns to draw the rows of each class, and classifies by Bayes' rule: the class
whose model explains a row best. It is slower than a support vector machine and rarely better. What
it has to offer is that one can ask it what it takes the classes to be: here are wines that
nobody made, drawn for each of three growers by the model that tells their wines apart.
"""

# %%
# The data are 178 wines with thirteen chemical measurements.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from sklearn_extra_ml.metrics import column_trends, distance_to_closest_record
from sklearn_extra_ml.neural_network import DiffusionClassifier

wine = load_wine(as_frame=True)
X, X_test, y, y_test = train_test_split(
    wine.data, wine.target, test_size=0.4, random_state=0, stratify=wine.target
)
classifier = DiffusionClassifier(dropout=0.2, max_iter=300, random_state=0).fit(X, y)
svm = make_pipeline(StandardScaler(), SVC())
print(f"DiffusionClassifier            {classifier.score(X_test, y_test):.3f}")
print(f"support vector machine         {svm.fit(X, y).score(X_test, y_test):.3f}")

# %%
# Wines by grower, drawn. A support vector machine that has seen nothing else tells the real ones apart.
growers = np.repeat(classifier.classes_, 60)
drawn = classifier.sample(len(growers), growers)
print(f"the same, taught by drawn rows {svm.fit(drawn, growers).score(X_test, y_test):.3f}")

# %%
# Two pairs of measurements, real and drawn. Not only where the classes lie is right, but also how the
# measurements move together within a class.
pairs = [("flavanoids", "color_intensity"), ("alcohol", "proline")]
figure, axes = plt.subplots(
    2, 2, figsize=(8.5, 6.4), sharex="row", sharey="row", layout="constrained"
)
for line, (one, other) in zip(axes, pairs, strict=True):
    for ax, table, label in ((line[0], wine.data, wine.target), (line[1], drawn, growers)):
        for k, color in enumerate(("C0", "C1", "C2")):
            rows = table[np.asarray(label) == k]
            ax.scatter(rows[one], rows[other], s=14, color=color, label=f"grower {k}", alpha=0.8)
        ax.set_xlabel(one)
    line[0].set_ylabel(other)
axes[0, 0].set_title(f"{len(wine.data)} real wines")
axes[0, 1].set_title(f"{len(drawn)} drawn wines")
axes[0, 0].legend()
plt.show()

# %%
# Is it more than a copy of the training rows? Of new wines of these growers half would be nearer to a
# training row, half to a test row. A model of a hundred rows comes closer to those that it saw;
# without dropout more so.
scale = StandardScaler().fit(X)
records = distance_to_closest_record(
    scale.transform(X), scale.transform(drawn), X_holdout=scale.transform(X_test)
)
print(f"nearer to a training row than to a test row: {records.share_nearer_train:.0%}")
print(f"similarity of correlations, real and drawn:  {column_trends(wine.data, drawn).score:.3f}")
print(f"of two parts of the real table:              {column_trends(X, X_test).score:.3f}")
