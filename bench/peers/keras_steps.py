"""Whole training steps of the nets in bench/ by Keras on TensorFlow: model.fit, batches in memory.

The images are random numbers, normalised already. What differs between the settings: XLA, which
Keras uses unless told otherwise, and how many steps one call into TensorFlow makes.
"""
import os
import time

os.environ['KERAS_BACKEND'] = 'tensorflow'
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

import keras
import tensorflow
from keras import layers

HELD_BATCHES = 4
STEPS_A_CALL = 8
SETTINGS = {'as it comes (XLA)': ('auto', 1),
            'without XLA': (False, 1),
            f'without XLA, {STEPS_A_CALL} steps a call': (False, STEPS_A_CALL),
            f'XLA, {STEPS_A_CALL} steps a call': ('auto', STEPS_A_CALL)}


def mnist_trunk():
    return keras.Sequential([
        layers.Conv2D(32, 3, activation='relu'), layers.MaxPooling2D(2),
        layers.Conv2D(64, 3, activation='relu'), layers.MaxPooling2D(2), layers.Flatten()])


def mnist_head(x, task):
    return layers.Dense(10, name=task)(layers.Dense(64, activation='relu')(x))


def mnist_fashion():
    images = {task: keras.Input((28, 28, 1), name=f'{task}_images')
              for task in ('digit', 'garment')}
    joined = mnist_trunk()(layers.Concatenate(axis=0)(list(images.values())))
    halves = keras.ops.split(joined, 2)
    return images, {task: mnist_head(half, task) for task, half in zip(images, halves)}


def sixteen_heads():
    images = keras.Input((28, 28, 1), name='digits')
    x = mnist_trunk()(images)
    return {'digits': images}, {task: mnist_head(x, task)
                                for task in (f'head{i + 1}' for i in range(16))}


def cifar128():
    images = keras.Input((32, 32, 3), name='photos')
    x = images
    for _ in range(2):
        x = layers.Conv2D(128, 3, padding='same', activation='relu')(x)
        x = layers.AveragePooling2D(2)(x)
    x = layers.Dense(1024, activation='relu')(layers.Flatten()(x))
    return {'photos': images}, {task: layers.Dense(10, name=task)(x)
                                for task in ('first', 'second')}


def convolution(x, filters, size, stride):
    x = layers.ZeroPadding2D(size // 2)(x) if size > 1 else x
    x = layers.Conv2D(filters, size, stride, use_bias=False)(x)
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)


def residual(x, filters, stride):
    body = layers.ReLU()(convolution(x, filters, 3, stride))
    body = convolution(body, filters, 3, 1)
    same = stride == 1 and x.shape[-1] == filters
    shortcut = x if same else convolution(x, filters, 1, stride)
    return layers.ReLU()(layers.Add()([body, shortcut]))


def resnet18():
    images = keras.Input((64, 64, 3), name='pictures')
    x = layers.ReLU()(convolution(images, 64, 7, 2))
    x = layers.MaxPooling2D(3, 2, padding='same')(x)
    for filters, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        x = residual(residual(x, filters, stride), filters, 1)
    x = layers.GlobalAveragePooling2D()(x)
    return {'pictures': images}, {'shape': layers.Dense(4, name='shape')(x),
                                  'colour': layers.Dense(6, name='colour')(x)}


NETS = {'mnist-fashion': (mnist_fashion, 64), 'resnet18': (resnet18, 32),
        'cifar128': (cifar128, 64), 'sixteen-heads': (sixteen_heads, 64)}


class Clock(keras.callbacks.Callback):
    """When each call into TensorFlow came back."""

    def __init__(self):
        super().__init__()
        self.times = []

    def on_train_batch_end(self, batch, logs=None):
        self.times.append(time.perf_counter())


class Peer:
    def __init__(self, net, threads):
        tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
        tensorflow.config.threading.set_inter_op_parallelism_threads(threads)
        keras.utils.set_random_seed(1)
        make, self.batch = NETS[net]
        self.images, self.answers = make()
        self.models = {}
        self.data = self.make_data()

    def make_data(self):
        n = HELD_BATCHES, self.batch
        images = {image.name: tensorflow.random.normal((*n, *image.shape[1:]))
                  for image in self.images.values()}
        labels = {task: tensorflow.random.uniform(n, 0, answer.shape[-1], tensorflow.int32)
                  for task, answer in self.answers.items()}
        return tensorflow.data.Dataset.from_tensor_slices((images, labels)).repeat()

    def hello(self):
        return {'name': f'Keras {keras.__version__} on TensorFlow {tensorflow.__version__}',
                'settings': list(SETTINGS), 'images_a_step': self.batch * len(self.images)}

    def model(self, setting):
        if setting not in self.models:
            jit, steps = SETTINGS[setting]
            model = keras.Model({i.name: i for i in self.images.values()}, self.answers)
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            model.compile(keras.optimizers.Adam(1e-3), {task: loss for task in self.answers},
                          loss_weights={task: 1 / len(self.answers) for task in self.answers},
                          jit_compile=jit, steps_per_execution=steps)
            self.models[setting] = model
        return self.models[setting]

    def measure(self, setting, steps, warm_up):
        a_call = SETTINGS[setting][1]
        calls, warm_calls = -(-steps // a_call), max(1, warm_up // a_call)
        clock = Clock()
        self.model(setting).fit(self.data, steps_per_epoch=(calls + warm_calls) * a_call,
                                epochs=1, verbose=0, callbacks=[clock])
        times = clock.times[warm_calls - 1:]
        return {'ms': [1e3 * (b - a) / a_call for a, b in zip(times, times[1:])]}
