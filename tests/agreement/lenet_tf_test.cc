// LeNet described as a TensorFlow graph: with channels first its loss and gradients are the very
// graph that the nn program records, and with channels last the losses stay what they are.
#include <gtest/gtest.h>

#include "trivium/engine/compile/compile.h"
#include "trivium/engine/graph/text.h"
#include "trivium/nn.h"
#include "trivium/tf.h"

namespace trivium {
namespace {

namespace F = nn::functional;

constexpr int64_t kBatch = 16;

/// Canonical text of what a notation gives to the compiler.
class Seen {
 public:
  std::vector<std::string> texts;

 private:
  compile::Watch watch_{[this](const Graph& graph, const std::vector<Value>& fetches) {
    texts.push_back(canonical_text(graph, fetches));
  }};
};

Array permuted(const nn::Tensor& t, const std::vector<int64_t>& axes) {
  return t.detach().permute(axes).contiguous().array().clone();
}

/// The net as code, and the same parameters in TensorFlow's order.
struct Nets {
  std::vector<nn::Tensor> parameters;  // weight and bias of conv1, conv2, ip1, ip2
  nn::Tensor images, labels;

  Nets() {
    start();
    nn::manual_seed(7);
    const Shape shapes[] = {{20, 1, 5, 5}, {20},  {50, 20, 5, 5}, {50},
                            {500, 800},    {500}, {10, 500},      {10}};
    for (const Shape& s : shapes) {
      nn::Tensor t = (nn::rand(s) - 0.5) * 0.1;
      nn::Tensor leaf(t.array().clone());
      leaf.requires_grad_();
      parameters.push_back(leaf);
    }
    images = nn::rand({kBatch, 1, 28, 28});
    Array numbers(Shape{kBatch}, DType::i64);
    for (int64_t i = 0; i < kBatch; ++i) numbers.set(i, static_cast<double>(i * 7 % 10));
    labels = nn::Tensor(numbers);
  }

  nn::Tensor loss() const {
    const auto& p = parameters;
    nn::Tensor h = F::max_pool2d(F::conv2d(images, p[0], p[1]), {2});
    h = F::max_pool2d(F::conv2d(h, p[2], p[3]), {2});
    h = F::relu(F::linear(h.flatten(1), p[4], p[5]));
    return F::cross_entropy(F::linear(h, p[6], p[7]), labels);
  }
};

struct TfNet {
  std::shared_ptr<tf::Graph> graph = tf::Graph::make();
  tf::Tensor x, y, loss;
  std::vector<tf::Variable> variables;
  std::shared_ptr<tf::Operation> init, step;

  TfNet(const Nets& nets, const std::string& format) {
    const tf::AsDefault here(graph);
    const bool first = format == "NCHW";
    const auto window = [&](int64_t k) {
      return first ? std::vector<int64_t>{1, 1, k, k} : std::vector<int64_t>{1, k, k, 1};
    };
    for (size_t i = 0; i < nets.parameters.size(); ++i) {
      const nn::Tensor& p = nets.parameters[i];
      const int rank = p.shape().rank();
      Array value = rank == 4   ? permuted(p, {2, 3, 1, 0})
                    : rank == 2 ? permuted(p, {1, 0})
                                : p.array().clone();
      if (i == 4 && !first) value = rows_last(value);
      variables.emplace_back(value, tf::VariableOptions{});
    }
    const tf::PartialShape shape =
        first ? tf::PartialShape{kBatch, 1, 28, 28} : tf::PartialShape{kBatch, 28, 28, 1};
    x = tf::placeholder(tf::float32, shape);
    y = tf::placeholder(tf::int64, {kBatch});
    const auto& v = variables;
    tf::Tensor h = tf::nn::conv2d(x, v[0], {1, 1, 1, 1}, "VALID", format);
    h = tf::nn::max_pool(tf::nn::bias_add(h, v[1], format), window(2), window(2), "VALID", format);
    h = tf::nn::conv2d(h, v[2], {1, 1, 1, 1}, "VALID", format);
    h = tf::nn::max_pool(tf::nn::bias_add(h, v[3], format), window(2), window(2), "VALID", format);
    h = tf::matmul(tf::reshape(h, {-1, 800}), v[4]);
    h = tf::nn::relu(tf::nn::bias_add(h, v[5]));
    h = tf::nn::bias_add(tf::matmul(h, v[6]), v[7]);
    loss = tf::reduce_mean(tf::nn::sparse_softmax_cross_entropy_with_logits(y, h));
    init = tf::global_variables_initializer();
    step = tf::train::GradientDescentOptimizer(0.01).minimize(loss);
  }

  /// Rows of the first product follow the flattened image: [C, H, W] → [H, W, C].
  static Array rows_last(const Array& w) {
    return permuted(nn::Tensor(w).reshape({50, 4, 4, 500}), {1, 2, 0, 3}).reshaped({800, 500});
  }
};

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
  return text;
}

/// Where parameters live, and whether a NaN wins in a pooling window, are facts of the notations.
TEST(TensorFlowAgreement, LossAndGradientsOfLeNetAreTheGraphOfTheNnProgram) {
  Nets nets;
  TfNet net(nets, "NCHW");
  const tf::AsDefault here(net.graph);
  std::vector<tf::Tensor> xs;
  for (const tf::Variable& v : net.variables) xs.push_back(v.value());
  std::vector<tf::Fetch> wanted = {net.loss};
  for (const tf::Tensor& g : tf::gradients({net.loss}, xs)) {
    const int rank = g.shape().rank();
    wanted.emplace_back(rank == 4   ? tf::transpose(g, std::vector<int64_t>{3, 2, 0, 1})
                        : rank == 2 ? tf::transpose(g, std::vector<int64_t>{1, 0})
                                    : g);
  }
  tf::Session session(net.graph);
  session.run(net.init);
  Seen seen;
  session.run(wanted, {{net.x, nets.images.array()}, {net.y, nets.labels.array()}});
  ASSERT_EQ(seen.texts.size(), 1u);
  std::string text = seen.texts[0];
  for (int i = 0; i < 8; ++i) text = replaced(text, fmt::format("cell @{} ", i), "input ");

  const nn::Tensor loss = nets.loss();
  std::vector<record::Var> vars = {loss};
  for (const nn::Tensor& g : nn::grad({loss}, nets.parameters)) vars.push_back(g);
  Graph graph;
  const std::string code = canonical_text(graph, record::trace(graph, vars));
  EXPECT_EQ(replaced(code, "nan_wins=true", "nan_wins=false"), text);
}

TEST(TensorFlowAgreement, ThirtyStepsGiveTheSameLossesWhateverTheLayout) {
  Nets nets;
  TfNet first(nets, "NCHW"), last(nets, "NHWC");
  tf::Session a(first.graph), b(last.graph);
  a.run(first.init);
  b.run(last.init);
  const Array labels = nets.labels.array(), images = nets.images.array();
  const Array turned = permuted(nets.images, {0, 2, 3, 1});
  optim::SGD descent(nets.parameters, {.lr = 0.01});
  for (int step = 0; step < 30; ++step) {
    const double one =
        a.run({first.loss, first.step}, {{first.x, images}, {first.y, labels}})[0].item();
    const double two =
        b.run({last.loss, last.step}, {{last.x, turned}, {last.y, labels}})[0].item();
    const nn::Tensor loss = nets.loss();
    descent.zero_grad();
    loss.backward();
    descent.step();
    ASSERT_NEAR(one, loss.item(), 1e-5) << "step " << step;
    ASSERT_NEAR(two, one, 1e-5) << "step " << step;
  }
}

}  // namespace
}  // namespace trivium
