"""trivium.tf.data: elements in TensorFlow's order, iterators, and what ends or refuses them."""
import numpy as np
import pytest

import trivium.tf as tf

Dataset = tf.data.Dataset


@pytest.fixture(autouse=True)
def fresh_graph():
    tf.reset_default_graph()


def elements(dataset, feed=None):
    iterator = dataset.make_initializable_iterator()
    following, found = iterator.get_next(), []
    with tf.Session() as sess:
        sess.run(iterator.initializer, feed_dict=feed)
        while True:
            try:
                found.append(sess.run(following))
            except tf.errors.OutOfRangeError:
                return found


def test_shuffle_gives_tensorflows_order():
    tf.set_random_seed(7)
    epochs = [2, 4, 0, 6, 1, 7, 5, 8, 3, 9, 2, 4, 0, 6, 3, 1, 9, 8, 7, 5]
    assert elements(Dataset.range(10).shuffle(4, seed=11).repeat(2)) == epochs
    # element by element instead of by index
    assert elements(Dataset.range(10).map(lambda x: x).shuffle(4, seed=11).repeat(2)) == epochs
    fixed = Dataset.range(10).shuffle(4, seed=11, reshuffle_each_iteration=False).repeat(2)
    assert elements(fixed) == [1, 3, 5, 4, 7, 0, 6, 9, 8, 2] * 2


def test_batches_of_slices_keep_their_structure():
    data = {"a": np.arange(5.0), "b": np.arange(10).reshape(5, 2)}
    dataset = Dataset.from_tensor_slices(data).map(lambda d: (d["a"] * 2, d["b"])).batch(2)
    assert str(dataset.output_shapes) == "(TensorShape([Dimension(None)]), TensorShape([Dimension(None), Dimension(2)]))"
    found = elements(dataset)
    assert [len(a) for a, _ in found] == [2, 2, 1]
    np.testing.assert_array_equal(found[1][0], [4, 6])
    np.testing.assert_array_equal(found[2][1], [[8, 9]])
    assert len(elements(Dataset.range(5).batch(2, drop_remainder=True))) == 2


def test_repeated_batches_join_epochs():
    assert [b.tolist() for b in elements(Dataset.range(3).repeat(2).batch(4))] == [[0, 1, 2, 0], [1, 2]]
    assert [b.tolist() for b in elements(Dataset.range(3).batch(2).repeat(2))] == [[0, 1], [2], [0, 1], [2]]
    assert elements(Dataset.range(3).repeat(0)) == []
    assert elements(Dataset.range(4).skip(-1)) == [] and elements(Dataset.range(4).take(-1)) == [0, 1, 2, 3]


def test_interleave_takes_blocks_in_turn():
    dataset = Dataset.range(1, 6).interleave(lambda x: Dataset.from_tensors(x).repeat(6), cycle_length=2, block_length=4)
    assert elements(dataset) == [1] * 4 + [2] * 4 + [1, 1, 2, 2] + [3] * 4 + [4] * 4 + [3, 3, 4, 4] + [5] * 6


def test_a_placeholder_is_fed_with_the_initializer():
    count = tf.placeholder(tf.int64, [])
    three = tf.constant(3, tf.int64)
    dataset = Dataset.range(count).map(lambda x: x * three).filter(lambda x: x > 4)
    assert elements(dataset, {count: 5}) == [6, 9, 12]
    with pytest.raises(ValueError, match="Cannot capture a placeholder"):
        dataset.make_one_shot_iterator()
    captured = tf.Variable(2, dtype=tf.int64)
    with pytest.raises(ValueError, match="does not support datasets that capture stateful objects"):
        Dataset.range(3).map(lambda x: x + captured).make_one_shot_iterator()


def test_one_element_a_run_for_every_get_next():
    iterator = Dataset.range(10).make_one_shot_iterator()
    one, other = iterator.get_next(), iterator.get_next()
    doubled = one * 2
    with tf.Session() as sess:
        assert sess.run([one, doubled]) == [0, 0]
        assert sorted(sess.run([one, other])) == [1, 2]
        assert sess.run(one, {one: 7}) == 7
        assert sess.run(other) == 3


def test_an_iterator_is_initialized_before_it_gives_elements():
    iterator = tf.data.Iterator.from_structure(tf.int64, [])
    following = iterator.get_next()
    small, large = Dataset.range(2), Dataset.range(100, 103)
    start_small, start_large = iterator.make_initializer(small), iterator.make_initializer(large)
    with pytest.raises(TypeError, match="Expected output types"):
        iterator.make_initializer(Dataset.from_tensors(1.0))
    with tf.Session() as sess:
        with pytest.raises(tf.errors.FailedPreconditionError, match="the iterator has not been initialized") as error:
            sess.run(following)
        assert "{{node IteratorGetNext}}" in str(error.value)
        sess.run(start_small)
        assert [sess.run(following), sess.run(following)] == [0, 1]
        for _ in range(2):
            with pytest.raises(tf.errors.OutOfRangeError, match="End of sequence"):
                sess.run(following)
        sess.run(start_large)
        assert sess.run(following) == 100


