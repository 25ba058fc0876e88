// LeNet described as a TensorFlow graph: with channels first its loss and gradients are the very
// graph that the nn program records, and with channels last the losses stay what they are.
#include <gtest/gtest.h>

#include <set>

#include "trivium/engine/compile/compile.h"
#include "trivium/engine/graph/text.h"
#include "trivium/nn.h"
#include "trivium/tf.h"

namespace trivium {
namespace {

namespace F = nn::functional;

constexpr int64_t kBatch = 64;

/// Canonical text of what a notation gives to the compiler.
class Seen {
 public:
  std::vector<std::string> texts;

 private:
  compile::Watch watch_{[this](const Graph& graph, const std::vector<Value>& fetches) {
    texts.push_back(canonical_text(graph, fetches));
  }};
};

/// The plan of what a notation gives to the compiler.
class LastPlan {
 public:
  std::shared_ptr<const run::Plan> plan;

 private:
  bool looking_ = false;
  compile::Watch watch_{[this](const Graph& graph, const std::vector<Value>& fetches) {
    if (looking_) return;  // prepare() below
    looking_ = true;
    plan = compile::prepare(graph, {}, fetches).plan;
    looking_ = false;
  }};
};

/// Ops of a plan's steps in their order, those of its prologue apart.
std::vector<std::string> ops_of(const run::Plan& plan) {
  std::vector<std::string> ops;
  for (size_t i = static_cast<size_t>(plan.prologue); i < plan.steps.size(); ++i)
    ops.push_back(plan.traces[plan.steps[i].trace].op);
  return ops;
}

/// Steps of every run that only move elements: other orders of axes, other memory formats. What
/// brings the first input from its memory into the first kernel's format is not counted.
int layout_changes(const run::Plan& plan, bool of_axes_only = false) {
  std::set<std::string> moves{"permute", "reshape", "copy"};
  if (!of_axes_only) moves.insert("reorder");
  std::set<int32_t> brought;
  int count = 0;
  for (size_t i = static_cast<size_t>(plan.prologue); i < plan.steps.size(); ++i) {
    const run::Step& step = plan.steps[i];
    const std::string& op = plan.traces[step.trace].op;
    if (op != "reorder" && !moves.count(op)) continue;
    const int32_t from = step.in[0].buffer;
    const run::BufferInfo& b = plan.buffers[from];
    if ((b.place == run::Place::input && b.slot == 0) || brought.count(from))
      brought.insert(step.out[0].buffer);
    else
      count += static_cast<int>(moves.count(op));
  }
  return count;
}

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
  tf::Tensor flat;  // the image that the first matrix product takes
  std::vector<tf::Variable> variables;
  std::shared_ptr<tf::Operation> init, step;
  bool first;  // channels

  TfNet(const Nets& nets, const std::string& format,
        tf::train::Optimizer&& optimizer = tf::train::GradientDescentOptimizer(0.01))
      : first(format == "NCHW") {
    const tf::AsDefault here(graph);
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
    flat = tf::reshape(h, {-1, 800});
    h = tf::matmul(flat, v[4]);
    h = tf::nn::relu(tf::nn::bias_add(h, v[5]));
    h = tf::nn::bias_add(tf::matmul(h, v[6]), v[7]);
    loss = tf::reduce_mean(tf::nn::sparse_softmax_cross_entropy_with_logits(y, h));
    step = optimizer.minimize(loss);
    init = tf::global_variables_initializer();
  }

