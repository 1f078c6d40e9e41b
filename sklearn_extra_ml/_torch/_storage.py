"""Files that survive a crash, and models as safetensors with JSON: nothing in them is executed."""

import json
import os
from pathlib import Path

import numpy as np

from .._core._validation import bad_value
from ._device import import_torch, require

_FORMAT = 1
_STORABLE = {}


# --- checkpoints -----------------------------------------------------------------------------


def write_atomically(path, write):
    """Call ``write(file)`` so that `path` holds the old content or the new, whenever we are killed.

    Temporary file in the same folder, flushed to the disk, then renamed; the folder is flushed too.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def write_checkpoint(path, state):
    """Write nested dicts and lists of tensors and plain values, atomically."""
    torch = import_torch()
    write_atomically(path, lambda file: torch.save(state, file))


def read_checkpoint(path):
    """Return what `write_checkpoint` wrote, on the CPU; runs no code that the file might hold."""
    return import_torch().load(path, map_location="cpu", weights_only=True)


# --- models as safetensors + JSON ---------------------------------------------------------------


def storable(cls):
    """Class decorator: instances may be stored by `save_model`, field by field (``vars``).

    A class with ``_to_store()`` and the class method ``_from_stored(fields)`` says itself what to
    store, and builds an instance of it.
    """
    _STORABLE[cls.__name__] = cls
    return cls


def can_store(value):
    """Whether `save_model` takes it."""
    try:
        _pack(value, "value", {})
    except TypeError:
        return False
    return True


def _pack(value, name, tensors):
    """Return `value` as JSON; arrays go to `tensors` under `name`."""
    torch = import_torch()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return {"scalar": value.item(), "dtype": value.dtype.str}
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        tensors[name] = torch.from_numpy(np.array(value, order="C"))  # a copy: may be read-only
        return {"tensor": name, "dtype": value.dtype.str}
    if isinstance(value, np.ndarray):
        items = [_pack(item, f"{name}.{i}", tensors) for i, item in enumerate(value.ravel())]
        return {"array": items, "dtype": value.dtype.str, "shape": list(value.shape)}
    if isinstance(value, torch.Tensor):
        tensors[name] = value.detach().cpu().contiguous().clone()
        return {"torch": name}
    if isinstance(value, (list, tuple)):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [_pack(item, f"{name}.{i}", tensors) for i, item in enumerate(value)]}
    if isinstance(value, dict):
        return {
            "dict": [
                [_pack(key, f"{name}.key{i}", tensors), _pack(item, f"{name}.{i}", tensors)]
                for i, (key, item) in enumerate(value.items())
            ]
        }
    kind = type(value).__name__
    if _STORABLE.get(kind) is type(value):
        fields = value._to_store() if hasattr(type(value), "_to_store") else vars(value)
        return {"object": kind, "fields": _pack(fields, name, tensors)}
    raise TypeError(
        f"`{name}` is a {kind}, which `save` cannot store. Allowed: numbers, "
        "strings, arrays, lists, dicts. Use pickle, or leave it out and pass it to `load`."
    )


def _unpack(value, tensors):
    """Undo `_pack`."""
    if not isinstance(value, dict):
        return value
    if "scalar" in value:
        return np.dtype(value["dtype"]).type(value["scalar"])
    if "tensor" in value:
        return tensors[value["tensor"]].numpy().astype(value["dtype"], copy=False)
    if "array" in value:
        flat = np.empty(len(value["array"]), dtype=value["dtype"])
        for i, item in enumerate(value["array"]):
            flat[i] = _unpack(item, tensors)
        return flat.reshape(value["shape"])
    if "torch" in value:
        return tensors[value["torch"]]
    if "list" in value:
        return [_unpack(item, tensors) for item in value["list"]]
    if "tuple" in value:
        return tuple(_unpack(item, tensors) for item in value["tuple"])
    if "dict" in value:
        return {_unpack(k, tensors): _unpack(item, tensors) for k, item in value["dict"]}
    stored = _STORABLE[value["object"]]
    if hasattr(stored, "_from_stored"):
        return stored._from_stored(_unpack(value["fields"], tensors))
    instance = stored.__new__(stored)
    vars(instance).update(_unpack(value["fields"], tensors))
    return instance


def save_model(path, content):
    """Write a dict of plain values and arrays as one safetensors file, atomically."""
    tensors = {}
    text = json.dumps({"format": _FORMAT, "content": _pack(content, "model", tensors)})
    data = require("safetensors.torch").save(tensors, metadata={"sklearn_extra_ml": text})
    write_atomically(path, lambda file: file.write(data))


def load_model(path):
    """Return the dict that `save_model` wrote; nothing in the file is executed."""
    safetensors = require("safetensors")
    try:
        with safetensors.safe_open(os.fspath(path), framework="pt", device="cpu") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except safetensors.SafetensorError as error:
        raise bad_value(
            "path", str(path), "is no safetensors file", "what `save` wrote", "Check the path."
        ) from error
    header = json.loads(metadata.get("sklearn_extra_ml", "{}"))
    if header.get("format") != _FORMAT:
        raise bad_value(
            "path",
            str(path),
            f"has format {header.get('format')}",
            f"format {_FORMAT}, as written by `save`",
            "Save the model again with this version.",
        )
    return _unpack(header["content"], tensors)
