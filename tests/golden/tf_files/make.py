#!/usr/bin/env python3
"""Writes the files of this directory with TensorFlow itself (made with 2.21, CPU) and TensorBoard's writer.

    python3 make.py            rewrites everything below the directory of this script
"""
import ctypes
import glob
import os
import shutil
import struct
import tempfile

os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'
import numpy as np
import tensorflow.compat.v1 as tf

tf.disable_v2_behavior()
HERE = os.path.dirname(os.path.abspath(__file__))


def at(*parts):
    return os.path.join(HERE, *parts)


def fresh(name):
    shutil.rmtree(at(name), ignore_errors=True)
    os.makedirs(at(name))


NUMBERS = {  # one tensor a type; values i * 3 - 4 (unsigned: i * 3), shape [2, 3]
    'f32': np.float32, 'f64': np.float64, 'f16': np.float16, 'i8': np.int8, 'u8': np.uint8, 'i16': np.int16,
    'u16': np.uint16, 'i32': np.int32, 'i64': np.int64, 'u32': np.uint32, 'u64': np.uint64,
}


def numbers(dtype):
    values = np.arange(6).reshape(2, 3) * 3
    return (values if np.issubdtype(dtype, np.unsignedinteger) else values - 4).astype(dtype)


def checkpoints():
    fresh('checkpoint')
    # Whole tensors of every type, through the op that savers use.
    with tf.Graph().as_default(), tf.Session() as session:
        tensors = {name: tf.constant(numbers(t)) for name, t in NUMBERS.items()}
        tensors['bf16'] = tf.cast(tensors['f32'], tf.bfloat16)
        tensors['bool'] = tf.constant([True, False, True])
        tensors['scalar'] = tf.constant(1.0)
        tensors['empty'] = tf.zeros([0, 2])
        tensors['text'] = tf.constant(['a', '', 'hello'])
        tensors['complex'] = tf.constant([1 + 2j], tf.complex64)
        names = sorted(tensors)
        session.run(tf.raw_ops.SaveV2(prefix=at('checkpoint', 'types'), tensor_names=names,
                                      shape_and_slices=[''] * len(names), tensors=[tensors[n] for n in names]))
    # A variable in three slices, another in two, over two data files.
    with tf.Graph().as_default(), tf.Session() as session:
        rows = np.arange(20, dtype=np.float32).reshape(5, 4)
        with tf.device('/cpu:0'):
            parts = [
                tf.raw_ops.SaveV2(prefix=at('checkpoint', 'part_a'),
                                  tensor_names=['embedding', 'embedding', 'bias'],
                                  shape_and_slices=['5 4 0,2:0,4', '5 4 2,2:0,4', ''],
                                  tensors=[rows[0:2], rows[2:4], np.float32([7, 8])]),
                tf.raw_ops.SaveV2(prefix=at('checkpoint', 'part_b'),
                                  tensor_names=['embedding', 'columns', 'columns'],
                                  shape_and_slices=['5 4 4,1:0,4', '2 100 0,2:0,70', '2 100 0,2:70,30'],
                                  tensors=[rows[4:5], np.arange(200, dtype=np.int32).reshape(2, 100)[:, :70],
                                           np.arange(200, dtype=np.int32).reshape(2, 100)[:, 70:]]),
            ]
        session.run(parts)
        session.run(tf.raw_ops.MergeV2Checkpoints(
            checkpoint_prefixes=[at('checkpoint', 'part_a'), at('checkpoint', 'part_b')],
            destination_prefix=at('checkpoint', 'sliced')))
    # Version 1, with a compressible tensor (its block is packed) and a partitioned one.
    with tf.Graph().as_default(), tf.Session() as session:
        session.run(tf.raw_ops.SaveSlices(
            filename=at('checkpoint', 'v1'),
            tensor_names=['zeros', 'ramp', 'ramp', 'count', 'flag'],
            shapes_and_slices=['', '4 6 0,3:0,6', '4 6 3,1:0,6', '', ''],
            data=[np.zeros(3000, np.float32), np.arange(18, dtype=np.float32).reshape(3, 6),
                  np.arange(18, 24, dtype=np.float32).reshape(1, 6), np.int64(-5), np.array([True, False])]))
    with tf.Graph().as_default(), tf.Session() as session:
        v = tf.get_variable('layer/weights', initializer=np.arange(6, dtype=np.float32).reshape(2, 3))
        r = tf.get_variable('layer/bias', initializer=np.float32([0.5, -1, 2]), use_resource=True)
        y = tf.nn.bias_add(tf.matmul(tf.placeholder(tf.float32, [None, 2], name='x'), v), r, name='y')
        session.run(tf.global_variables_initializer())
        saver = tf.train.Saver()
        os.chdir(HERE)
        saver.save(session, 'checkpoint/model', global_step=1)
        saver.save(session, 'checkpoint/model', global_step=2)
        for old in glob.glob('checkpoint/model-1*'):
            os.remove(old)
        tf.train.write_graph(tf.get_default_graph(), at('graph'), 'training.pbtxt', as_text=True)
        frozen = tf.graph_util.convert_variables_to_constants(session, tf.get_default_graph().as_graph_def(), ['y'])
        tf.train.write_graph(frozen, at('graph'), 'frozen.pb', as_text=False)
        shutil.rmtree(at('saved_model'), ignore_errors=True)
        words = os.path.join(tempfile.mkdtemp(), 'words.txt')
        with open(words, 'w') as file:
            file.write('a\nb\n')
        asset = tf.constant('words.txt', name='words')
        tf.add_to_collection(tf.GraphKeys.ASSET_FILEPATHS, asset)
        os.chdir(os.path.dirname(words))
        builder = tf.saved_model.builder.SavedModelBuilder(at('saved_model'))
        signature = tf.saved_model.predict_signature_def({'x': session.graph.get_tensor_by_name('x:0')}, {'y': y})
        builder.add_meta_graph_and_variables(session, ['serve'], {'serving_default': signature},
                                             assets_collection=tf.get_collection(tf.GraphKeys.ASSET_FILEPATHS),
                                             strip_default_attrs=True)
        builder.save()


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82f63b78 if crc & 1 else 0)
    crc ^= 0xffffffff
    return ((crc >> 15 | crc << 17) + 0xa282ead8) & 0xffffffff


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def put_varint(value):
    out = b''
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def pack_v1():
    """The version 1 file again with its blocks packed by libsnappy, as older TensorFlow wrote them."""
    snappy = ctypes.CDLL('libsnappy.so.1')
    data = open(at('checkpoint', 'v1'), 'rb').read()

    def packed(block):
        size = ctypes.c_size_t(len(block) * 2 + 64)
        out = ctypes.create_string_buffer(size.value)
        assert snappy.snappy_compress(block, ctypes.c_size_t(len(block)), out, ctypes.byref(size)) == 0
        return out.raw[:size.value]

    result = b''

    def write(block):
        nonlocal result
        handle = put_varint(len(result)) + put_varint(len(packed(block)))
        body = packed(block) + b'\1'
        result += body + struct.pack('<I', crc32c(body))
        return handle

    footer = data[-48:]
    _, p = varint(footer, 0)
    _, p = varint(footer, p)
    offset, p = varint(footer, p)
    size, p = varint(footer, p)
    index, entries, p, key = data[offset:offset + size], [], 0, b''
    end = size - 4 - 4 * struct.unpack('<I', index[-4:])[0]
    while p < end:
        shared, p = varint(index, p)
        unshared, p = varint(index, p)
        length, p = varint(index, p)
        key = key[:shared] + index[p:p + unshared]
        offset, q = varint(index, p + unshared)
        block, _ = varint(index, q)
        p += unshared + length
        entries.append((key, write(data[offset:offset + block])))
    nothing = struct.pack('<II', 0, 1)
    meta = write(nothing)
    block, restarts = b'', []
    for key, handle in entries:
        restarts.append(len(block))
        block += bytes([0]) + put_varint(len(key)) + put_varint(len(handle)) + key + handle
    index = write(block + b''.join(struct.pack('<I', r) for r in restarts + [len(restarts)]))
    result += (meta + index).ljust(40, b'\0') + struct.pack('<Q', 0xdb4775248b80fb57)
    with open(at('checkpoint', 'v1_packed'), 'wb') as file:
        file.write(result)
    reader = tf.train.NewCheckpointReader(at('checkpoint', 'v1_packed'))
    assert reader.get_tensor('count') == -5 and reader.get_tensor('zeros').shape == (3000,)


