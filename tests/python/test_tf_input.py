"""Queues, pictures, files, Examples and flags of trivium.tf."""
import numpy as np
import pytest

import trivium.tf as tf


@pytest.fixture(autouse=True)
def fresh_graph():
    tf.reset_default_graph()


def test_a_batch_of_slices_fills_itself():
    names = tf.convert_to_tensor(["a", "b", "c"], dtype=tf.string)
    labels = tf.convert_to_tensor([10, 20, 30], dtype=tf.int32)
    name, label = tf.train.slice_input_producer([names, labels], shuffle=True, seed=1)
    x, y = tf.train.batch([name, label * 2], batch_size=2, capacity=8, num_threads=4)
    assert x.shape.as_list() == [2] and y.dtype == tf.int32
    with tf.Session() as sess:
        coord = tf.train.Coordinator()
        threads = tf.train.start_queue_runners(sess, coord)
        seen = [pair for _ in range(3) for pair in zip(*sess.run([x, y]))]
        assert sorted(seen[:3]) == [(b"a", 20), (b"b", 40), (b"c", 60)] == sorted(seen[3:])
        coord.request_stop()
        coord.join(threads)


def test_epochs_end_with_out_of_range():
    queue = tf.train.string_input_producer(["x", "y", "z"], num_epochs=2, shuffle=False)
    pair = tf.train.batch([queue.dequeue()], 4, allow_smaller_final_batch=False)
    assert [v.op.name for v in tf.local_variables()] == ["input_producer/limit_epochs/epochs"]
    with tf.Session() as sess:
        sess.run(tf.local_variables_initializer())
        tf.train.start_queue_runners(sess)
        assert sess.run(pair)[0].tolist() == [b"x", b"y", b"z", b"x"]
        with pytest.raises(tf.errors.OutOfRangeError, match=r"is closed and has insufficient elements \(requested 4, current "
                                                            r"size 2\)"):
            sess.run(pair)


def test_a_queue_that_nobody_fills_says_so(monkeypatch):
    monkeypatch.setattr("trivium.tf.data_flow._PATIENCE", 0.05)
    queue = tf.FIFOQueue(3, [tf.float32], shapes=[[]])
    item = queue.dequeue()
    add, close, size = queue.enqueue_many([[1.0, 2.0]]), queue.close(), queue.size()
    with tf.Session() as sess:
        with pytest.raises(tf.errors.DeadlineExceededError, match="start_queue_runners"):
            sess.run(item)
        sess.run(add)
        assert sess.run(size) == 2 and sess.run(item) == 1 and sess.run(item * 2) == 4
        sess.run(close)
        with pytest.raises(tf.errors.OutOfRangeError, match="is closed and has insufficient elements"):
            sess.run(item)


def test_shuffle_batch_gives_every_element_once_an_epoch():
    number = tf.train.range_input_producer(20, num_epochs=1, shuffle=False).dequeue()
    batch = tf.train.shuffle_batch([number], 5, capacity=20, min_after_dequeue=10, seed=3)[0]
    with tf.Session() as sess:
        sess.run(tf.local_variables_initializer())
        tf.train.start_queue_runners(sess)
        seen = [n for _ in range(4) for n in sess.run(batch)]
    assert sorted(seen) == list(range(20)) and seen != sorted(seen)


def test_readers_give_lines_and_records(tmp_path):
    (tmp_path / "a.csv").write_text("h\n1\n2\n")
    queue = tf.train.string_input_producer([str(tmp_path / "a.csv")], num_epochs=1)
    key, value = tf.TextLineReader(skip_header_lines=1).read(queue)
    with tf.Session() as sess:
        sess.run(tf.local_variables_initializer())
        tf.train.start_queue_runners(sess)
        assert sess.run([key, value]) == [str(tmp_path / "a.csv").encode() + b":2", b"1"]
        assert sess.run(value) == b"2"
        with pytest.raises(tf.errors.OutOfRangeError):
            sess.run(value)


