"""What several families share: validation, threads and the numerical cores."""
