// Programs of oneDNN primitives over numbered memory slots. A program is built once; a run takes a
// set of memory handles from a pool, points them at the operands and executes. Major versions
// differ only in `describe`.
#include "trivium/engine/backends/cpu/onednn.h"

#include <omp.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <utility>
#include <vector>

#include "trivium/engine/backends/cpu/onednn_internal.h"
#include "trivium/engine/core/error.h"
#include "trivium/engine/core/parallel.h"

namespace trivium::cpu::onednn {
namespace {

using dnnl::memory;
using Dims = memory::dims;

size_t rounded(size_t bytes) { return (bytes + 63) / 64 * 64; }

/// Primitives over slots. Slots 0..3 are the caller's operands, the others lie in scratch.
class Program {
 public:
  enum User { kA, kB, kBias, kOut, kUsers };

  int user(User which, const memory::desc& md) {
    slots_.push_back({md, which, 0});
    return static_cast<int>(slots_.size()) - 1;
  }
  int scratch(const memory::desc& md) {
    slots_.push_back({md, -1, scratch_bytes_});
    scratch_bytes_ += rounded(md.get_size());
    return static_cast<int>(slots_.size()) - 1;
  }
  /// `from` itself when its format is `wanted`, else a scratch copy made by a reorder.
  int converted(int from, const memory::desc& wanted) {
    if (slots_[from].md == wanted) return from;
    const int to = scratch(wanted);
    reorder(from, to);
    return to;
  }
  void reorder(int from, int to) {
    dnnl::primitive_attr attr;
    attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    const dnnl::reorder::primitive_desc pd(engine(), slots_[from].md, engine(), slots_[to].md,
                                           attr);
    add(dnnl::reorder(pd), pd.scratchpad_desc(), {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}});
  }
  void add(dnnl::primitive primitive, const memory::desc& scratchpad,
           std::vector<std::pair<int, int>> args) {
    if (scratchpad.get_size() > 0) args.emplace_back(DNNL_ARG_SCRATCHPAD, scratch(scratchpad));
    calls_.push_back({std::move(primitive), std::move(args)});
  }
  const memory::desc& md(int slot) const { return slots_[slot].md; }
  size_t scratch_bytes() const { return scratch_bytes_; }

  void run(const std::array<const void*, kUsers>& user, void* scratch) const {
    std::unique_ptr<Context> context = take();
    for (size_t i = 0; i < slots_.size(); ++i) {
      const Slot& slot = slots_[i];
      void* at = slot.user >= 0 ? const_cast<void*>(user[slot.user])
                                : static_cast<char*>(scratch) + slot.offset;
      context->memories[i].set_data_handle(at);
    }
    for (size_t i = 0; i < calls_.size(); ++i) {
      const auto& args = context->args[i];
      const dnnl_status_t status = dnnl_primitive_execute(
          calls_[i].primitive.get(), stream().get(), static_cast<int>(args.size()), args.data());
      if (status != dnnl_success)
        internal_error("oneDNN returned status {} when run", static_cast<int>(status));
    }
    give(std::move(context));
  }

 private:
  struct Slot {
    memory::desc md;
    int user;
    size_t offset;
  };
  struct Call {
    dnnl::primitive primitive;
    std::vector<std::pair<int, int>> args;  // (library's argument number, slot)
  };
  /// Memory handles of one run in progress.
  struct Context {
    std::vector<memory> memories;
    std::vector<std::vector<dnnl_exec_arg_t>> args;
  };

  std::unique_ptr<Context> take() const {
    {
      std::lock_guard<std::mutex> hold(lock_);
      if (!free_.empty()) {
        auto context = std::move(free_.back());
        free_.pop_back();
        return context;
      }
    }
    auto context = std::make_unique<Context>();
    for (const Slot& slot : slots_) context->memories.emplace_back(slot.md, engine(), nullptr);
    for (const Call& call : calls_) {
      auto& args = context->args.emplace_back();
      for (const auto& [number, slot] : call.args)
        args.push_back({number, context->memories[slot].get()});
    }
    return context;
  }
  void give(std::unique_ptr<Context> context) const {
    std::lock_guard<std::mutex> hold(lock_);
    free_.push_back(std::move(context));
  }

