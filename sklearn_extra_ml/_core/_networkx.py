"""networkx on demand."""


def import_networkx():
    """Return `networkx`; an `ImportError` that says how to get it where it is missing."""
    try:
        import networkx
    except ImportError as error:
        raise ImportError(
            "`to_networkx` needs networkx, which is not installed. Install it with "
            "`pip install networkx`."
        ) from error
    return networkx