def test_examples_go_through_a_file(tmp_path):
    path = str(tmp_path / "data.tfrecord")
    with tf.python_io.TFRecordWriter(path, "GZIP") as writer:
        for i in range(3):
            feature = {"n": tf.train.Feature(int64_list=tf.train.Int64List(value=[i])),
                       "v": tf.train.Feature(float_list=tf.train.FloatList(value=[i, 0.5])),
                       "s": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"x" * i])),
                       "many": tf.train.Feature(int64_list=tf.train.Int64List(value=range(i)))}
            writer.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())
    texts = list(tf.python_io.tf_record_iterator(path, tf.python_io.TFRecordOptions(
        tf.python_io.TFRecordCompressionType.GZIP)))
    first = tf.train.Example.FromString(texts[2])
    assert first.features.feature["v"].float_list.value == [2.0, 0.5]

    def parsed(record):
        return tf.parse_single_example(record, {
            "n": tf.FixedLenFeature([], tf.int64), "v": tf.FixedLenFeature([2], tf.float32),
            "s": tf.FixedLenFeature([], tf.string), "missing": tf.FixedLenFeature([], tf.int64, 7)})
    dataset = tf.data.TFRecordDataset(path, "GZIP").map(parsed).batch(3)
    batch = dataset.make_one_shot_iterator().get_next()
    whole = tf.parse_example(texts, {"many": tf.VarLenFeature(tf.int64)})["many"]
    with tf.Session() as sess:
        found = sess.run(batch)
        assert found["n"].tolist() == [0, 1, 2] and found["s"].tolist() == [b"", b"x", b"xx"]
        np.testing.assert_array_equal(found["v"], [[0, .5], [1, .5], [2, .5]])
        assert found["missing"].tolist() == [7, 7, 7]
        sparse = sess.run(whole)
        assert sparse.indices.tolist() == [[1, 0], [2, 0], [2, 1]] and sparse.values.tolist() == [0, 0, 1]
        assert sparse.dense_shape.tolist() == [3, 2]
        with pytest.raises(tf.errors.InvalidArgumentError, match="Feature: none .* is required but could not be found"):
            sess.run(tf.parse_single_example(texts[0], {"none": tf.FixedLenFeature([], tf.int64)}))


def test_damaged_records_are_data_loss(tmp_path):
    path = tmp_path / "bad"
    with tf.python_io.TFRecordWriter(str(path)) as writer:
        writer.write(b"hello")
    data = bytearray(path.read_bytes())
    data[13] ^= 1
    path.write_bytes(data)
    with pytest.raises(tf.errors.DataLossError, match="corrupted record"):
        list(tf.python_io.tf_record_iterator(str(path)))


def test_pictures_are_decoded_and_resized(tmp_path):
    picture = (np.arange(5 * 4 * 3).reshape(5, 4, 3) * 4).astype(np.uint8)
    path = str(tmp_path / "p.png")
    decoded = tf.image.decode_png(tf.read_file(path), channels=3)
    assert decoded.shape.as_list() == [None, None, 3]
    small = tf.image.resize_images(decoded, [3, 2])
    with tf.Session() as sess:
        sess.run(tf.write_file(path, tf.image.encode_png(picture)))
        np.testing.assert_array_equal(sess.run(decoded), picture)
        np.testing.assert_array_equal(sess.run(tf.image.decode_png(tf.read_file(path), channels=1)).shape, (5, 4, 1))
        assert sess.run(small).shape == (3, 2, 3) and sess.run(small).dtype == np.float32
        # corners of the legacy coordinates: the first pixel stays
        np.testing.assert_array_equal(sess.run(small)[0, 0], picture[0, 0])
        with pytest.raises(tf.errors.NotFoundError, match="No such file"):
            sess.run(tf.read_file(path + ".none"))
        with pytest.raises(tf.errors.InvalidArgumentError, match="Invalid PNG or JPEG data"):
            sess.run(tf.image.decode_jpeg(tf.constant("nonsense")))