  std::vector<Slot> slots_;
  std::vector<Call> calls_;
  size_t scratch_bytes_ = 0;
  mutable std::mutex lock_;  // guards free_
  mutable std::vector<std::unique_ptr<Context>> free_;
};

struct Geometry {
  Dims x, w, bias, y, strides, dilates, begin, end;
  bool grouped;
};

Geometry geometry_of(const ConvSizes& s, int64_t n) {
  Geometry g;
  g.x = {n, s.c, s.h, s.w};
  g.y = {n, s.o, s.oh, s.ow};
  g.bias = {s.o};
  g.grouped = s.groups > 1;
  if (g.grouped)
    g.w = {s.groups, s.o / s.groups, s.c / s.groups, s.kh, s.kw};
  else
    g.w = {s.o, s.c, s.kh, s.kw};
  g.strides = {s.stride_h, s.stride_w};
  g.dilates = {s.dilation_h - 1, s.dilation_w - 1};
  g.begin = {s.pad_top, s.pad_left};
  // The end pads that reach the last window and no further.
  const auto end = [](int64_t in, int64_t out, int64_t k, int64_t stride, int64_t dilation,
                      int64_t begin) {
    return std::max<int64_t>(0, (out - 1) * stride + dilation * (k - 1) + 1 - in - begin);
  };
  g.end = {end(s.h, s.oh, s.kh, s.stride_h, s.dilation_h, s.pad_top),
           end(s.w, s.ow, s.kw, s.stride_w, s.dilation_w, s.pad_left)};
  return g;
}

memory::desc any(const Dims& dims) {
  return {dims, memory::data_type::f32, memory::format_tag::any};
}
memory::desc plain(const Dims& dims) {
  static constexpr memory::format_tag kTags[] = {
      memory::format_tag::undef, memory::format_tag::a,    memory::format_tag::ab,
      memory::format_tag::abc,   memory::format_tag::abcd, memory::format_tag::abcde};
  return {dims, memory::data_type::f32, kTags[dims.size()]};
}

dnnl::primitive_attr attributes() {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attr;
}

using Forward = dnnl::convolution_forward;
using BackwardData = dnnl::convolution_backward_data;
using BackwardWeights = dnnl::convolution_backward_weights;
constexpr auto kDirect = dnnl::algorithm::convolution_direct;

Forward::primitive_desc describe_forward(const Geometry& g, bool bias, bool training) {
  const auto kind =
      training ? dnnl::prop_kind::forward_training : dnnl::prop_kind::forward_inference;
  const memory::desc b = bias ? any(g.bias) : memory::desc();
#if DNNL_VERSION_MAJOR >= 3
  return {engine(), kind,      kDirect,   any(g.x), any(g.w), b,
          any(g.y), g.strides, g.dilates, g.begin,  g.end,    attributes()};
#else
  const Forward::desc d(kind, kDirect, any(g.x), any(g.w), b, any(g.y), g.strides, g.dilates,
                        g.begin, g.end);
  return {d, attributes(), engine()};
#endif
}

BackwardData::primitive_desc describe_data(const Geometry& g) {
  const auto hint = describe_forward(g, false, true);
#if DNNL_VERSION_MAJOR >= 3
  return {engine(),  kDirect, any(g.x), any(g.w), any(g.y),    g.strides,
          g.dilates, g.begin, g.end,    hint,     attributes()};
#else
  const BackwardData::desc d(kDirect, any(g.x), any(g.w), any(g.y), g.strides, g.dilates, g.begin,
                             g.end);
  return {d, attributes(), engine(), hint};
#endif
}

BackwardWeights::primitive_desc describe_weights(const Geometry& g) {
  const auto hint = describe_forward(g, false, true);
#if DNNL_VERSION_MAJOR >= 3
  return {engine(),  kDirect, any(g.x), any(g.w), any(g.y),    g.strides,
          g.dilates, g.begin, g.end,    hint,     attributes()};
#else
  const BackwardWeights::desc d(kDirect, any(g.x), any(g.w), any(g.y), g.strides, g.dilates,
                                g.begin, g.end);
  return {d, attributes(), engine(), hint};
#endif
}

/// The program of one pass over `n` images.
std::unique_ptr<Program> program_of(Pass pass, const ConvSizes& sizes, int64_t n, bool bias) {
  auto p = std::make_unique<Program>();
  const Geometry g = geometry_of(sizes, n);
  const auto finish = [&](const memory::desc& produced, const Dims& dims, auto&& call) {
    const int out = p->user(Program::kOut, plain(dims));
    const int target = produced == plain(dims) ? out : p->scratch(produced);
    call(target);
    if (target != out) p->reorder(target, out);
  };
  if (pass == Pass::forward) {
    const auto pd = describe_forward(g, bias, false);
    const int x = p->converted(p->user(Program::kA, plain(g.x)), pd.src_desc());
    const int w = p->converted(p->user(Program::kB, plain(g.w)), pd.weights_desc());
    std::vector<std::pair<int, int>> args{{DNNL_ARG_SRC, x}, {DNNL_ARG_WEIGHTS, w}};
    if (bias) args.emplace_back(DNNL_ARG_BIAS, p->user(Program::kBias, pd.bias_desc()));
    finish(pd.dst_desc(), g.y, [&](int y) {
      args.emplace_back(DNNL_ARG_DST, y);
      p->add(Forward(pd), pd.scratchpad_desc(), args);
    });
  } else if (pass == Pass::backward_data) {
    const auto pd = describe_data(g);
    const int dy = p->converted(p->user(Program::kA, plain(g.y)), pd.diff_dst_desc());
    const int w = p->converted(p->user(Program::kB, plain(g.w)), pd.weights_desc());
    finish(pd.diff_src_desc(), g.x, [&](int dx) {
      p->add(BackwardData(pd), pd.scratchpad_desc(),
             {{DNNL_ARG_DIFF_DST, dy}, {DNNL_ARG_WEIGHTS, w}, {DNNL_ARG_DIFF_SRC, dx}});
    });
  } else {
    const auto pd = describe_weights(g);
    const int x = p->converted(p->user(Program::kA, plain(g.x)), pd.src_desc());
    const int dy = p->converted(p->user(Program::kB, plain(g.y)), pd.diff_dst_desc());
    finish(pd.diff_weights_desc(), g.w, [&](int dw) {
      p->add(BackwardWeights(pd), pd.scratchpad_desc(),
             {{DNNL_ARG_SRC, x}, {DNNL_ARG_DIFF_DST, dy}, {DNNL_ARG_DIFF_WEIGHTS, dw}});
    });
  }
  return p;
}

/// Forward and backward data: every output has one owner, so the library may use the whole team.
class WholeConv final : public Conv {
 public:
  /// The first `rectified` elements of the result go through relu: a sweep of our own, because the
  /// library's turns NaN into 0.
  WholeConv(std::unique_ptr<Program> program, int64_t rectified)
      : program_(std::move(program)), rectified_(rectified) {}
  size_t scratch_bytes() const override { return program_->scratch_bytes(); }
  void run(const float* a, const float* b, const float* bias, float* out,
           void* scratch) const override {
    program_->run({a, b, bias, out}, scratch);
    parallel_for(rectified_, 16384, [out](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) out[i] = out[i] <= 0 ? 0 : out[i];
    });
  }

