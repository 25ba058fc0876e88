#!/usr/bin/env python3
"""Reads with TensorFlow and TensorBoard what write.cc wrote: python3 check.py OUT"""
import glob
import os
import sys

os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'
import numpy as np
import tensorflow.compat.v1 as tf
from google.protobuf import text_format

tf.disable_v2_behavior()
out = sys.argv[1]


def ramp(shape, dtype=np.float32):
    return (np.arange(np.prod(shape)) % 100).astype(dtype).reshape(shape)


def checkpoint():
    prefix = tf.train.latest_checkpoint(out + '/ckpt')
    reader = tf.train.NewCheckpointReader(prefix)
    for name in ('float32', 'float64', 'float16', 'bfloat16', 'int8', 'uint8', 'int16', 'int32', 'int64'):
        value = reader.get_tensor('type/' + name)
        assert str(value.dtype) == name and (value.astype(np.float64) == ramp([3, 4])).all(), name
    assert list(reader.get_tensor('type/bool')) == [False, True]
    assert reader.get_tensor('scalar') == 1.5 and reader.get_tensor('empty').shape == (0, 3)
    assert list(reader.get_tensor('text')) == [b'hello', b'x' * 200]
    assert (reader.get_tensor('sliced') == np.concatenate([ramp([2, 100])] * 3)).all()
    for i in range(0, 20000, 97):
        assert reader.get_tensor('many/%05d/weights' % i) == i
    assert len(reader.get_variable_to_shape_map()) == 20014
    return len(reader.get_variable_to_shape_map())


def records():
    count = 0
    for name, kind in (('plain', ''), ('gzip', 'GZIP'), ('zlib', 'ZLIB')):
        options = tf.python_io.TFRecordOptions({'': 0, 'ZLIB': 1, 'GZIP': 2}[kind])
        for i, record in enumerate(tf.python_io.tf_record_iterator(out + '/' + name, options)):
            example = tf.train.Example.FromString(record).features.feature
            assert list(example['id'].int64_list.value) == [i, -i]
            assert list(example['x'].float_list.value) == [0.5 * i]
            assert list(example['name'].bytes_list.value) == [b'n' * i]
            count += 1
    assert count == 3000
    return count


def events():
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    board = EventAccumulator(out + '/logs')
    board.Reload()
    tags = board.Tags()
    # TensorBoard itself turns old summaries into tensors; read both ways.
    [path] = glob.glob(out + '/logs/*')
    seen = {'scalar': 0, 'histo': 0, 'image': 0, 'text': 0, 'graph': 0}
    for event in tf.train.summary_iterator(path):
        if event.graph_def:
            assert len(tf.GraphDef.FromString(event.graph_def).node) > 10
            seen['graph'] += 1
        for value in event.summary.value:
            kind = value.WhichOneof('value')
            if kind == 'simple_value':
                assert value.simple_value == np.float32(1 / (event.step + 1))
                seen['scalar'] += 1
            elif kind == 'histo':
                assert (value.histo.min, value.histo.max, value.histo.num, value.histo.sum) == (0, 49, 50, 1225)
                seen['histo'] += 1
            elif kind == 'image':
                with tf.Session() as session:
                    pixels = session.run(tf.image.decode_png(value.image.encoded_image_string))
                assert (pixels.ravel() == np.arange(12) * 20).all()
                seen['image'] += 1
            elif kind == 'tensor':
                assert value.tensor.string_val[0] == b'hello'
                seen['text'] += 1
    assert seen == {'scalar': 10, 'histo': 10, 'image': 1, 'text': 1, 'graph': 1}, seen
    assert tags['graph'] and 'loss' in tags['scalars'] + tags['tensors'], tags
    if 'loss' in tags['scalars']:
        assert [s.value for s in board.Scalars('loss')] == [np.float32(1 / (i + 1)) for i in range(10)]
        assert board.Histograms('weights')[0].histogram_value.num == 50
        assert (board.Images('picture')[0].width, board.Images('picture')[0].height) == (2, 2)
    return {k: v for k, v in tags.items() if v}


def models():
    x = np.float32([[1, 2], [3, 4]])
    expected = x @ ramp([2, 3]) + ramp([3])
    for name in ('saved', 'saved_text'):
        with tf.Graph().as_default(), tf.Session() as session:
            meta = tf.saved_model.loader.load(session, ['serve'], out + '/' + name)
            signature = meta.signature_def['serving_default']
            y = session.run(signature.outputs['y'].name, {signature.inputs['x'].name: x})
            assert (y == expected).all()
    for name in ('frozen.pb', 'frozen.pbtxt'):
        graph = tf.GraphDef()
        if name.endswith('.pb'):
            graph.ParseFromString(open(out + '/' + name, 'rb').read())
        else:
            text_format.Parse(open(out + '/' + name).read(), graph)
        with tf.Graph().as_default(), tf.Session() as session:
            tf.import_graph_def(graph, name='')
            assert (session.run('y:0', {'x:0': x}) == expected).all()
    return expected.tolist()


if __name__ == '__main__':
    for check in (checkpoint, records, models, events):
        print(check.__name__, check())
