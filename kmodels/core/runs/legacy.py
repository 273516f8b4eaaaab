"""Models that earlier versions saved: their names, arguments and files of weights are turned into today's."""

import io
import json
import tempfile
import zipfile
from pathlib import Path

import h5py

from kmodels.core.io import files
from kmodels.core.spec import registry


def load_model(path: str | Path):
    """Load a saved model, whichever version of kmodels wrote it; nothing in the file is executed.

    Parameters
    ----------
    path : path
        A `.keras` file.

    Returns
    -------
    keras.Model
        Not compiled. Of a class of today, whose modules have been imported where the file is an old one.

    Raises
    ------
    Exception
        Of any kind, where the file is damaged or no model.
    """
    import keras

    with zipfile.ZipFile(path) as archive:
        entry = json.loads(_content(archive, "config.json"))
        names = _names_of(entry.get("registered_name"))
        if names is not None:
            model = _build(names, entry)
            _load_weights(model, _content(archive, "model.weights.h5"))
            return model
    # Not compiled as it was for training: jax saves `jit_compile=True`, and torch would take that up.
    return keras.saving.load_model(path, compile=False, safe_mode=True)


def _content(archive: zipfile.ZipFile, name: str) -> bytes:
    """Read a member, unless it would fill the memory."""
    files.refuse_giant(name, archive.getinfo(name).file_size)
    return archive.read(name)


def _names_of(registered: str | None):
    """Import the module that says what has become of a network: `REGISTERED, upgrade_config`; None for one of today."""
    if not str(registered).startswith("kmodels>"):  # today's names have the model's: kmodels.plume>PlumeNet
        return None
    for model in registry.NAMES:
        module = registry.legacy(model)
        if registered in module.REGISTERED:
            registry.task(model)  # its import registers the classes
            return module
    return None


def _build(names, entry: dict):
    """Make the model of today that an old entry of config.json stands for, its weights not those of the file."""
    import keras

    registered = names.REGISTERED[entry["registered_name"]]
    today = {
        "class_name": registered.partition(">")[2],
        "registered_name": registered,
        "module": None,
        "config": names.upgrade_config(entry["config"]),
    }
    return keras.saving.deserialize_keras_object(today, safe_mode=True)


def _load_weights(model, content: bytes) -> None:
    """Give a model the weights of an old file.

    Keras finds a layer's weights by its class, of which the names have changed, and by its place in the list of layers.
    So the model's own file is written, filled by the names of the layers, which have not changed, and read.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "today.weights.h5")
        model.save_weights(path)
        with h5py.File(path, "r+") as file, h5py.File(io.BytesIO(content), "r") as old:
            ours, theirs = _by_layers(file), _by_layers(old)
            if ours.keys() != theirs.keys():
                raise ValueError(f"weights of {sorted(ours.keys() ^ theirs.keys())[0]} are missing or not known")
            for chain, group in ours.items():
                _copy(theirs[chain], group)
        model.load_weights(path)


def _by_layers(file: h5py.File) -> dict[tuple[str, ...], h5py.Group]:
    """Find the groups of weights, by the names of the layers, from the outermost, that they lie in.

    A layer of a list is called as its group of weights says, another one as the attribute that holds it. Links to
    elsewhere are not followed.
    """
    groups, names = {}, {}

    def look(path: str, item) -> None:
        place, _, last = path.rpartition("/")
        if last == "vars" and not path.startswith("optimizer/"):
            names[place] = item.attrs.get("name")
            if len(item):
                groups[place] = item

    file.visititems(look)
    return {_chain(place, names): group for place, group in groups.items()}


def _chain(place: str, names: dict) -> tuple[str, ...]:
    """Put the layers' names in the place of those in a path such as layers/dense_1."""
    parts = place.split("/")
    of_list = (k > 0 and parts[k - 1] == "layers" for k in range(len(parts)))
    return tuple(names["/".join(parts[: k + 1])] if named else parts[k] for k, named in enumerate(of_list))


def _copy(old: h5py.Group, new: h5py.Group) -> None:
    """Write the weights of one group into another, of the same names and shapes.

    Refuses what is not wholly in its file, as Keras does, and chunks, which may be larger than the memory; Keras writes
    none.
    """
    if old.keys() != new.keys():
        raise ValueError(f"{old.name}: {len(old)} weights, expected {len(new)}")
    for name, values in new.items():
        link, found = old.get(name, getlink=True), None
        if isinstance(link, h5py.HardLink):
            found = old[name]
        if not isinstance(found, h5py.Dataset) or found.external or found.is_virtual or found.chunks:
            raise ValueError(f"{old.name}/{name}: not a plain array of this file")
        if found.shape != values.shape:
            raise ValueError(f"{old.name}/{name}: weights of shape {found.shape}, expected {values.shape}")
        values[...] = found[()]