 private:
  std::unique_ptr<Program> program_;
  int64_t rectified_;
};

/// Backward weights: chunks of the batch on one thread each, then partial sums added in order.
class ChunkedWeights final : public Conv {
 public:
  explicit ChunkedWeights(const ConvSizes& s) : sizes_(s) {
    weights_ = s.o * (s.c / s.groups) * s.kh * s.kw;
    constexpr int64_t kMostChunks = 8, kPartialBytes = 32 << 20;
    const int64_t affordable = std::max<int64_t>(2, kPartialBytes / (weights_ * 4));
    chunks_ = std::min({s.n, kMostChunks, affordable});
    const LibraryThread one;
    for (const int64_t n : {s.n / chunks_, s.n / chunks_ + 1})  // chunk sizes differ by one at most
      programs_.push_back(n > s.n ? nullptr : program_of(Pass::backward_weights, s, n, false));
    for (const auto& p : programs_)
      if (p) chunk_scratch_ = std::max(chunk_scratch_, p->scratch_bytes());
    partial_bytes_ = rounded(static_cast<size_t>(weights_) * sizeof(float));
  }
  size_t scratch_bytes() const override {
    return (chunk_scratch_ + partial_bytes_) * static_cast<size_t>(chunks_);
  }
  void run(const float* x, const float* dy, const float*, float* dw, void* scratch) const override {
    char* const base = static_cast<char*>(scratch);
    const auto partial = [&](int64_t chunk) {
      return reinterpret_cast<float*>(base + static_cast<size_t>(chunk) * partial_bytes_);
    };
    parallel_chunks(chunks_, [&](int64_t i) {
      const LibraryThread one;
      const int64_t begin = sizes_.n * i / chunks_, count = sizes_.n * (i + 1) / chunks_ - begin;
      char* own = base + partial_bytes_ * static_cast<size_t>(chunks_) +
                  static_cast<size_t>(i) * chunk_scratch_;
      programs_[count - sizes_.n / chunks_]->run(
          {x + begin * sizes_.c * sizes_.h * sizes_.w,
           dy + begin * sizes_.o * sizes_.oh * sizes_.ow, nullptr, chunks_ == 1 ? dw : partial(i)},
          own);
    });
    if (chunks_ == 1) return;
    parallel_for(weights_, 16384, [&](int64_t begin, int64_t end) {
      std::copy(partial(0) + begin, partial(0) + end, dw + begin);
      for (int64_t c = 1; c < chunks_; ++c) {
        const float* p = partial(c);
        for (int64_t i = begin; i < end; ++i) dw[i] += p[i];
      }
    });
  }

