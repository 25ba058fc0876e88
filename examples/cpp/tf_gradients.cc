// The first program of the lecture: a net of two layers as a graph, its loss and the gradients of
// its weights in one run. All numbers are fed.
//
//   example_tf_gradients [--short] [folder with x.npy, y.npy, w1.npy, w2.npy]
#include <cmath>
#include <cstring>

#include "drawn.h"

namespace tf = trivium::tf;

double norm(const trivium::Array& a) {
  double sum = 0;
  for (const float v : a.span<float>()) sum += static_cast<double>(v) * v;
  return std::sqrt(sum);
}

int main(int argc, char** argv) {
  std::string dir;  // one run is short already
  for (int i = 1; i < argc; ++i)
    if (std::strcmp(argv[i], "--short") != 0) dir = argv[i];
  const int64_t N = 64, D = 1000, H = 100;
  const auto x = tf::placeholder(tf::float32, {N, D}), y = tf::placeholder(tf::float32, {N, D});
  const auto w1 = tf::placeholder(tf::float32, {D, H}), w2 = tf::placeholder(tf::float32, {H, D});

  const auto h = tf::maximum(tf::matmul(x, w1), 0);
  const auto y_pred = tf::matmul(h, w2);
  const auto diff = y_pred - y;
  const auto loss = tf::reduce_mean(tf::reduce_sum(tf::pow(diff, 2), 1));
  const auto grads = tf::gradients({loss}, {w1, w2});

  tf::Session session;
  const auto out = session.run({loss, grads[0], grads[1]}, {{x, drawn(dir, "x", {N, D}, 1)},
                                                            {w1, drawn(dir, "w1", {D, H}, 2)},
                                                            {w2, drawn(dir, "w2", {H, D}, 3)},
                                                            {y, drawn(dir, "y", {N, D}, 4)}});
  fmt::print("loss {:.9g}  norms of the gradients {:.9g} {:.9g}\n", out[0].item(), norm(out[1]),
             norm(out[2]));
}
