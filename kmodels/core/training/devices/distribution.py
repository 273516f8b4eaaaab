"""One training on many devices: the second room behind the door to the backends, see `backend`.

A global batch is shared out among the devices, row by row; the loss, its gradient and the means over an epoch are those
of the whole batch. So the weights are those of one device but for rounding, whatever the number of devices. On one
device, as nearly always, nothing here does anything.

* jax: one process, or one a machine, has several devices; `keras.distribution` shares arrays out and puts the
  reductions into the compiled step.
* tensorflow: one process has several devices, by MirroredStrategy; Keras sums the gradients in the optimizer.
* torch: a process a device, by torch.distributed with gloo; gradients are summed once a step, before the optimizer.
"""

import collections
import contextlib
import io
import itertools
import json
import os
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from kmodels.core.io import system
from kmodels.core.spec.errors import UserError
from kmodels.core.training import backend

FORCED = "xla_force_host_platform_device_count"  # the option of XLA that makes several devices of a CPU


class Alone:
    """One process and one device: what every other way of training is compared with.

    Attributes
    ----------
    processes : int
        That train together.
    rank : int
        Of this one among them; the first, 0, is the one that writes.
    devices : int
        Of all processes.
    apart : bool
        Whether each part of a batch is computed by itself; jax computes with the whole.
    """

    processes, rank, devices = 1, 0, 1
    apart = False

    def scope(self) -> contextlib.AbstractContextManager:
        """Open the context in which a network is built and trained."""
        return contextlib.nullcontext()

    def own_rows(self, batch: Any) -> Any:
        """Select, of arrays that hold a whole batch, the rows that this process is given."""
        return batch

    def feed(self, batches: Iterator) -> Any:
        """Make of this process's batches, without end, what `keras.Model.fit` is given."""
        return batches

    def step(self, model: keras.Model, batch: Any) -> None:
        """Take one training step on a whole batch, outside `keras.Model.fit`."""
        model.train_on_batch(*keras.tree.map_structure(ops.convert_to_tensor, self.own_rows(batch)))

    def summed(self, values: list) -> list:
        """Add numbers over all parts of a batch; their gradients stay those of the own part."""
        return values

    def counted(self, count: Any) -> Any:
        """Compute how much a mean over the whole batch counts in a metric of this part, of all that are added up."""
        return count

    def as_keras_takes_it(self, loss: Any) -> Any:
        """Scale the loss of the whole batch as the backend's trainer takes it, its gradient left as it is."""
        return loss

    def reduced(self, gradients: list) -> list:
        """Turn the gradients of the own part into those of the whole batch."""
        return gradients

    def once(self, gradients: list) -> list:
        """Let an optimizer that adds gradients up by itself do so once: all but one part give none."""
        return gradients

    def normalized(self, x: Any, scale: Any, offset: Any, epsilon: float) -> tuple:
        """Normalise as `backend.batch_normalized` does, by mean and variance of the whole batch."""
        return backend.batch_normalized(x, scale, offset, epsilon)

    def drawn(self, draw: Callable, shape: Sequence[int]) -> Any:
        """Draw random numbers for the own rows: those that one device would draw for them.

        Parameters
        ----------
        draw : callable
            ``draw(shape)`` draws an array.
        shape : sequence of int
            Of the own rows, (rows, ...).
        """
        return draw(shape)

    def predicted(self, model: keras.Model, inputs: dict) -> dict:
        """Predict for a whole batch; in every process alike."""
        return model.predict_on_batch(inputs)

    def told(self, content: bytes) -> bytes:
        """Return what the first process gave; all processes call it, in the same order."""
        return content

    def leave(self) -> None:
        """End what binds the processes together."""


_current = Alone()


def current() -> Alone:
    """Return what the training of this process runs on."""
    return _current


def agreed(value: Any) -> Any:
    """Return the first process's value, of JSON, in every process."""
    return json.loads(_current.told(json.dumps(value).encode()))


def agreed_arrays(arrays: list[np.ndarray]) -> list[np.ndarray]:
    """Return the first process's arrays in every process; what the others give counts for nothing."""
    content = io.BytesIO()
    np.savez(content, **{f"{k:05d}": value for k, value in enumerate(arrays)})
    with np.load(io.BytesIO(_current.told(content.getvalue())), allow_pickle=False) as found:
        return [found[name] for name in sorted(found.files)]


def begin(devices: int | None, batch_size: int, join: dict | None = None) -> Alone:
    """Let this process train on many devices from now on. Nothing may have been computed in it.

    Parameters
    ----------
    devices : int or None
        Of this process; None: all that there are. On torch a process has one.
    batch_size : int
        Examples of a global batch, which the devices share.
    join : dict, optional
        How to find the other processes: `address`, `processes` and `rank`. This one alone by default.

    Returns
    -------
    Alone
        What `current` returns from now on.

    Raises
    ------
    UserError
        Where there are fewer devices, or a batch does not divide by their number.
    """
    global _current
    kind = {"jax": JaxDevices, "tensorflow": TensorflowReplicas, "torch": TorchProcesses}[backend.current()]
    _current = kind(devices, join)
    refuse_indivisible(batch_size, _current.devices)
    return _current


