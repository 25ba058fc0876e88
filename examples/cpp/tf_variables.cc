// The third program of the lecture: the weights are variables of the session, and an optimizer
// moves them. The assignments by hand are described, never asked for, and so never run.
//
//   example_tf_variables [--short] [folder with x.npy, y.npy, w1.npy, w2.npy]
#include <cstring>

#include "drawn.h"

namespace tf = trivium::tf;

/// A variable that is drawn when it is initialised, unless there are numbers for it.
tf::Variable weights(const std::string& dir, const std::string& name, const trivium::Shape& shape) {
  if (dir.empty()) return tf::Variable(tf::float32, shape);
  return tf::Variable(drawn(dir, name, shape.vec(), 0).cast(trivium::DType::f32));
}

int main(int argc, char** argv) {
  bool brief = false;
  std::string dir;
  for (int i = 1; i < argc; ++i)
    std::strcmp(argv[i], "--short") == 0 ? void(brief = true) : void(dir = argv[i]);
  const int64_t N = 64, D = 1000, H = 100;
  const auto x = tf::placeholder(tf::float32, {N, D}), y = tf::placeholder(tf::float32, {N, D});
  const auto w1 = weights(dir, "w1", {D, H}), w2 = weights(dir, "w2", {H, D});

  const auto h = tf::maximum(tf::matmul(x, w1), 0);
  const auto y_pred = tf::matmul(h, w2);
  const auto diff = y_pred - y;
  const auto loss = tf::reduce_mean(tf::reduce_sum(tf::pow(diff, 2), 1));
  const auto updates = tf::train::GradientDescentOptimizer(1e-5).minimize(loss);

  const auto grads = tf::gradients({loss}, {w1, w2});
  const double learning_rate = 1e-5;
  const auto new_w1 = w1.assign(w1.value() - grads[0] * learning_rate);
  const auto new_w2 = w2.assign(w2.value() - grads[1] * learning_rate);

  tf::Session session;
  session.run(tf::global_variables_initializer());
  const std::vector<tf::Feed> values = {{x, drawn(dir, "x", {N, D}, 1)},
                                        {y, drawn(dir, "y", {N, D}, 4)}};
  for (int t = 0; t < (brief ? 5 : 50); ++t) {
    session.run({loss, grads[0], grads[1]}, values);
    const auto out = session.run({loss, updates}, values);
    fmt::print("step {:2}  loss {:.9g}\n", t, out[0].item());
  }
}
