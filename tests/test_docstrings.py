"""The classes of a family describe what they share in the same words.

Docstrings are written out in each class, where readers and editors see them, so that texts could drift
apart. A class may add sentences of its own behind the common ones.
"""

import importlib
import inspect
import re

import pytest

import sklearn_extra_ml

# family -> names that mean another thing in each class
OWN_WORDS = {
    "hmm": {"covariance_type", "covars_", "emissionprob_", "history_", "init_params", "means_"},
    "naive_bayes": {"alpha", "feature_count_", "feature_log_prob_", "var_smoothing"},
    "neural_network": {
        *("classes_", "hidden_layer_sizes", "image_shape", "max_iter", "module", "standardize")
    },
}
EVERYWHERE = ("n_features_in_", "feature_names_in_")


def public_classes(family):
    module = importlib.import_module(f"sklearn_extra_ml.{family}")
    return [cls for name in module.__all__ if inspect.isclass(cls := getattr(module, name))]


def described(cls):
    """Return {name: (type without default, sentences)} of the parameters and attributes."""
    found = {}
    for section in ("Parameters", "Attributes"):
        _, _, text = inspect.getdoc(cls).partition(f"\n{section}\n{'-' * len(section)}\n")
        text = re.split(r"\n[^\n]+\n-{4,}\n", text)[0]
        for block in re.split(r"\n(?=\S)", text.strip("\n")):
            head, _, body = block.partition("\n")
            name, _, kind = head.partition(" : ")
            sentences = re.split(r"(?<=[.!])\s+", " ".join(body.split()))
            found[name] = (re.sub(r",? default=.*$", "", kind), sentences)
    return found


def differing_names(texts):
    """Return the names whose type, or whose first sentences, are not those of all classes."""
    names = sorted({name for text in texts for name in text})
    differing = set()
    for name in names:
        kinds, bodies = zip(*(text[name] for text in texts if name in text), strict=True)
        common = min(map(len, bodies))
        if len(set(kinds)) > 1 or len({tuple(body[:common]) for body in bodies}) > 1:
            differing.add(name)
    return differing


@pytest.mark.parametrize("family", sorted(OWN_WORDS))
def test_parameters_of_a_family_are_described_in_the_same_words(family):
    assert differing_names([described(cls) for cls in public_classes(family)]) == OWN_WORDS[family]


def test_attributes_of_every_estimator_are_described_in_the_same_words():
    families = [name for name in sklearn_extra_ml.__all__ if not name.startswith("_")]
    texts = [
        {name: text for name, text in described(cls).items() if name in EVERYWHERE}
        for family in families
        for cls in public_classes(family)
    ]
    assert sum(map(bool, texts)) > 15
    assert not differing_names(texts)


def test_a_differing_word_is_found():
    texts = [{"a": ("int", ["One.", "Two."])}, {"a": ("int", ["One."])}]
    assert not differing_names(texts)
    assert differing_names([*texts, {"a": ("int", ["Won."])}]) == {"a"}
    assert differing_names([*texts, {"a": ("float", ["One."])}]) == {"a"}
