#!/usr/bin/env python3
"""Programs' files between trivium.tf and TensorFlow, both ways:

    PYTHONPATH=build/python python3 exchange.py write OUT     Trivium trains, saves, exports
    python3 exchange.py check OUT                             TensorFlow and TensorBoard read that, and write theirs
    PYTHONPATH=build/python python3 exchange.py read OUT      Trivium reads what TensorFlow wrote
"""
import glob
import os
import sys

import numpy as np

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
verb, out = sys.argv[1:]
if verb == "check":
    import tensorflow.compat.v1 as tf
    tf.disable_v2_behavior()
else:
    import trivium.tf as tf

rng = np.random.RandomState(3)
IMAGES, LABELS = rng.rand(4, 8, 8, 1).astype(np.float32), np.array([1, 2, 3, 0])
FILTER, WEIGHTS = [(rng.randn(*s) * 0.1).astype(np.float32) for s in ((3, 3, 1, 4), (64, 5))]


def network():
    """A convolutional classifier with its training step, names given where files are read by name."""
    x = tf.placeholder(tf.float32, [None, 8, 8, 1], name="x")
    labels = tf.placeholder(tf.int64, [None], name="labels")
    w, w2 = tf.Variable(tf.constant(FILTER), name="filter"), tf.Variable(tf.constant(WEIGHTS), name="weights")
    bias = tf.Variable(tf.zeros([4]), name="bias")
    conv = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, w, [1, 1, 1, 1], "SAME"), bias))
    pool = tf.nn.max_pool(conv, [1, 2, 2, 1], [1, 2, 2, 1], "SAME")
    logits = tf.matmul(tf.reshape(pool, [-1, 64]), w2, name="logits")
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits), name="loss")
    total = tf.add(loss, 0.01 * tf.nn.l2_loss(w2), name="total")
    step = tf.train.get_or_create_global_step()
    train = tf.train.MomentumOptimizer(0.5, 0.9).minimize(total, global_step=step)
    for name, value in (("ends", x), ("ends", labels), ("ends", logits), ("rates", 0.5)):
        tf.add_to_collection(name, value)
    tf.summary.scalar("total", total), tf.summary.histogram("weights", w2), tf.summary.image("image", x, 2)
    return x, labels, logits, total, train, step


def losses(session, x, labels, total, train, count=4):
    return [session.run([total, train], {x: IMAGES, labels: LABELS})[0] for _ in range(count)]


def save(directory):
    """Two steps, a checkpoint, two more; an exported model; events."""
    x, labels, logits, total, train, step = network()
    saver, merged = tf.train.Saver(), tf.summary.merge_all()
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        writer = tf.summary.FileWriter(directory + "/logs", session.graph)
        first = losses(session, x, labels, total, train, 2)
        writer.add_summary(session.run(merged, {x: IMAGES, labels: LABELS}), 2)
        writer.close()
        prefix = saver.save(session, directory + "/model", global_step=step)
        assert prefix == directory + "/model-2", prefix
        scores = session.run(logits, {x: IMAGES})
        tf.saved_model.simple_save(session, directory + "/saved", {"x": x}, {"logits": logits})
        frozen = tf.graph_util.convert_variables_to_constants(session, session.graph_def, ["logits"])
        tf.train.write_graph(frozen, directory, "frozen.pb", as_text=False)
        tf.train.write_graph(frozen, directory, "frozen.pbtxt")
        last = losses(session, x, labels, total, train, 2)
    np.savez(directory + "/numbers.npz", first=first, scores=scores, last=last)


def load(directory, trains):
    """Everything save() wrote, read again: scores and losses must be those of the writer."""
    numbers = np.load(directory + "/numbers.npz")
    tf.reset_default_graph()
    saver = tf.train.import_meta_graph(directory + "/model-2.meta")
    x, labels, logits = tf.get_collection("ends")
    assert tf.get_collection("rates") == [0.5] and len(tf.trainable_variables()) == 3
    worst = 0
    with tf.Session() as session:
        saver.restore(session, directory + "/model-2")
        worst = max(worst, abs(session.run(logits, {x: IMAGES}) - numbers["scores"]).max())
        if trains:
            [train] = tf.get_collection("train_op")
            again = losses(session, x, labels, session.graph.get_tensor_by_name("total:0"), train, 2)
            worst = max(worst, abs(np.array(again) - numbers["last"]).max())
        assert session.run("global_step:0") == (4 if trains else 2)
    with tf.Session(graph=tf.Graph()) as session:
        meta = tf.saved_model.loader.load(session, ["serve"], directory + "/saved")
        signature = meta.signature_def["serving_default"]
        scores = session.run(signature.outputs["logits"].name, {signature.inputs["x"].name: IMAGES})
        worst = max(worst, abs(scores - numbers["scores"]).max())
    with tf.Session(graph=tf.Graph()) as session:
        graph_def = tf.GraphDef()
        with open(directory + "/frozen.pb", "rb") as file:
            graph_def.ParseFromString(file.read())
        scores, = tf.import_graph_def(graph_def, return_elements=["logits:0"])
        worst = max(worst, abs(session.run(scores, {"import/x:0": IMAGES}) - numbers["scores"]).max())
    print("%s: largest difference %.2g of scores up to %.2g and losses up to %.3g%s" % (
        directory, worst, abs(numbers["scores"]).max(), numbers["first"].max(),
        ", two further training steps included" if trains else ""))
    assert worst < 2e-6
    return numbers


def board(directory):
    """TensorBoard's own reader on the event file."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    events = EventAccumulator(directory + "/logs")
    events.Reload()
    tags = events.Tags()
    assert tags["graph"] and len(events.Graph().node) > 60
    assert tags["scalars"] == ["total_1"] and tags["histograms"] == ["weights_1"], tags
    assert sorted(tags["images"]) == ["image/image/0", "image/image/1"], tags
    histogram = events.Histograms("weights_1")[0].histogram_value
    assert histogram.num == 320 and events.Images("image/image/0")[0].width == 8
    print("TensorBoard: scalar %.6g, histogram of %d, graph of %d nodes" % (
        events.Scalars("total_1")[0].value, histogram.num, len(events.Graph().node)))


ours, theirs = os.path.join(out, "trivium"), os.path.join(out, "tensorflow")
if verb == "write":
    os.makedirs(ours)
    save(ours)
elif verb == "check":
    mine = load(ours, trains=True)
    board(ours)
    os.makedirs(theirs)
    tf.reset_default_graph()
    save(theirs)
    other = np.load(theirs + "/numbers.npz")
    print("the same program in both: largest difference of losses %.2g" % max(
        abs(mine["first"] - other["first"]).max(), abs(mine["last"] - other["last"]).max()))
else:
    load(theirs, trains=False)
    for path in glob.glob(theirs + "/logs/*"):
        print("events of TensorFlow:", os.path.basename(path)[:20])