def refuse_indivisible(batch_size: int, devices: int) -> None:
    """Refuse a batch of which the devices would get unequal shares.

    Raises
    ------
    UserError
        That says which batches, and which numbers of devices, go.
    """
    if batch_size % devices == 0:
        return
    below = batch_size // devices * devices
    sizes = " or ".join(str(size) for size in (below, below + devices) if size)
    counts = ", ".join(str(n) for n in range(1, min(batch_size, 2 * devices) + 1) if batch_size % n == 0)
    raise UserError(
        f"a batch of {batch_size} examples does not divide by {devices} devices: --train.batch_size {sizes}, or "
        f"{counts} devices"
    )


def refuse_layers(model: keras.Model) -> None:
    """Refuse a network with layers of Keras that would drop other features, or normalise otherwise, than on one device.

    Raises
    ------
    UserError
        Off jax, for dropout, noise and batch normalisation that are not those of `devices.layers`.
    """
    if not _current.apart:
        return
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            refuse_layers(layer)
        elif type(layer).__module__.startswith("keras.") and _sees_the_batch(layer):
            raise UserError(
                f"layer {layer.name}: each device of {backend.current()} would draw, or normalise, for itself, and the "
                f"weights would not be those of one device; on jax they are: --backend jax"
            )


def _sees_the_batch(layer: keras.Layer) -> bool:
    """Tell whether a layer of Keras, in training, draws random numbers or computes means over the batch."""
    if isinstance(layer, keras.layers.BatchNormalization):
        return layer.trainable
    config = layer.get_config()
    return any(config.get(name) for name in ("rate", "dropout", "recurrent_dropout", "stddev"))


def _refuse_more(asked: int, there: int, what: str) -> None:
    if asked > there:
        raise UserError(f"--devices {asked}: {backend.current()} has {there} here ({what})")


