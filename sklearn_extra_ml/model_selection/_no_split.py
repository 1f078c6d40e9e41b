"""A splitter that does not split."""

import numpy as np
from sklearn.model_selection import BaseCrossValidator


class NoSplit(BaseCrossValidator):
    """One split whose training and test set are both all rows.

    Clustering is judged on the rows that were clustered: there is no target to overfit, and a
    cluster that half of the rows show differs from the one that all of them show. Pass it as `cv`
    to `GridSearchCV` for estimators whose `score` needs no `y`.

    See Also
    --------
    sklearn_extra_ml.cluster.HDBSCAN : Its `score` judges a clustering without labels.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_extra_ml.model_selection import NoSplit
    >>> cv = NoSplit()
    >>> cv.get_n_splits()
    1
    >>> for train, test in cv.split(np.zeros((3, 2))):
    ...     print(train, test)
    [0 1 2] [0 1 2]
    """

    def split(self, X, y=None, groups=None):
        """Yield all rows as training set and all rows as test set, once.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The data; only its length counts.

        y, groups : None
            Ignored.

        Yields
        ------
        train, test : ndarray of shape (n_samples,)
            Indices of all rows.
        """
        n_samples = X.shape[0] if hasattr(X, "shape") else len(X)
        yield np.arange(n_samples), np.arange(n_samples)

    def get_n_splits(self, X=None, y=None, groups=None):
        """Return 1.

        Parameters
        ----------
        X, y, groups : None
            Ignored.

        Returns
        -------
        n_splits : int
        """
        return 1