  /// Images and labels as this net takes them.
  std::vector<tf::Feed> feeds(const Nets& nets) const {
    const Array images = nets.images.array();
    return {{x, first ? images : permuted(nets.images, {0, 2, 3, 1})}, {y, nets.labels.array()}};
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

/// Steps of training and of the loss alone: the same ops in the same order, and of what only moves
/// elements nothing but the way of the pictures into the first kernel's format. The weight behind
/// the flattened image lives where its rows follow that image (notations/tf/home.h).
TEST(TensorFlowAgreement, ChannelsLastAreThePlanOfChannelsFirst) {
  Nets nets;
  std::vector<std::string> steps[2][2];
  for (const bool last : {false, true}) {
    TfNet net(nets, last ? "NHWC" : "NCHW", tf::train::MomentumOptimizer(0.01, 0.9));
    tf::Session session(net.graph);
    session.run(net.init);
    for (const bool trains : {false, true}) {
      std::vector<tf::Fetch> wanted = {net.loss};
      if (trains) wanted.emplace_back(net.step);
      LastPlan seen;
      session.run(wanted, net.feeds(nets));
      ASSERT_TRUE(seen.plan);
      EXPECT_EQ(layout_changes(*seen.plan), 0) << compile::plan_text(*seen.plan);
      steps[last][trains] = ops_of(*seen.plan);
    }
  }
  EXPECT_EQ(steps[1][0], steps[0][0]);
  EXPECT_EQ(steps[1][1], steps[0][1]);
}

/// Where a weight lives is nobody's business: it is read, fed around, differentiated, loaded and
/// updated as the [800, 500] that the program made.
TEST(TensorFlowAgreement, AWeightBehindAFlattenedImageIsSeenAsItWasMade) {
  Nets nets;
  TfNet first(nets, "NCHW", tf::train::MomentumOptimizer(0.01, 0.9));
  TfNet last(nets, "NHWC", tf::train::MomentumOptimizer(0.01, 0.9));
  tf::Session a(first.graph), b(last.graph);
  const auto expect_same = [](const Array& one, const Array& two, double tolerance = 1e-6) {
    ASSERT_EQ(two.shape(), one.shape());
    for (int64_t i = 0; i < one.count(); ++i) ASSERT_NEAR(two.at(i), one.at(i), tolerance) << i;
  };
  a.run(first.init);
  b.run(last.init);
  for (int step = 0; step < 3; ++step) {
    a.run(first.step, first.feeds(nets));
    b.run(last.step, last.feeds(nets));
  }
  const Array weight = b.value_of(last.variables[4]);
  expect_same(TfNet::rows_last(a.value_of(first.variables[4])), weight);
  expect_same(b.run(last.variables[4]), weight, 0);
  expect_same(TfNet::rows_last(a.run("Variable_4/Momentum:0")), b.run("Variable_4/Momentum:0"));
  const auto gradient = [&](TfNet& net, tf::Session& session) {
    const tf::AsDefault here(net.graph);
    return session.run(tf::gradients({net.loss}, {net.variables[4].value()})[0], net.feeds(nets));
  };
  expect_same(TfNet::rows_last(gradient(first, a)), gradient(last, b));

  const Array flat = b.run(last.flat, last.feeds(nets));
  const double loss = b.run(last.loss, last.feeds(nets)).item();
  EXPECT_NEAR(b.run(last.loss, {{last.flat, flat}, {last.y, nets.labels.array()}}).item(), loss,
              1e-6);
  b.load(last.variables[4], TfNet::rows_last(nets.parameters[4].array().reshaped({800, 500})));
  EXPECT_NE(b.run(last.loss, last.feeds(nets)).item(), loss);
  b.load(last.variables[4], weight);
  EXPECT_EQ(b.run(last.loss, last.feeds(nets)).item(), loss);
  expect_same(b.value_of(last.variables[4]), weight, 0);
}

/// The net of many tutorials. Its biases are added in one of two ways, its first matrix may decay.
struct Tutorial {
  std::shared_ptr<tf::Graph> graph = tf::Graph::make();
  tf::Tensor x, y, loss;
  std::shared_ptr<tf::Operation> init, step;

  Tutorial(bool adds, bool decays) {
    const tf::AsDefault here(graph);
    const auto variable = [&](const Shape& shape) {
      Array a(shape, DType::f32);
      for (int64_t i = 0; i < a.count(); ++i) a.set(i, 0.02 * static_cast<double>(i % 7 - 3));
      return tf::Variable(a, tf::VariableOptions{});
    };
    const auto with_bias = [&](tf::Tensor h, int64_t n) {
      const tf::Variable b = variable({n});
      return adds ? h + b.value() : tf::nn::bias_add(h, b);
    };
    x = tf::placeholder(tf::float32, {-1, 16, 16, 3});
    y = tf::placeholder(tf::int64, {-1});
    tf::Tensor h = x;
    for (const int64_t channels : {16, 32}) {
      const tf::Variable w = variable({5, 5, h.shape()[-1], channels});
      h = tf::nn::relu(with_bias(tf::nn::conv2d(h, w, {1, 1, 1, 1}, "SAME"), channels));
      h = tf::nn::max_pool(h, {1, 2, 2, 1}, {1, 2, 2, 1}, "SAME");
    }
    const tf::Variable w = variable({4 * 4 * 32, 50});
    h = tf::nn::relu(with_bias(tf::matmul(tf::reshape(h, {-1, 4 * 4 * 32}), w), 50));
    h = with_bias(tf::matmul(h, variable({50, 10})), 10);
    loss = tf::reduce_mean(tf::nn::sparse_softmax_cross_entropy_with_logits(y, h));
    if (decays) loss = loss + tf::reduce_sum(tf::square(w)) * 5e-4;
    step = tf::train::AdamOptimizer(1e-4).minimize(loss);
    init = tf::global_variables_initializer();
  }
};

/// No axes are exchanged. (The format in which a weight is squared and summed is the layout pass's
/// own choice, whatever the notation.)
TEST(TensorFlowAgreement, BiasesAndWeightDecayExchangeNoAxesEither) {
  Array images({64, 16, 16, 3}, DType::f32), labels({64}, DType::i64);
  for (int64_t i = 0; i < images.count(); ++i) images.set(i, static_cast<double>(i % 11) / 11);
  for (int64_t i = 0; i < labels.count(); ++i) labels.set(i, static_cast<double>(i % 10));
  for (const bool decays : {false, true}) {
    double losses[2] = {};
    for (const bool adds : {false, true}) {
      Tutorial net(adds, decays);
      tf::Session session(net.graph);
      session.run(net.init);
      LastPlan seen;
      for (int step = 0; step < 3; ++step)
        losses[adds] =
            session.run({net.loss, net.step}, {{net.x, images}, {net.y, labels}})[0].item();
      EXPECT_EQ(layout_changes(*seen.plan, decays), 0) << compile::plan_text(*seen.plan);
    }
    EXPECT_NEAR(losses[1], losses[0], 1e-6);
  }
}

}  // namespace
}  // namespace trivium