class JaxDevices(Alone):
    """Several devices of jax, in one process or in one a machine."""

    def __init__(self, devices: int | None, join: dict | None):
        import jax

        self._part_the_cpu(devices)
        if join:
            keras.distribution.initialize(join["address"], join["processes"], join["rank"])
            self.processes, self.rank = join["processes"], join["rank"]
        own = [jax.local_devices(process_index=process) for process in range(self.processes)]
        there, kind = min(map(len, own)), own[0][0].platform
        each = devices or there
        hint = f"; XLA_FLAGS=--{FORCED}={devices} makes more of a CPU" if kind == "cpu" else ""
        _refuse_more(each, there, f"{kind}{hint}")
        names = [f"{kind}:{one.id}" for some in own for one in some[:each]]
        self.devices, self._compiled = len(names), weakref.WeakKeyDictionary()
        self._data = keras.distribution.DataParallel(devices=names, auto_shard_dataset=False)

    def _part_the_cpu(self, devices: int | None) -> None:
        """Make so many devices of the processor, each of its cores at most one, unless XLA_FLAGS say how many."""
        import jax

        cores = len(system.cores())
        if FORCED not in os.environ.get("XLA_FLAGS", "") and 1 < (devices or cores) <= cores:
            jax.config.update("jax_num_cpu_devices", devices or cores)

    def scope(self):
        """Let Keras share arrays out."""
        return self._data.scope()

    def own_rows(self, batch):
        """Select the part that this process feeds."""
        return _part(batch, self.rank, self.processes)

    def predicted(self, model, inputs):
        """Predict; the batch is filled up until the devices get equal shares."""
        rows = len(keras.tree.flatten(inputs)[0])
        size = -(-rows // self.devices) * self.devices
        inputs = keras.tree.map_structure(lambda values: np.resize(values, (size, *values.shape[1:])), inputs)
        whole = model.predict_on_batch if self.processes == 1 else lambda given: self._gathered(model, given)
        return keras.tree.map_structure(lambda values: values[:rows], whole(inputs))

    def _gathered(self, model, inputs):
        """Predict in all processes, each of which gets all rows; Keras would read devices of other machines."""
        import jax

        if model not in self._compiled:
            whole = jax.sharding.NamedSharding(self._data.device_mesh.backend_mesh, jax.sharding.PartitionSpec())
            self._compiled[model] = jax.jit(
                lambda weights, others, x: model.stateless_call(weights, others, x, training=False)[0],
                out_shardings=whole,
            )
        layout = self._data.get_data_layout
        given = keras.tree.map_structure(
            lambda values: jax.make_array_from_process_local_data(layout(values.shape).backend_layout, values),
            self.own_rows(inputs),
        )
        states = ([variable.value for variable in part] for part in _states(model))
        return keras.tree.map_structure(np.asarray, self._compiled[model](*states, given))

    def told(self, content):
        """Send the first process's bytes: how many, then these."""
        if self.processes == 1:
            return content
        from jax.experimental import multihost_utils as hosts

        length = int(hosts.broadcast_one_to_all(np.int32(len(content))))
        sent = np.resize(np.frombuffer(content, "uint8"), length)
        return np.asarray(hosts.broadcast_one_to_all(sent)).astype("uint8").tobytes()

    def leave(self):
        """Wait for the others, and go."""
        if self.processes > 1:
            import jax

            jax.distributed.shutdown()


class TensorflowReplicas(Alone):
    """Several devices of tensorflow in one process, each with a copy of the network."""

    apart = True

    def __init__(self, devices: int | None, join: dict | None):
        import tensorflow as tf

        if join:  # the command line has refused it with what goes
            raise UserError("tensorflow trains on the devices of one machine")
        kind = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
        cores = len(system.cores())
        if kind == "CPU" and 1 < (devices or cores) <= cores:
            cpu = tf.config.list_physical_devices("CPU")[0]
            parts = [tf.config.LogicalDeviceConfiguration()] * (devices or cores)
            tf.config.set_logical_device_configuration(cpu, parts)
        there = [device.name for device in tf.config.list_logical_devices(kind)]
        self.devices = devices or len(there)
        _refuse_more(self.devices, len(there) if kind == "GPU" else cores, f"{kind.lower()}s")
        self._strategy = tf.distribute.MirroredStrategy(there[: self.devices])

    def scope(self):
        """Let tensorflow copy the network to each device."""
        return self._strategy.scope()

    def feed(self, batches):
        """Make a data set that tensorflow shares out."""
        import tensorflow as tf

        first = next(batches)
        signature = keras.tree.map_structure(lambda values: tf.TensorSpec(values.shape, values.dtype), first)
        again = _Replayed(itertools.chain([first], batches))
        return self._strategy.experimental_distribute_dataset(
            tf.data.Dataset.from_generator(again, output_signature=signature)
        )

    def step(self, model, batch):
        """Give each replica its rows; Keras would give each of them all."""

        def share(replica):
            return _part(batch, replica.replica_id_in_sync_group, self.devices)

        model.train_on_batch(*self._strategy.experimental_distribute_values_from_function(share))

    def summed(self, values):
        """Add over the replicas, inside a step; elsewhere there is one."""
        import tensorflow as tf

        replica = self._replica()
        if replica is None:
            return values
        own = tf.stack(values)
        total = replica.all_reduce(tf.distribute.ReduceOp.SUM, tf.stop_gradient(own))
        return tf.unstack(own + tf.stop_gradient(total - own))

    def counted(self, count):
        """Share the count out: Keras adds up what the replicas' metrics counted."""
        return count if self._replica() is None else count / self.devices

    def as_keras_takes_it(self, loss):
        """Divide by the number of replicas, with which Keras multiplies what it shows."""
        return loss if self._replica() is None else loss - ops.stop_gradient(loss) * (1 - 1 / self.devices)

    def reduced(self, gradients):
        """Add over the replicas."""
        import tensorflow as tf

        replica = self._replica()
        there = [gradient for gradient in gradients if gradient is not None]
        if replica is None or not there:
            return gradients
        sums = iter(replica.all_reduce(tf.distribute.ReduceOp.SUM, there))
        return [None if gradient is None else next(sums) for gradient in gradients]

    def once(self, gradients):
        """Leave the gradients to the first replica alone: Keras adds those of all up, after it has clipped them."""
        import tensorflow as tf

        replica = self._replica()
        if replica is None:
            return gradients
        first = tf.equal(replica.replica_id_in_sync_group, 0)
        return [None if g is None else tf.where(first, g, tf.zeros_like(g)) for g in gradients]

    def normalized(self, x, scale, offset, epsilon):
        """Normalise by the mean and variance of all replicas."""
        import tensorflow as tf

        replica = self._replica()

        def mean(part):
            return part if replica is None else replica.all_reduce(tf.distribute.ReduceOp.MEAN, part)

        return _normalized(mean, x, scale, offset, epsilon)

    def drawn(self, draw, shape):
        """Draw for all replicas, and take the own rows."""
        import tensorflow as tf

        replica = self._replica()
        if replica is None:
            return draw(shape)
        rows = shape[0]
        whole = draw((rows * self.devices, *shape[1:]))
        first = tf.cast(replica.replica_id_in_sync_group, "int32") * rows
        return whole[first : first + rows]

    def predicted(self, model, inputs):
        """Predict; Keras gives each replica the whole batch, and puts what they answer behind each other."""
        rows = len(keras.tree.flatten(inputs)[0])
        return keras.tree.map_structure(lambda values: values[:rows], model.predict_on_batch(inputs))

    @staticmethod
    def _replica():
        """Find the replica that takes a step here; None outside of steps."""
        import tensorflow as tf

        replica = tf.distribute.get_replica_context()
        return replica if replica is not None and replica.num_replicas_in_sync > 1 else None


class _Replayed:
    """Gives the same items from the first on when it is called a second time.

    Keras reads a few batches ahead to see their shapes, and then begins anew.
    """

    def __init__(self, items: Iterator):
        self._items, self._seen = items, collections.deque()
        self._calls, self._lock = 0, threading.Lock()

    def __call__(self):
        """Yield the items; a call before this one yields no more."""
        with self._lock:
            self._calls += 1
            mine = self._calls
        while True:
            with self._lock:
                if mine != self._calls:
                    return
                if mine == 1:
                    self._seen.append(next(self._items))
                    item = self._seen[-1]
                else:
                    item = self._seen.popleft() if self._seen else next(self._items)
            yield item


class TorchProcesses(Alone):
    """A process a device, which keep the same weights by adding up their gradients."""

    apart = True

    def __init__(self, devices: int | None, join: dict | None):
        import torch.distributed as dist

        join = join or {"address": None, "processes": 1, "rank": 0}
        self.processes = self.devices = join["processes"]
        self.rank = join["rank"]
        how = {"init_method": join["address"], "world_size": self.processes, "rank": self.rank}
        dist.init_process_group("gloo", **how)

    def own_rows(self, batch):
        """Select the rows of this process."""
        return _part(batch, self.rank, self.processes)

    def summed(self, values):
        """Add over the processes."""
        import torch

        own = torch.stack(values)
        if _is_shape(own):
            return values
        total = self._sum(own.detach().clone())
        return list(torch.unbind(own + (total - own.detach())))

    def reduced(self, gradients):
        """Add over the processes, all in one array."""
        import torch

        there = [gradient for gradient in gradients if gradient is not None]
        if not there:
            return gradients
        total = self._sum(torch.cat([gradient.reshape(-1) for gradient in there]))
        sizes = [gradient.numel() for gradient in there]
        parts = iter(torch.split(total, sizes))
        return [None if g is None else next(parts).reshape(g.shape) for g in gradients]

    def _sum(self, tensor):
        """Add a tensor over all processes, in place."""
        import torch.distributed as dist

        dist.all_reduce(tensor)
        return tensor

    def normalized(self, x, scale, offset, epsilon):
        """Normalise by the mean and variance of all processes' rows."""

        @ops.custom_gradient
        def mean(part):
            def gradient(*_, upstream):
                return self._sum(upstream.clone()) / self.processes

            whole = part if _is_shape(part) else self._sum(part.detach().clone()) / self.processes
            return whole, gradient

        return _normalized(mean, x, scale, offset, epsilon)

    def drawn(self, draw, shape):
        """Draw for all processes, and take the own rows."""
        rows = shape[0]
        whole = draw((rows * self.processes, *shape[1:]))
        return whole[self.rank * rows : (self.rank + 1) * rows]

    def told(self, content):
        """Send the first process's bytes: how many, then these."""
        import torch
        import torch.distributed as dist

        length = torch.tensor([len(content)])
        dist.broadcast(length, 0)
        sent = torch.from_numpy(np.resize(np.frombuffer(content, "uint8"), int(length)).copy())
        dist.broadcast(sent, 0)
        return sent.numpy().tobytes()

    def leave(self):
        """Wait for the others, and go."""
        import torch.distributed as dist

        dist.barrier()
        dist.destroy_process_group()


def _part(batch: Any, number: int, among: int) -> Any:
    """Select part `number` of the rows of all arrays of a structure, parted among so many."""

    def rows(values):
        size = len(values) // among
        return values[number * size : (number + 1) * size]

    return keras.tree.map_structure(rows, batch)


def _is_shape(tensor) -> bool:
    """Tell whether Keras only looks for the shape of one of torch's tensors."""
    return tensor.device.type == "meta"


def _states(model: keras.Model) -> tuple[list, list]:
    return model.trainable_variables, model.non_trainable_variables


def _normalized(mean_of_parts: Callable, x: Any, scale: Any, offset: Any, epsilon: float) -> tuple:
    """Normalise x (batch, ..., channels) by means over all parts of the batch, which are of the same size."""
    axes = tuple(range(len(x.shape) - 1))
    mean = mean_of_parts(ops.mean(x, axes))
    variance = mean_of_parts(ops.mean(ops.square(x - mean), axes))
    return ops.batch_normalization(x, mean, variance, -1, offset, scale, epsilon), mean, variance