def tensors():
    """TensorProtos as attributes of Const nodes, in every form that TensorFlow writes."""
    graph = tf.Graph()
    with graph.as_default():
        for name, t in NUMBERS.items():
            tf.constant(numbers(t), name=name)
            tf.constant(numbers(t)[1, 2], name=name + '_one')
        tf.constant([1.5, -2], tf.bfloat16, name='bf16')
        tf.constant([True, False, True], name='bool')
        tf.constant(7, tf.int32, shape=[2, 3], name='repeated')
        tf.constant([1.0, 2.0], tf.float32, shape=[5], name='last_repeats')
        tf.constant(['a', '', 'h\0i'], name='text')
        tf.zeros([0, 3], name='empty')
    tf.train.write_graph(graph, at('graph'), 'constants.pb', as_text=False)
    tf.train.write_graph(graph, at('graph'), 'constants.pbtxt', as_text=True)


def records():
    fresh('records')
    features = tf.train.Features(feature={
        'a': tf.train.Feature(int64_list=tf.train.Int64List(value=[1, 2])),
        'b': tf.train.Feature(float_list=tf.train.FloatList(value=[1.5])),
        'c': tf.train.Feature(bytes_list=tf.train.BytesList(value=[b'x']))})
    sequence = tf.train.SequenceExample(
        context=features,
        feature_lists=tf.train.FeatureLists(feature_list={'words': tf.train.FeatureList(feature=[
            tf.train.Feature(int64_list=tf.train.Int64List(value=[i, -i])) for i in range(3)])}))
    payload = [tf.train.Example(features=features).SerializeToString(deterministic=True), b'',
               sequence.SerializeToString(deterministic=True), b'long ' * 2000]
    for name, kind in (('plain', None), ('packed.gz', 'GZIP'), ('packed.zlib', 'ZLIB')):
        with tf.python_io.TFRecordWriter(at('records', name), kind and tf.python_io.TFRecordOptions(
                getattr(tf.python_io.TFRecordCompressionType, kind))) as writer:
            for record in payload:
                writer.write(record)


def events():
    fresh('events')
    with tf.Graph().as_default(), tf.Session() as session:
        values = tf.constant([0, 1, 1, -2, 1e-13, 5e21], tf.float64)
        picture = np.arange(12, dtype=np.float32).reshape(1, 2, 2, 3) - 3
        signed = tf.summary.image('signed', picture, max_outputs=1)
        positive = tf.summary.image('positive', np.abs(picture), max_outputs=1)
        merged = tf.summary.merge([tf.summary.scalar('loss', tf.constant(0.5)), tf.summary.histogram('values', values),
                                   signed, positive])
        writer = tf.summary.FileWriter(at('events'), session.graph)
        for step in range(3):
            writer.add_summary(session.run(merged), step)
        writer.close()
    [path] = glob.glob(at('events', '*'))
    os.rename(path, at('events', 'events.out.tfevents.1.golden'))


if __name__ == '__main__':
    fresh('graph')
    checkpoints()
    pack_v1()
    tensors()
    records()
    events()