def test_pictures_are_turned_cropped_and_scaled():
    x = np.arange(12, dtype=np.float32).reshape(2, 3, 2) / 12
    with tf.Session() as sess:
        np.testing.assert_array_equal(sess.run(tf.image.flip_left_right(x)), x[:, ::-1])
        np.testing.assert_array_equal(sess.run(tf.image.rot90(x)), np.rot90(x))
        np.testing.assert_array_equal(sess.run(tf.image.resize_image_with_crop_or_pad(x, 3, 2)),
                                      np.pad(x[:, :2], [(0, 1), (0, 0), (0, 0)]))
        standard = sess.run(tf.image.per_image_standardization(10 * x))
        assert abs(standard.mean()) < 1e-6 and abs(standard.std() - 1) < 1e-5
        as_bytes = sess.run(tf.image.convert_image_dtype(x, tf.uint8))
        np.testing.assert_array_equal(as_bytes, np.trunc(x * np.float32(255.5)).astype(np.uint8))
        assert sess.run(tf.random_crop(x, [1, 2, 2], seed=1)).shape == (1, 2, 2)
        grey = sess.run(tf.image.rgb_to_grayscale(np.ones((1, 1, 3), np.float32)))
        np.testing.assert_allclose(grey, 0.2989 + 0.5870 + 0.1140, rtol=1e-6)
    with pytest.raises(ValueError, match="width must be >= target"):
        tf.image.crop_to_bounding_box(x, 0, 2, 1, 2)


def test_files_raise_tensorflows_errors(tmp_path):
    path = str(tmp_path / "d" / "f.txt")
    tf.gfile.MakeDirs(str(tmp_path / "d"))
    with tf.gfile.Open(path, "w") as file:
        file.write("one\ntwo\n")
    assert tf.gfile.Exists(path) and tf.gfile.GFile(path).readlines() == ["one\n", "two\n"]
    assert tf.gfile.ListDirectory(str(tmp_path / "d")) == ["f.txt"]
    assert tf.gfile.Glob(str(tmp_path / "d" / "*")) == [path]
    with pytest.raises(tf.errors.NotFoundError):
        tf.gfile.GFile(path + "x").read()
    with pytest.raises(tf.errors.AlreadyExistsError):
        tf.gfile.Copy(path, path)
    tf.gfile.DeleteRecursively(str(tmp_path / "d"))
    assert not tf.gfile.Exists(path)


def test_flags_are_read_from_the_command_line():
    flags = tf.flags._Flags()
    tf.flags.DEFINE_integer("steps", 3, "", flag_values=flags)
    tf.flags.DEFINE_bool("fast", True, "", flag_values=flags)
    tf.flags.DEFINE_string("name", None, "", flag_values=flags)
    assert flags(["prog", "--steps=5", "--nofast", "--name", "x", "rest"]) == ["prog", "rest"]
    assert (flags.steps, flags.fast, flags.name) == (5, False, "x")
    with pytest.raises(tf.flags.Error, match="Unknown command line flag 'other'"):
        flags(["prog", "--other=1"])
    with pytest.raises(tf.flags.Error, match="steps=many"):
        flags(["prog", "--steps=many"])


def test_examples_are_the_messages_of_the_schema():
    train = tf.train
    made = train.Example(features=train.Features(feature={
        "a": train.Feature(int64_list=train.Int64List(value=[1, 2])),
        "b": train.Feature(float_list=train.FloatList(value=[1.5])),
        "c": train.Feature(bytes_list=train.BytesList(value=[b"x"]))}))
    text = made.SerializeToString()  # TensorFlow's bytes
    assert text.hex() == ("0a280a0b0a016112061a040a0201020a0d0a0162120812060a040000c03f0a0a0a0163"
                          "12050a030a0178")
    assert train.Example.FromString(text) == made and type(made) is tf.protos.Example
    assert made.features.feature["a"].WhichOneof("kind") == "int64_list"
    for kind, value in ((train.BytesList, "a"), (train.Int64List, 1.5), (train.FloatList, "a")):
        with pytest.raises(TypeError, match="has type %s" % type(value).__name__):
            kind(value=[value])
