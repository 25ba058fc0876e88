// Every kernel entry against the reference of its op: all samples, float32 and float64, all formats
// it accepts. With TRIVIUM_LOG=kernel the reasons of kernels that decline are printed.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <set>

#include "tests/engine/backends/cpu/kernel_case.h"
#include "trivium/engine/backends/cpu/backend.h"
#include "trivium/engine/compile/compile.h"
#include "trivium/engine/core/log.h"
#include "trivium/engine/ops/build.h"

namespace {
std::atomic<int64_t> allocated{0};
}

// Counts the bytes of every allocation of the program, on whatever thread.
void* operator new(size_t bytes) {
  allocated.fetch_add(static_cast<int64_t>(bytes), std::memory_order_relaxed);
  if (void* p = std::malloc(bytes ? bytes : 1)) return p;
  throw std::bad_alloc();
}
void* operator new(size_t bytes, const std::nothrow_t&) noexcept {
  allocated.fetch_add(static_cast<int64_t>(bytes), std::memory_order_relaxed);
  return std::malloc(bytes ? bytes : 1);
}
// Inlined, gcc takes the pair for a new and a free that do not belong together.
__attribute__((noinline)) void operator delete(void* p) noexcept { std::free(p); }
__attribute__((noinline)) void operator delete(void* p, size_t) noexcept { std::free(p); }

