"""What several families share: validation, threads, and (as they come) spatial, Gaussian and EM cores."""
