"""
A synthetic table in place of the real one
==========================================

The breast cancer data hold 569 patients: measurements of cell nuclei and a diagnosis. Suppose that they
may not leave the hospital. A table drawn from a diffusion model can: it has the same columns, and one
learns nearly as much from it, while no row of it is a patient.
"""

# %%
import matplotlib.pyplot as plt
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from sklearn_extra_ml.metrics import (
    column_shapes,
    column_trends,
    distance_to_closest_record,
    train_on_synthetic_score,
)
from sklearn_extra_ml.neural_network import DiffusionModel
from sklearn_extra_ml.plotting import SyntheticComparisonDisplay

data = load_breast_cancer(as_frame=True)
table = data.data[[name for name in data.data if name.startswith("mean")]].copy()
table["diagnosis"] = data.target.map({0: "malignant", 1: "benign"})
table["diagnosis"] = table["diagnosis"].astype("category")
table, held_out = train_test_split(table, random_state=0, stratify=table["diagnosis"])

# %%
# A frame goes in, a frame with the same dtypes comes out.

model = DiffusionModel(max_iter=1000, random_state=0).fit(table)
synthetic = model.sample(len(table))
print(synthetic.iloc[:3, [0, 1, -1]])
print((synthetic.dtypes == table.dtypes).all())

# %%
# Columns and their dependence look alike:

print(f"columns {column_shapes(table, synthetic).score:.3f}")
print(f"pairs   {column_trends(table, synthetic).score:.3f}")
SyntheticComparisonDisplay.from_tables(table, synthetic)
plt.show()

# %%
# Does a classifier learn the diagnosis from it? Three kinds are trained on synthetic and on real rows,
# and tested on patients that neither has seen.


def split(frame):
    return frame.drop(columns="diagnosis"), frame["diagnosis"]


score = train_on_synthetic_score(*split(synthetic), *split(table), *split(held_out))
print(f"F1 after synthetic rows {score.synthetic.mean():.3f}, after real rows {score.real.mean():.3f}")

# %%
# And is it private, or does it repeat patients? The nearest patient should be as often one of the
# training rows as one that was held out; a copier gives 1.

scaler = StandardScaler().fit(split(table)[0])
real, new, others = (scaler.transform(split(t)[0]) for t in (table, synthetic, held_out))
records = distance_to_closest_record(real, new, X_holdout=others)
print(f"nearer to a training row: {records.share_nearer_train:.2f}")

# %%
# Rows for a question: malignant cases with small nuclei, drawn directly.

rare = model.sample(5, conditions={"diagnosis": "malignant", "mean radius": 12.0})
print(rare.iloc[:, [0, 1, 3, -1]])