namespace trivium {
namespace {

using run::Format;
using testing::Case;
using testing::difference;

const run::KernelTable& kernels() {
  ops::register_all();
  cpu::register_backend();
  return run::backend("cpu").kernels();
}

const Format kFamilies[] = {{},
                            {Format::nblock, 16},
                            {Format::nblock, 8},
                            {Format::nblock, 4},
                            {Format::channels, 16},
                            {Format::channels, 8}};

/// Calls body(entry, placement, where) for all entries of the op and formats that accept the case.
template <typename Body>
int for_each_placement(const Case& c, const Body& body) {
  int accepted = 0;
  for (const run::KernelEntry* entry : kernels().of(c.op->name())) {
    for (const Format family : kFamilies) {
      std::string reason;
      const auto placement = entry->place(c.request(), family, reason);
      const std::string where = fmt::format("{} {} for {}", entry->name, family.text(), c.text);
      if (!placement) {
        EXPECT_FALSE(reason.empty()) << where << ": declines without a reason";
        log::event(log::Topic::kernel, "{} declines: {}", where, reason);
        continue;
      }
      accepted += family.kind == Format::plain;
      EXPECT_EQ(placement->in.size(), c.in.size()) << where;
      EXPECT_EQ(placement->out.size(), c.out.size()) << where;
      EXPECT_GT(placement->microseconds, 0) << where;
      body(*entry, *placement, where);
    }
  }
  return accepted;
}

/// Composites that plans hold only as their parts.
bool runs_as_parts(const OpDef& op) { return op.decompose() && kernels().of(op.name()).empty(); }

/// Leaves, and what the executor runs itself (tests/engine/compile/regions_test.cc).
bool has_no_kernel(const OpDef& op) {
  return op.samples().empty() || op.is_run_by_executor() || runs_as_parts(op);
}

/// Samples in their own dtypes, then with continuous operands in float64.
std::vector<Case> cases_of(const OpDef& op) {
  std::vector<Case> cases;
  for (const Sample& sample : op.samples()) {
    cases.emplace_back(op, sample, false);
    const bool continuous =
        std::any_of(sample.inputs.begin(), sample.inputs.end(), testing::is_continuous);
    if (continuous && op.name() != "elementwise_group") cases.emplace_back(op, sample, true);
  }
  for (Case& c : cases) c.compute_reference();
  return cases;
}

TEST(EveryKernel, GivesWhatTheReferenceGives) {
  set_threads(2);
  kernels();
  for (const auto& op : OpRegistry::instance().all()) {
    if (has_no_kernel(*op)) continue;
    for (const Case& c : cases_of(*op)) {
      const int plain = for_each_placement(c, [&](const auto& entry, const auto& placement,
                                                  const std::string& where) {
        const auto got = testing::run_entry(entry, c, placement);
        EXPECT_TRUE(got.guards_intact) << where << ": wrote past its memory";
        EXPECT_TRUE(got.idle_zero) << where << ": channels past the end are not zero";
        const double steps = entry.name.ends_with(":winograd") ? 256 : 32;
        for (size_t i = 0; i < c.out.size(); ++i)
          EXPECT_EQ(difference(got.out[i], c.expected[i], steps), "") << where << ", output " << i;
      });
      EXPECT_GT(plain, 0) << c.text << ": no plain kernel";
    }
  }
}

TEST(EveryKernel, OfTheirPartsGivesWhatCompositesGive) {
  set_threads(2);
  kernels();
  int cases = 0;
  for (const auto& op : OpRegistry::instance().all()) {
    if (!runs_as_parts(*op)) continue;
    for (const Case& c : cases_of(*op)) {
      Graph graph;
      std::vector<Value> operands;
      for (const Array& a : c.in) operands.push_back(graph.input("x", a.shape(), a.dtype()));
      const compile::Prepared p = compile::prepare(graph, {}, {graph.op(*op, operands, *c.attrs)});
      run::Bindings bindings;
      for (int i : p.inputs) bindings.inputs.push_back(c.in[static_cast<size_t>(i)]);
      std::vector<Array> got;
      run::execute(*p.plan, bindings, got);
      EXPECT_EQ(difference(got.at(0), c.expected.at(0)), "") << c.text;
      ++cases;
    }
  }
  EXPECT_GT(cases, 0);
}

TEST(EveryKernel, MayWriteOverTheInputsItNames) {
  set_threads(2);
  for (const auto& op : OpRegistry::instance().all()) {
    if (has_no_kernel(*op)) continue;
    for (const Case& c : cases_of(*op)) {
      for_each_placement(
          c, [&](const auto& entry, const auto& placement, const std::string& where) {
            for (const auto& pair : entry.in_place) {
              const auto [from, to] = pair;
              if (from >= static_cast<int>(c.in.size()) || to >= static_cast<int>(c.out.size()))
                continue;
              const bool same_bytes = c.in[from].shape() == c.out[to].shape &&
                                      placement.in[from] == placement.out[to] &&
                                      size_of(c.in[from].dtype()) == size_of(c.out[to].dtype);
              if (!same_bytes) continue;
              const auto got = testing::run_entry(entry, c, placement, pair);
              for (size_t i = 0; i < c.out.size(); ++i)
                EXPECT_EQ(difference(got.out[i], c.expected[i]), "")
                    << where << ", output " << to << " over input " << from;
            }
          });
    }
  }
}

// ---- larger shapes, where kernels split work
// -----------------------------------------------------

using Ints = std::vector<int64_t>;

struct Large {
  const char* op;
  Sample sample;
};

Attrs window(int64_t kernel, int64_t stride, int64_t pad, bool ceil = false) {
  return {{"kernel", Ints{kernel, kernel}},
          {"strides", Ints{stride, stride}},
          {"pads_begin", Ints{pad, pad}},
          {"pads_end", Ints{pad, pad}},
          {"ceil", ceil}};
}
Attrs conv(int64_t stride, int64_t pad, int64_t groups = 1) {
  return {{"strides", Ints{stride, stride}},
          {"pads_begin", Ints{pad, pad}},
          {"pads_end", Ints{pad, pad}},
          {"dilations", Ints{1, 1}},
          {"groups", groups}};
}
Attrs with(Attrs attrs, const std::string& name, AttrValue value) {
  attrs.set(name, std::move(value));
  return attrs;
}

std::vector<Large> large_samples() {
  const SampleInput labels({37}, SampleInput::integers, DType::i32, 10);
  return {
      {"conv", {{{19, 6, 12, 12}, {20, 6, 5, 5}, {20}}, conv(1, 0)}},
      {"conv",
       {{{3, 32, 17, 15}, {48, 16, 3, 3}, {48}},
        with(conv(2, 1, 2), "activation", std::string("relu"))}},
      {"conv_bwd_data",
       {{{19, 20, 8, 8}, {20, 6, 5, 5}}, with(conv(1, 0), "spatial", Ints{12, 12})}},
      {"conv_bwd_weights",
       {{{19, 6, 12, 12}, {19, 20, 8, 8}}, with(conv(1, 0), "kernel", Ints{5, 5})}},
      {"matmul",
       {{{37, 300}, {70, 300}, {70}},
        {{"transpose_b", true}, {"activation", std::string("relu")}}}},
      {"matmul", {{{130, 300}, {300, 131}}, {}}},
      {"matmul", {{{64, 200}, {64, 90}}, {{"transpose_a", true}}}},
      {"matmul", {{{5, 40, 30}, {5, 30, 70}}, {}}},
      {"matmul", {{{3, 300}, {600, 300}}, {{"transpose_b", true}}}},
      {"max_pool", {{{37, 3, 24, 24}}, window(2, 2, 0)}},
      {"max_pool", {{{5, 7, 33, 31}}, window(3, 2, 1, true)}},
      {"avg_pool", {{{37, 3, 24, 23}}, window(3, 2, 0, true)}},
      {"avg_pool_grad", {{{37, 3, 12, 11}}, with(window(3, 2, 0, true), "spatial", Ints{24, 23})}},
      {"lrn", {{{37, 20, 6, 6}}, {{"size", int64_t{5}}, {"alpha", 1e-4}}}},
      {"lrn_grad", {{{37, 20, 6, 6}, {37, 20, 6, 6}}, {{"size", int64_t{5}}, {"alpha", 0.1}}}},
      {"batch_norm", {{{37, 5, 24, 24}, {5}, {5}}, {}}},
      {"batch_norm", {{{70, 90}}, {}}},
      {"batch_norm_grad",
       {{{37, 5, 24, 24}, {37, 5, 24, 24}, {5}, SampleInput({5}, SampleInput::positive), {5}}, {}}},
      {"softmax", {{{37, 1000}}, {}}},
      {"softmax", {{{5, 21, 13, 11}}, {{"axis", int64_t{1}}}}},
      {"softmax_cross_entropy", {{{37, 10}, labels}, {}}},
      {"softmax_cross_entropy_grad", {{{37}, {37, 10}, labels}, {}}},
      {"sum", {{{37, 20, 24, 24}}, {{"axes", Ints{0, 2, 3}}}}},
      {"sum", {{{37, 500}}, {{"axes", Ints{0}}}}},
      {"sum", {{{300, 1000}}, {}}},
      {"mean", {{{37, 20, 24, 24}}, {{"axes", Ints{2, 3}}}}},
      {"reduce_max", {{{37, 20, 12, 12}}, {{"axes", Ints{0, 2}}}}},
      {"permute", {{{5, 30, 40, 20}}, {{"perm", Ints{0, 2, 3, 1}}}}},
      {"permute", {{{300, 200}}, {{"perm", Ints{1, 0}}}}},
      {"concat", {{{37, 3, 7, 7}, {37, 5, 7, 7}}, {{"axis", int64_t{1}}}}},
      {"add", {{{37, 20, 12, 12}, {20, 1, 1}}, {}}},
      {"relu", {{{37, 20, 12, 12}}, {}}},
      {"max_pool", {{{5, 7, 33, 31}}, with(window(3, 2, 1), "dilations", Ints{2, 1})}},
      {"sort", {{{300, 70}}, {}}},
      {"sort", {{{20, 70, 30}}, {{"axis", int64_t{1}}, {"descending", true}}}},
      {"top_k", {{{300, 70}}, {{"k", int64_t{5}}}}},
      {"cumsum", {{{300, 70}}, {{"axis", int64_t{0}}}}},
      {"cumsum", {{{20, 70, 130}}, {{"axis", int64_t{1}}, {"reverse", true}}}},
      {"cummax", {{{300, 70}}, {{"axis", int64_t{1}}}}},
      {"layer_norm", {{{300, 70}, {70}, {70}}, {{"axes", int64_t{1}}}}},
      {"layer_norm", {{{40, 5, 37, 20}}, {{"axes", int64_t{2}}}}},
      {"layer_norm_grad",
       {{{300, 70}, {300, 70}, {300}, SampleInput({300}, SampleInput::positive), {70}},
        {{"axes", int64_t{1}}}}},
      {"slice_scatter",
       {{{300, 70}, {150, 68}},
        {{"starts", Ints{0, 1}}, {"stops", Ints{300, 69}}, {"steps", Ints{2, 1}}}}},
      {"gather_elements",
       {{{70, 300}, SampleInput({90, 300}, SampleInput::integers, DType::i64, 70)}, {}}},
      {"scatter_elements",
       {{{70, 300}, SampleInput({90, 290}, SampleInput::integers, DType::i64, 70), {90, 290}},
        {{"reduce", std::string("add")}}}},
      {"index_update",
       {{{20, 70, 300}, SampleInput({90}, SampleInput::integers, DType::i32, 70), {20, 90, 300}},
        {{"axis", int64_t{1}}, {"mode", std::string("add")}}}},
      {"scatter_add",
       {{{50, 300}, SampleInput({50}, SampleInput::integers, DType::i64, 30)},
        {{"shape", Ints{30, 300}}}}},
  };
}

double relative_l2(const Array& got, const RefTensor& want) {
  double error = 0, norm = 0;
  for (int64_t i = 0; i < got.count(); ++i) {
    const double w = want.data[static_cast<size_t>(i)];
    error += (got.at(i) - w) * (got.at(i) - w);
    norm += w * w;
  }
  return std::sqrt(error / norm);
}

/// Winograd rounds in the transformed domain: errors follow the norm of the result. The additions'
/// part grows with the root of their number; the transforms, with entries up to 16, amplify it less
/// than 8 times.
double winograd_bound(const Case& c) {
  std::vector<ValueMeta> in;
  for (const Array& a : c.in) in.push_back({a.shape(), a.dtype()});
  const double terms =
      c.op->cost()(in, c.out, *c.attrs).flops / 2 / static_cast<double>(c.out[0].shape.count());
  return 8 * 0x1p-24 * std::sqrt(terms + 8);
}

TEST(LargeKernels, AgreeWithTheReferenceAndDoNotDependOnThreads) {
  kernels();
  for (const Large& large : large_samples()) {
    for (const bool wide : {false, true}) {
      Case c(OpRegistry::instance().get(large.op), large.sample, wide);
      c.compute_reference();
      for_each_placement(c, [&](const auto& entry, const auto& placement,
                                const std::string& where) {
        set_threads(2);
        const auto two = testing::run_entry(entry, c, placement);
        set_threads(1);
        const auto one = testing::run_entry(entry, c, placement);
        EXPECT_TRUE(two.guards_intact && one.guards_intact) << where << ": wrote past its memory";
        for (size_t i = 0; i < c.out.size(); ++i) {
          // Sums of up to 20000 terms of size one.
          if (entry.name.ends_with(":winograd"))
            EXPECT_LT(relative_l2(two.out[i], c.expected[i]), winograd_bound(c))
                << where << ", output " << i;
          else
            EXPECT_EQ(difference(two.out[i], c.expected[i], 512), "") << where << ", output " << i;
          EXPECT_EQ(std::memcmp(one.out[i].raw(), two.out[i].raw(), one.out[i].bytes()), 0)
              << where << ", output " << i << ": one thread and two differ";
        }
      });
    }
  }
  set_threads(2);
}

int64_t allocated_before = 0, allocated_during = 0;

TEST(EveryKernel, AllocatesNoMemoryForDataWhenRunAgain) {
  set_threads(2);
  kernels();
  for (const Large& large : large_samples()) {
    const Case c(OpRegistry::instance().get(large.op), large.sample, false);
    for_each_placement(c, [&](const auto& entry, const auto& placement, const std::string& where) {
      testing::run_entry(
          entry, c, placement, {}, 2, [] { allocated_before = allocated.load(); },
          [] { allocated_during = allocated.load() - allocated_before; });
      // Lists of tiles and library arguments are made anew; data never are.
      const bool lists = entry.name.find(":nblock") != std::string::npos ||
                         entry.name.find(":winograd") != std::string::npos ||
                         entry.name.find(":onednn") != std::string::npos ||
                         entry.name.find(":c16") != std::string::npos;
      EXPECT_LE(allocated_during, lists ? 32768 : 0) << where;
    });
  }
}

TEST(EveryKernel, OpsOfTheCatalogueHaveEntriesAndEntriesHaveOps) {
  std::set<std::string> known;
  kernels();
  for (const auto& op : OpRegistry::instance().all()) known.insert(op->name());
  for (const auto& entry : kernels().all())
    if (entry.op != "reorder" && entry.op != "fma") {
      EXPECT_TRUE(known.count(entry.op)) << entry.name << " computes an op that does not exist";
    }
}

}  // namespace
}  // namespace trivium
