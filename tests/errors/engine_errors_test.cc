// What the engine says when it refuses: operands, rule, place and remedy, word for word where
// people and programs rely on it.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "trivium/engine/backends/cpu/backend.h"
#include "trivium/engine/compile/compile.h"
#include "trivium/engine/core/error.h"
#include "trivium/engine/graph/op.h"
#include "trivium/engine/ops/build.h"
#include "trivium/engine/run/backend.h"

namespace trivium {
namespace {

namespace fs = std::filesystem;

template <typename Kind, typename Action>
std::string message_of(Action&& action) {
  try {
    action();
  } catch (const Kind& error) {
    return error.what();
  }
  ADD_FAILURE() << "expected an error";
  return "";
}

struct EngineErrors : ::testing::Test {
  void SetUp() override {
    ops::register_all();
    cpu::register_backend();
  }
};

TEST_F(EngineErrors, AConvolutionShowsOperandsRuleAndLayer) {
  Graph g;
  const Value x = g.input("x", {8, 3, 32, 32}), w = g.input("w", {16, 4, 3, 3});
  g.set_scope("features.0");
  const int before = g.size();
  EXPECT_EQ(
      message_of<UserError>([&] {
        ops::conv(x, w, {{1, 1}, {0, 0}, {0, 0}, {1, 1}});
      }),
      "conv: w expects 4 input channels, x has 3\n"
      "  x float32[8, 3, 32, 32]   w float32[16, 4, 3, 3]   "
      "dilations [1, 1]   groups 1   pads_begin [0, 0]   pads_end [0, 0]   strides [1, 1]     "
      "rule: x.shape[1] == w.shape[1] * groups\n"
      "  at layer \"features.0\"");
  EXPECT_EQ(g.size(), before) << "a refused op leaves no trace in the graph";
}

/// A device with one kernel: relu of float32.
class Small : public run::Backend {
 public:
  Small() {
    table_.add({"relu",
                "relu",
                [](const run::KernelRequest& r, run::Format family,
                   std::string& reason) -> std::optional<run::Placement> {
                  if (r.in[0].dtype == DType::f32 && family.kind == run::Format::plain)
                    return run::Placement{{run::Format{}}, {run::Format{}}, 1.0};
                  reason = "float32 only";
                  return std::nullopt;
                },
                {},
                {}});
  }
  const std::string& name() const override { return name_; }
  const run::KernelTable& kernels() const override { return table_; }
  const run::Machine& machine() const override { return machine_; }
  std::vector<run::Format> formats(int64_t) const override { return {}; }

 private:
  std::string name_ = "small";
  run::KernelTable table_;
  run::Machine machine_;
};

std::string plan_on_small(DType dtype, Value (*op)(Value)) {
  static Small small;
  run::register_backend(&small);
  Graph g;
  const Value x = g.input("x", {2, 3}, dtype);
  g.set_scope("act");
  compile::Options options;
  options.backend = "small";
  options.disable = "fuse";
  return message_of<UserError>([&] { compile::prepare(g, {}, {op(x)}, true, options); });
}

TEST_F(EngineErrors, AMissingKernelNamesTheDtypesThereAre) {
  EXPECT_EQ(plan_on_small(DType::f64, [](Value v) { return ops::relu(v); }),
            "relu: no small kernel for float64[2, 3] (small has float32); cast first\n"
            "  at layer \"act\"");
}

TEST_F(EngineErrors, AnOpTheBackendLacksSaysSo) {
  EXPECT_EQ(plan_on_small(DType::f32, [](Value v) { return ops::exp(v); }),
            "exp: no small kernel for float32[2, 3]; the backend has none for this op\n"
            "  at layer \"act\"");
}

/// A composite op whose expansion is broken: what a bug in the compiler looks like.
void define_broken_op() {
  if (OpRegistry::instance().find("broken_for_tests")) return;
  OpRegistry::instance()
      .define("broken_for_tests")
      .input("x", "anything")
      .infer([](InferCtx& c) { c.output(c.shape(0), c.dtype(0)); })
      .decompose([](Graph&, std::span<const Value>, const Attrs&) -> std::vector<Value> {
        internal_error("cycle through node 17 (mul)");
      });
}

TEST_F(EngineErrors, AnInternalErrorInAPassSavesTheGraph) {
  define_broken_op();
  const fs::path place = fs::temp_directory_path() / ("trivium_errors_" + std::to_string(getpid()));
  fs::create_directories(place);
  const fs::path before = fs::current_path();
  fs::current_path(place);
  Graph g;
  const Value x = g.input("picture", {2});
  const Value y = g.op("broken_for_tests", {x});
  EXPECT_EQ(message_of<InternalError>([&] { compile::prepare(g, {}, {y}); }),
            "internal error in pass decompose: cycle through node 17 (mul); graph saved to "
            "trivium-decompose.txt — please report it with that file");
  std::stringstream saved;
  saved << std::ifstream("trivium-decompose.txt").rdbuf();
  EXPECT_NE(saved.str().find("broken_for_tests"), std::string::npos) << saved.str();
  fs::current_path(before);
  fs::remove_all(place);
}

}  // namespace
}  // namespace trivium