def test_handles_choose_between_iterators():
    handle = tf.placeholder(tf.string, [])
    following = tf.data.Iterator.from_string_handle(handle, tf.int64, []).get_next()
    a, b = Dataset.range(3).make_one_shot_iterator(), Dataset.range(10, 13).make_one_shot_iterator()
    with tf.Session() as sess:
        name_a, name_b = sess.run([a.string_handle(), b.string_handle()])
        assert [sess.run(following, {handle: h}) for h in (name_a, name_b, name_a)] == [0, 10, 1]


def test_generators_and_padding():
    def lines():
        for n in (1, 3, 2):
            yield [n] * n, "x" * n
    dataset = Dataset.from_generator(lines, (tf.int32, tf.string), ([None], []))
    found = elements(dataset.padded_batch(2, ([None], []), (-1, "")))
    np.testing.assert_array_equal(found[0][0], [[1, -1, -1], [3, 3, 3]])
    assert found[0][1].tolist() == [b"x", b"xxx"] and found[1][0].tolist() == [[2, 2]]
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"yielded an element of shape \(3,\) where an element"):
        elements(Dataset.from_generator(lambda: [[1, 2, 3]], tf.int32, [2]))


def test_lines_and_records_of_files(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"one\r\ntwo\nthree")
    path = str(tmp_path / "a.txt")
    names = tf.placeholder(tf.string, [None])
    assert elements(tf.data.TextLineDataset(names).skip(1), {names: [path]}) == [b"two", b"three"]
    (tmp_path / "fixed").write_bytes(b"HaabbccF")
    fixed = tf.data.FixedLengthRecordDataset(str(tmp_path / "fixed"), 2, header_bytes=1, footer_bytes=1)
    assert elements(fixed) == [b"aa", b"bb", b"cc"]
    with pytest.raises(tf.errors.NotFoundError, match="No such file"):
        elements(tf.data.TextLineDataset(str(tmp_path / "none")))
    assert elements(Dataset.list_files(str(tmp_path / "*"), shuffle=False)) == [
        path.encode(), str(tmp_path / "fixed").encode()]


def test_random_numbers_of_a_map_follow_the_graphs_seed():
    tf.set_random_seed(3)
    dataset = Dataset.range(3).map(lambda x: tf.random_uniform([]))
    first = elements(dataset)
    assert len(set(first)) == 3 and elements(dataset) == first


def test_uneven_slices_are_refused():
    with pytest.raises(ValueError, match="2 and 3"):
        Dataset.from_tensor_slices((np.zeros(2), np.zeros(3)))
    with pytest.raises(NotImplementedError, match="tf.data.experimental.bucket_by_sequence_length"):
        tf.data.experimental.bucket_by_sequence_length


def test_a_python_function_is_an_operation():
    x = tf.placeholder(tf.float32, [None])
    total = tf.py_func(lambda a: (a.sum(), a.astype(np.int32)), [x * 2], [tf.float32, tf.int32])
    with tf.Session() as sess:
        s, i = sess.run([total[0] + 1, total[1]], {x: [1, 2]})
        assert s == 7 and i.tolist() == [2, 4]
        with pytest.raises(tf.errors.UnknownError, match="ZeroDivisionError: division by zero"):
            sess.run(tf.py_func(lambda: 1 / 0, [], tf.float32))
        with pytest.raises(tf.errors.InvalidArgumentError, match="0-th value returned by pyfunc_.* is double, but expects float"):
            sess.run(tf.py_func(lambda: np.float64(1), [], tf.float32))
    assert tf.gradients(total[0], x) == [None]


def test_a_python_function_sees_the_runs_own_random_numbers():
    noise = tf.random_uniform([4])
    seen = tf.py_func(lambda a: a, [noise], tf.float32)
    with tf.Session() as sess:
        for _ in range(3):
            a, b = sess.run([noise, seen])
            np.testing.assert_array_equal(a, b)
        v = tf.Variable(1.0)
        sess.run(v.initializer)
        with tf.control_dependencies([v.assign(2.0)]):
            late = tf.py_func(lambda a: a, [tf.identity(v)], tf.float32)
        with pytest.raises(tf.errors.UnimplementedError, match="run the write first"):
            sess.run(late)


def test_print_writes_to_stderr(capfd):
    x = tf.constant([2.0, 3.0])
    shown = tf.Print(x, [tf.constant(2), x, tf.constant([4, 5, 6, 7])], "now: ", first_n=1)
    with tf.Session() as sess:
        assert sess.run(shown).tolist() == [2, 3]
        sess.run(tf.gradients(tf.reduce_sum(shown * x), x))
    assert capfd.readouterr().err == "now: [2][2 3][4 5 6...]\n"
