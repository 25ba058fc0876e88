// Optimizers and schedules against PyTorch's, step by step (tests/golden/torch/make_optim.py), and
// what they refuse.
#include "trivium/optim.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>

#include "trivium/nn.h"

namespace trivium::optim {
namespace {

using nn::Tensor;
namespace sched = lr_scheduler;

std::vector<std::string> split(const std::string& text, char by) {
  std::vector<std::string> out;
  std::stringstream in(text);
  for (std::string part; std::getline(in, part, by);) out.push_back(part);
  return out;
}

/// The settings of one golden case.
struct Settings {
  std::map<std::string, std::vector<double>> values;
  double number(const char* name, double otherwise) const {
    const auto at = values.find(name);
    return at == values.end() ? otherwise : at->second[0];
  }
  bool flag(const char* name) const { return number(name, 0) != 0; }
  std::pair<double, double> pair(const char* name, std::pair<double, double> otherwise) const {
    const auto at = values.find(name);
    return at == values.end() ? otherwise : std::pair{at->second[0], at->second[1]};
  }
};

Settings parse(const std::string& text) {
  Settings out;
  for (const std::string& item : split(text, ';')) {
    const size_t eq = item.find('=');
    for (const std::string& v : split(item.substr(eq + 1), ' '))
      out.values[item.substr(0, eq)].push_back(std::stod(v));
  }
  return out;
}

std::unique_ptr<Optimizer> make(const std::string& name, const Settings& s, const Tensors& p) {
  const std::pair<double, double> betas = s.pair("betas", {0.9, 0.999});
  const double wd = s.number("weight_decay", 0), lr = s.number("lr", -1);
  if (name == "SGD")
    return std::make_unique<SGD>(p, SGDOptions{.lr = lr,
                                               .momentum = s.number("momentum", 0),
                                               .dampening = s.number("dampening", 0),
                                               .weight_decay = wd,
                                               .nesterov = s.flag("nesterov"),
                                               .maximize = s.flag("maximize")});
  if (name == "Adam")
    return std::make_unique<Adam>(p, AdamOptions{.lr = lr,
                                                 .betas = betas,
                                                 .eps = s.number("eps", 1e-8),
                                                 .weight_decay = wd,
                                                 .amsgrad = s.flag("amsgrad"),
                                                 .maximize = s.flag("maximize")});
  if (name == "AdamW")
    return std::make_unique<AdamW>(p, AdamWOptions{.lr = lr,
                                                   .weight_decay = s.number("weight_decay", 1e-2),
                                                   .amsgrad = s.flag("amsgrad")});
  if (name == "Adadelta")
    return std::make_unique<Adadelta>(p, AdadeltaOptions{.lr = s.number("lr", 1),
                                                         .rho = s.number("rho", 0.9),
                                                         .eps = s.number("eps", 1e-6),
                                                         .weight_decay = wd});
  if (name == "Adagrad")
    return std::make_unique<Adagrad>(
        p, AdagradOptions{.lr = lr,
                          .lr_decay = s.number("lr_decay", 0),
                          .weight_decay = wd,
                          .initial_accumulator_value = s.number("initial_accumulator_value", 0)});
  if (name == "RMSprop")
    return std::make_unique<RMSprop>(p, RMSpropOptions{.lr = lr,
                                                       .weight_decay = wd,
                                                       .momentum = s.number("momentum", 0),
                                                       .centered = s.flag("centered")});
  if (name == "Adamax")
    return std::make_unique<Adamax>(p, AdamaxOptions{.lr = lr, .weight_decay = wd});
  if (name == "NAdam")
    return std::make_unique<NAdam>(
        p, NAdamOptions{.lr = lr,
                        .weight_decay = wd,
                        .decoupled_weight_decay = s.flag("decoupled_weight_decay")});
  if (name == "RAdam")
    return std::make_unique<RAdam>(
        p, RAdamOptions{.lr = lr,
                        .weight_decay = wd,
                        .decoupled_weight_decay = s.flag("decoupled_weight_decay")});
  if (name == "Rprop")
    return std::make_unique<Rprop>(p, RpropOptions{.lr = lr,
                                                   .etas = s.pair("etas", {0.5, 1.2}),
                                                   .step_sizes = s.pair("step_sizes", {1e-6, 50})});
  if (name == "ASGD")
    return std::make_unique<ASGD>(p, ASGDOptions{.lr = lr,
                                                 .lambd = s.number("lambd", 1e-4),
                                                 .t0 = s.number("t0", 1e6),
                                                 .weight_decay = wd});
  return std::make_unique<LBFGS>(
      p, LBFGSOptions{.lr = s.number("lr", 1),
                      .max_iter = static_cast<int64_t>(s.number("max_iter", 20)),
                      .history_size = static_cast<int64_t>(s.number("history_size", 100)),
                      .strong_wolfe = s.flag("line_search_fn")});
}

Tensors start_point() {
  const Tensor a = ((nn::arange(6, {.dtype = nn::float64}).view(3, 2) / 7.0) - 0.3).detach();
  const Tensor b = nn::tensor({0.5, -1.25, 2.0, 0.1}, {.dtype = nn::float64});
  a.requires_grad_();
  b.requires_grad_();
  return {a, b};
}

Tensor loss_of(const Tensors& p) {
  const Tensor weights = nn::arange(1.0, 5.0, 1, {.dtype = nn::float64});
  return ((p[0] * p[0]).sum() - 1.5).square() + (p[1].cos() * weights).sum() +
         (p[0][0] * p[1].slice(0, 0, 2)).sum();
}

Tensor closure_of(Optimizer& opt, const Tensors& params) {
  opt.zero_grad();
  Tensor loss = loss_of(params);
  loss.backward();
  return loss;
}

std::vector<std::vector<std::string>> golden(const char* file, char by) {
  std::ifstream in(std::string(TRIVIUM_SOURCE_DIR) + "/tests/golden/torch/" + file);
  std::vector<std::vector<std::string>> out;
  for (std::string line; std::getline(in, line);) out.push_back(split(line, by));
  return out;
}

class Optimizers : public testing::Test {
 protected:
  static void SetUpTestSuite() { start(); }
};

TEST_F(Optimizers, AgreeWithPyTorchAfterTwentySteps) {
  const auto cases = golden("optim.txt", '|');
  ASSERT_EQ(cases.size(), 31u);
  for (const auto& c : cases) {
    SCOPED_TRACE(c[0] + " " + c[1]);
    const Settings settings = parse(c[1]);
    const Tensors params = start_point();
    const auto opt = make(c[0], settings, params);
    const bool lbfgs = c[0] == "LBFGS";
    const bool search = settings.flag("line_search_fn");
    for (int i = 0; i < (search ? 2 : lbfgs ? 5 : 20); ++i) {
      if (lbfgs) {
        opt->step([&] { return closure_of(*opt, params); });
      } else {
        closure_of(*opt, params);
        opt->step();
      }
    }
    const std::vector<std::string> expected = split(c[2], ' ');
    size_t i = 0;
    // NAdam and ASGD keep scalars in single precision; the line search decides by rounded values.
    const double limit = c[0] == "NAdam" || c[0] == "ASGD" ? 1e-7
                         : search                          ? 1e-8
                         : lbfgs                           ? 1e-9
                                                           : 1e-12;
    for (const Tensor& p : params)
      for (const double v : p.to_vector<double>()) {
        const double e = std::stod(expected[i++]);
        EXPECT_NEAR(v, e, limit * (1 + std::abs(e))) << "element " << i - 1;
      }
  }
}

TEST_F(Optimizers, ResumeFromTheirState) {
  for (const auto& c : golden("optim.txt", '|')) {
    if (c[0] == "LBFGS") continue;
    SCOPED_TRACE(c[0] + " " + c[1]);
    const Settings settings = parse(c[1]);
    const Tensors one = start_point(), two = start_point();
    const auto a = make(c[0], settings, one);
    for (int i = 0; i < 3; ++i) {
      closure_of(*a, one);
      a->step();
    }
    for (size_t i = 0; i < one.size(); ++i) {
      nn::NoGradGuard off;
      two[i].copy_(one[i]);
    }
    const auto b = make(c[0], settings, two);
    b->load_state_dict(a->state_dict());
    for (int i = 0; i < 3; ++i) {
      closure_of(*a, one);
      a->step();
      closure_of(*b, two);
      b->step();
    }
    for (size_t i = 0; i < one.size(); ++i)
      EXPECT_EQ(one[i].to_vector<double>(), two[i].to_vector<double>());
  }
}

TEST_F(Optimizers, SkipParametersWithoutGradient) {
  const Tensor a = nn::ones({2}, {.requires_grad = true}),
               b = nn::ones({2}, {.requires_grad = true});
  SGD sgd(Tensors{a, b}, {.lr = 0.5, .weight_decay = 1});
  a.sum().backward();
  sgd.step();
  EXPECT_EQ(a.to_vector<float>(), (std::vector<float>{0, 0}));
  EXPECT_EQ(b.to_vector<float>(), (std::vector<float>{1, 1}));
  EXPECT_TRUE(a.grad().defined()) << "step() leaves gradients alone";
  sgd.zero_grad();
  EXPECT_FALSE(a.grad().defined());
}

TEST_F(Optimizers, HaveGroupsWithSettingsOfTheirOwn) {
  const Tensor a = nn::ones({1}, {.requires_grad = true}),
               b = nn::ones({1}, {.requires_grad = true});
  SGD sgd(std::vector<GroupSpec>{{{a}}, {{b}, {{"lr", 0.25}}}}, {.lr = 1});
  (a.sum() + b.sum()).backward();
  sgd.step();
  EXPECT_EQ(a.item(), 0);
  EXPECT_EQ(b.item(), 0.75);
  sgd.param_groups()[1]["lr"] = 0.5;
  sgd.step();
  EXPECT_EQ(b.item(), 0.25);
}

TEST_F(Optimizers, RefuseWhatCanNotWork) {
  const Tensor a = nn::ones({1}, {.requires_grad = true});
  EXPECT_THROW(SGD(Tensors{}), nn::ValueError);
  EXPECT_THROW(SGD(Tensors{a}, {.lr = -1}), nn::ValueError);
  EXPECT_THROW(SGD(Tensors{a}, {.nesterov = true}), nn::ValueError);
  EXPECT_THROW(SGD(Tensors{a * 2}), nn::ValueError);
  EXPECT_THROW(SGD(std::vector<GroupSpec>{{{a}}, {{a}}}), nn::ValueError);
  EXPECT_THROW(Adam(Tensors{a}, {.betas = {1, 0.9}}), nn::ValueError);
  SGD one(Tensors{a});
  const Tensor b = nn::ones({1}, {.requires_grad = true});
  EXPECT_THROW(one.load_state_dict(SGD(Tensors{a, b}).state_dict()), nn::ValueError);
}

TEST_F(Optimizers, PrintTheirSettings) {
  const Tensor a = nn::ones({1}, {.requires_grad = true});
  EXPECT_EQ(SGD(Tensors{a}, {.lr = 0.1}).repr(),
            "SGD (\nParameter Group 0\n    dampening: 0.0\n    differentiable: False\n    foreach: "
            "None\n    fused: None\n    lr: 0.1\n    maximize: False\n    momentum: 0.0\n    "
            "nesterov: False\n    weight_decay: 0.0\n)");
}

std::shared_ptr<sched::LRScheduler> schedule(const std::string& name, Optimizer& o) {
  using std::make_shared;
  if (name == "StepLR") return make_shared<sched::StepLR>(o, 3, 0.5);
  if (name == "MultiStepLR")
    return make_shared<sched::MultiStepLR>(o, std::vector<int64_t>{2, 5, 5, 9}, 0.3);
  if (name == "ExponentialLR") return make_shared<sched::ExponentialLR>(o, 0.9);
  if (name == "LambdaLR")
    return make_shared<sched::LambdaLR>(
        o, sched::EpochFunction([](int64_t e) { return std::pow(0.95, e); }));
  if (name == "MultiplicativeLR")
    return make_shared<sched::MultiplicativeLR>(o, [](int64_t e) { return e % 2 ? 0.9 : 1.05; });
  if (name == "ConstantLR") return make_shared<sched::ConstantLR>(o);
  if (name == "LinearLR") return make_shared<sched::LinearLR>(o);
  if (name == "PolynomialLR") return make_shared<sched::PolynomialLR>(o, 30, 2.0);
  if (name == "CosineAnnealingLR") return make_shared<sched::CosineAnnealingLR>(o, 7, 0.01);
  if (name == "WarmRestarts")
    return make_shared<sched::CosineAnnealingWarmRestarts>(o, 3, 2, 0.001);
  if (name == "WarmRestarts1") return make_shared<sched::CosineAnnealingWarmRestarts>(o, 5);
  if (name == "CyclicLR")
    return make_shared<sched::CyclicLR>(o, 0.01, 0.1, sched::CyclicOptions{.step_size_up = 3});
  if (name == "CyclicLR2")
    return make_shared<sched::CyclicLR>(
        o, 0.01, 0.1,
        sched::CyclicOptions{.step_size_up = 4, .step_size_down = 2, .mode = "triangular2"});
  if (name == "CyclicLRexp")
    return make_shared<sched::CyclicLR>(
        o, 0.01, 0.1, sched::CyclicOptions{.step_size_up = 4, .mode = "exp_range", .gamma = 0.97});
  if (name == "OneCycleLR")
    return make_shared<sched::OneCycleLR>(o, 0.1, sched::OneCycleOptions{.total_steps = 60});
  if (name == "OneCycleLR3")
    return make_shared<sched::OneCycleLR>(
        o, 0.1,
        sched::OneCycleOptions{
            .epochs = 6, .steps_per_epoch = 10, .anneal_strategy = "linear", .three_phase = true});
  if (name == "ReduceLROnPlateau")
    return make_shared<sched::ReduceLROnPlateau>(
        o, sched::PlateauOptions{.patience = 2, .cooldown = 1});
  if (name == "SequentialLR") {
    std::vector<sched::SchedulerPtr> parts{make_shared<sched::ConstantLR>(o, 0.1, 2),
                                           make_shared<sched::LinearLR>(o, 0.5, 1.0, 4),
                                           make_shared<sched::ExponentialLR>(o, 0.9)};
    return make_shared<sched::SequentialLR>(o, parts, std::vector<int64_t>{2, 7});
  }
  std::vector<sched::SchedulerPtr> parts{make_shared<sched::ConstantLR>(o, 0.1, 2),
                                         make_shared<sched::ExponentialLR>(o, 0.9)};
  return make_shared<sched::ChainedScheduler>(parts);
}

TEST_F(Optimizers, SchedulesAgreeWithPyTorchForFiftySteps) {
  const auto cases = golden("schedules.txt", ' ');
  ASSERT_EQ(cases.size(), 19u);
  for (const auto& c : cases) {
    SCOPED_TRACE(c[0]);
    const Tensor p = nn::zeros({1}, {.requires_grad = true});
    SGD opt(Tensors{p}, {.lr = 0.1, .momentum = 0.9});
    const auto s = schedule(c[0], opt);
    for (int epoch = 0; epoch < 50; ++epoch) {
      const ParamGroup& group = opt.param_groups()[0];
      ASSERT_NEAR(group.number("lr"), std::stod(c[1 + 2 * epoch]), 1e-14) << "epoch " << epoch;
      ASSERT_NEAR(group.number("momentum"), std::stod(c[2 + 2 * epoch]), 1e-14) << epoch;
      opt.step();
      if (auto* plateau = dynamic_cast<sched::ReduceLROnPlateau*>(s.get()))
        plateau->step(1.0 / (1 + epoch / 7));
      else
        s->step();
    }
  }
}

TEST_F(Optimizers, SchedulesResume) {
  const Tensor p = nn::zeros({1}, {.requires_grad = true});
  SGD a(Tensors{p}, {.lr = 0.1});
  sched::StepLR first(a, 3, 0.5);
  for (int i = 0; i < 4; ++i) {
    a.step();
    first.step();
  }
  SGD b(Tensors{p}, {.lr = 0.1});
  sched::StepLR second(b, 2, 0.9);
  b.load_state_dict(a.state_dict());
  second.load_state_dict(first.state_dict());
  for (int i = 0; i < 4; ++i) {
    first.step();
    second.step();
    EXPECT_EQ(first.get_last_lr(), second.get_last_lr());
  }
  EXPECT_THROW(sched::StepLR(*std::make_unique<SGD>(Tensors{p}), 1, 0.1, 5), UserError);
}

}  // namespace
}  // namespace trivium::optim
