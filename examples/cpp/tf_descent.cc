// The second program of the lecture: the weights live outside of the graph; every step feeds them
// and takes their gradients off by hand.
//
//   example_tf_descent [--short] [folder with x.npy, y.npy, w1.npy, w2.npy]
#include <cstring>

#include "drawn.h"

namespace tf = trivium::tf;
using trivium::Array;

void descend(const Array& weights, const Array& gradient, float rate) {
  double* w = weights.data<double>();
  for (const float g : gradient.span<float>()) *w++ -= rate * g;
}

int main(int argc, char** argv) {
  bool brief = false;
  std::string dir;
  for (int i = 1; i < argc; ++i)
    std::strcmp(argv[i], "--short") == 0 ? void(brief = true) : void(dir = argv[i]);
  const int64_t N = 64, D = 1000, H = 100;
  const auto x = tf::placeholder(tf::float32, {N, D}), y = tf::placeholder(tf::float32, {N, D});
  const auto w1 = tf::placeholder(tf::float32, {D, H}), w2 = tf::placeholder(tf::float32, {H, D});

  const auto h = tf::maximum(tf::matmul(x, w1), 0);
  const auto y_pred = tf::matmul(h, w2);
  const auto diff = y_pred - y;
  const auto loss = tf::reduce_mean(tf::reduce_sum(tf::pow(diff, 2), 1));
  const auto grads = tf::gradients({loss}, {w1, w2});

  tf::Session session;
  const std::vector<tf::Feed> values = {{x, drawn(dir, "x", {N, D}, 1)},
                                        {w1, drawn(dir, "w1", {D, H}, 2)},
                                        {w2, drawn(dir, "w2", {H, D}, 3)},
                                        {y, drawn(dir, "y", {N, D}, 4)}};
  const float learning_rate = 1e-5f;
  for (int t = 0; t < (brief ? 5 : 50); ++t) {
    const auto out = session.run({loss, grads[0], grads[1]}, values);
    fmt::print("step {:2}  loss {:.9g}\n", t, out[0].item());
    descend(values[1].value.array, out[1], learning_rate);
    descend(values[2].value.array, out[2], learning_rate);
  }
}