 private:
  ConvSizes sizes_;
  int64_t weights_ = 0, chunks_ = 1;
  size_t chunk_scratch_ = 0, partial_bytes_ = 0;
  std::vector<std::unique_ptr<Program>> programs_;
};

}  // namespace

LibraryThread::LibraryThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
LibraryThread::~LibraryThread() { omp_set_num_threads(before_); }

std::string Conv::declines(Pass pass, const ConvSizes& s, bool bias) {
  if (s.n < 1 || s.c < 1 || s.o < 1 || s.oh < 1 || s.ow < 1 || s.h < 1 || s.w < 1)
    return "an operand is empty";
  try {
    const Geometry g = geometry_of(s, s.n);
    if (pass == Pass::forward)
      describe_forward(g, bias, false);
    else if (pass == Pass::backward_data)
      describe_data(g);
    else
      describe_weights(g);
    return "";
  } catch (const dnnl::error& e) {
    return fmt::format("oneDNN: {}", e.what());
  }
}

std::shared_ptr<const Conv> Conv::make(Pass pass, const ConvSizes& sizes, bool bias, bool relu) {
  try {
    if (pass == Pass::backward_weights) return std::make_shared<ChunkedWeights>(sizes);
    return std::make_shared<WholeConv>(program_of(pass, sizes, sizes.n, bias),
                                       relu ? sizes.n * sizes.o * sizes.oh * sizes.ow : 0);
  } catch (const dnnl::error& e) {
    internal_error("oneDNN declined a convolution it had accepted: {}", e.what());
  }
}

}  // namespace trivium::cpu::onednn
