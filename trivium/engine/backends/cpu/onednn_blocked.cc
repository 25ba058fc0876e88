// Primitive descriptors with every format given, so that pieces of a layer agree about where their
// operands lie. A piece keeps the memory handles of runs in progress in a pool.
#include "trivium/engine/backends/cpu/onednn_blocked.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <vector>

#include "trivium/engine/backends/cpu/onednn_internal.h"
#include "trivium/engine/core/error.h"

namespace trivium::cpu::onednn {
namespace {

using dnnl::memory;
using Dims = memory::dims;
using Tag = memory::format_tag;

bool is_depthwise(const ConvSizes& s) { return s.groups > 1; }

Tag weight_tag(WeightBlocks blocks, int lanes) {
  const bool wide = lanes == 16;
  switch (blocks) {
    case WeightBlocks::inputs_outputs:
      return wide ? Tag::OIhw16i16o : Tag::OIhw8i8o;
    case WeightBlocks::outputs_inputs:
      return wide ? Tag::OIhw16o16i : Tag::OIhw8o8i;
    case WeightBlocks::inputs_first:
      return Tag::IOhw16o16i;
    case WeightBlocks::few_inputs:
      return wide ? Tag::Ohwi16o : Tag::Ohwi8o;
    case WeightBlocks::depthwise:
      return wide ? Tag::Goihw16g : Tag::Goihw8g;
  }
  internal_error("weights of layout {}", static_cast<int>(blocks));
}

struct Description {
  memory::desc x, w, bias, y;
  Dims strides, dilates, begin, end;
};

/// Padding behind the image that reaches the last window and no further.
int64_t end_pad(int64_t in, int64_t out, int64_t k, int64_t stride, int64_t dilation,
                int64_t begin) {
  return std::max<int64_t>(0, (out - 1) * stride + dilation * (k - 1) + 1 - in - begin);
}

Description describe(Pass pass, const BlockedSizes& sizes) {
  const ConvSizes& s = sizes.conv;
  const WeightBlocks blocks = weight_blocks(pass, sizes);
  const Tag data = sizes.lanes == 16 ? Tag::nChw16c : Tag::nChw8c;
  const auto f32 = memory::data_type::f32;
  const Dims w = is_depthwise(s) ? Dims{s.groups, 1, 1, s.kh, s.kw} : Dims{s.o, s.c, s.kh, s.kw};
  Description d;
  d.x = {{s.n, s.c, s.h, s.w}, f32, blocks == WeightBlocks::few_inputs ? Tag::nchw : data};
  d.w = {w, f32, weight_tag(blocks, sizes.lanes)};
  d.y = {{s.n, s.o, s.oh, s.ow}, f32, data};
  if (sizes.bias) d.bias = {{s.o}, f32, Tag::a};
  d.strides = {s.stride_h, s.stride_w};
  d.dilates = {s.dilation_h - 1, s.dilation_w - 1};
  d.begin = {s.pad_top, s.pad_left};
  d.end = {end_pad(s.h, s.oh, s.kh, s.stride_h, s.dilation_h, s.pad_top),
           end_pad(s.w, s.ow, s.kw, s.stride_w, s.dilation_w, s.pad_left)};
  return d;
}

using Forward = dnnl::convolution_forward;
using BackwardData = dnnl::convolution_backward_data;
using BackwardWeights = dnnl::convolution_backward_weights;
constexpr auto kDirect = dnnl::algorithm::convolution_direct;

dnnl::primitive_attr attributes() {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attr;
}

Forward::primitive_desc describe_forward(const Description& d) {
  const auto kind = dnnl::prop_kind::forward_training;
#if DNNL_VERSION_MAJOR >= 3
  return {engine(), kind,      kDirect,   d.x,     d.w,   d.bias,
          d.y,      d.strides, d.dilates, d.begin, d.end, attributes()};
#else
  return {{kind, kDirect, d.x, d.w, d.bias, d.y, d.strides, d.dilates, d.begin, d.end},
          attributes(),
          engine()};
#endif
}

/// The backward passes ask for a forward one; any that exists will do.
Forward::primitive_desc hint_for(Description d) {
  const auto any = [](const memory::desc& md, const Dims& dims) {
    (void)md;
    return memory::desc(dims, memory::data_type::f32, Tag::any);
  };
#if DNNL_VERSION_MAJOR >= 3
  d.x = any(d.x, d.x.get_dims()), d.w = any(d.w, d.w.get_dims()), d.y = any(d.y, d.y.get_dims());
#else
  d.x = any(d.x, d.x.dims()), d.w = any(d.w, d.w.dims()), d.y = any(d.y, d.y.dims());
#endif
  d.bias = {};
  return describe_forward(d);
}

BackwardData::primitive_desc describe_data(const Description& d) {
#if DNNL_VERSION_MAJOR >= 3
  return {engine(),  kDirect, d.x,   d.w,         d.y,         d.strides,
          d.dilates, d.begin, d.end, hint_for(d), attributes()};
#else
  return {{kDirect, d.x, d.w, d.y, d.strides, d.dilates, d.begin, d.end},
          attributes(),
          engine(),
          hint_for(d)};
#endif
}

BackwardWeights::primitive_desc describe_weights(const Description& d) {
#if DNNL_VERSION_MAJOR >= 3
  return {engine(),  kDirect, d.x,   d.w,         d.y,         d.strides,
          d.dilates, d.begin, d.end, hint_for(d), attributes()};
#else
  return {{kDirect, d.x, d.w, d.y, d.strides, d.dilates, d.begin, d.end},
          attributes(),
          engine(),
          hint_for(d)};
#endif
}

class Piece final : public BlockedConv {
 public:
  using Handles = std::array<std::pair<int, memory::desc>, 4>;  // of a, b, bias, out

  Piece(dnnl::primitive primitive, Handles handles, const memory::desc& scratchpad)
      : primitive_(std::move(primitive)),
        handles_(std::move(handles)),
        scratchpad_(scratchpad),
        scratch_bytes_(scratchpad.get_size()) {}

  size_t scratch_bytes() const override { return scratch_bytes_; }

  void run(const float* a, const float* b, const float* bias, float* out,
           void* scratch) const override {
    std::unique_ptr<Context> context = take();
    const std::array<const void*, 5> at{a, b, bias, out, scratch};
    for (size_t i = 0; i < at.size(); ++i)
      if (context->memories[i]) context->memories[i].set_data_handle(const_cast<void*>(at[i]));
    const dnnl_status_t status =
        dnnl_primitive_execute(primitive_.get(), stream().get(),
                               static_cast<int>(context->args.size()), context->args.data());
    if (status != dnnl_success)
      internal_error("oneDNN returned status {} when run", static_cast<int>(status));
    give(std::move(context));
  }

 private:
  struct Context {
    std::array<memory, 5> memories;
    std::vector<dnnl_exec_arg_t> args;
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
    const auto add = [&](size_t i, int number, const memory::desc& md) {
      if (md.get_size() == 0) return;
      context->memories[i] = memory(md, engine(), nullptr);
      context->args.push_back({number, context->memories[i].get()});
    };
    for (size_t i = 0; i < handles_.size(); ++i) add(i, handles_[i].first, handles_[i].second);
    add(4, DNNL_ARG_SCRATCHPAD, scratchpad_);
    return context;
  }
  void give(std::unique_ptr<Context> context) const {
    std::lock_guard<std::mutex> hold(lock_);
    free_.push_back(std::move(context));
  }

  dnnl::primitive primitive_;
  Handles handles_;
  memory::desc scratchpad_;
  size_t scratch_bytes_;
  mutable std::mutex lock_;  // guards free_
  mutable std::vector<std::unique_ptr<Context>> free_;
};

/// Vector code or nothing: the library's reference loops are thousands of times slower.
template <typename Descriptor>
bool is_fast(const Descriptor& pd) {
  const std::string name = pd.impl_info_str();
  return name.starts_with("jit") || name.starts_with("brg");
}

/// Calls `use(descriptor)` with the descriptor of the pass; a reason when there is none.
template <typename Use>
std::string with_descriptor(Pass pass, const Description& d, const Use& use) {
  try {
    const LibraryThread one;
    const auto offer = [&](const auto& pd) -> std::string {
      if (!is_fast(pd)) return fmt::format("oneDNN has {} only", pd.impl_info_str());
      use(pd);
      return "";
    };
    switch (pass) {
      case Pass::forward:
        return offer(describe_forward(d));
      case Pass::backward_data:
        return offer(describe_data(d));
      case Pass::backward_weights:
        return offer(describe_weights(d));
    }
  } catch (const dnnl::error& e) {
    return fmt::format("oneDNN: {}", e.what());
  }
  return "no such pass";
}

template <typename Descriptor>
std::shared_ptr<const BlockedConv> piece_of(const Descriptor& pd, const Description& d) {
  const memory::desc none;
  if constexpr (std::is_same_v<Descriptor, Forward::primitive_desc>)
    return std::make_shared<Piece>(Forward(pd),
                                   Piece::Handles{{{DNNL_ARG_SRC, d.x},
                                                   {DNNL_ARG_WEIGHTS, d.w},
                                                   {DNNL_ARG_BIAS, d.bias},
                                                   {DNNL_ARG_DST, d.y}}},
                                   pd.scratchpad_desc());
  else if constexpr (std::is_same_v<Descriptor, BackwardData::primitive_desc>)
    return std::make_shared<Piece>(BackwardData(pd),
                                   Piece::Handles{{{DNNL_ARG_DIFF_DST, d.y},
                                                   {DNNL_ARG_WEIGHTS, d.w},
                                                   {0, none},
                                                   {DNNL_ARG_DIFF_SRC, d.x}}},
                                   pd.scratchpad_desc());
  else
    return std::make_shared<Piece>(BackwardWeights(pd),
                                   Piece::Handles{{{DNNL_ARG_SRC, d.x},
                                                   {DNNL_ARG_DIFF_DST, d.y},
                                                   {0, none},
                                                   {DNNL_ARG_DIFF_WEIGHTS, d.w}}},
                                   pd.scratchpad_desc());
}

}  // namespace

WeightBlocks weight_blocks(Pass pass, const BlockedSizes& sizes) {
  const ConvSizes& s = sizes.conv;
  if (is_depthwise(s)) return WeightBlocks::depthwise;
  if (pass == Pass::backward_data)
    return s.kh == 1 && s.kw == 1 && sizes.lanes == 16 ? WeightBlocks::inputs_first
                                                       : WeightBlocks::outputs_inputs;
  return s.c == 1 || s.c == 3 ? WeightBlocks::few_inputs : WeightBlocks::inputs_outputs;
}

std::string BlockedConv::declines(Pass pass, const BlockedSizes& sizes) {
  return with_descriptor(pass, describe(pass, sizes), [](const auto&) {});
}

std::shared_ptr<const BlockedConv> BlockedConv::make(Pass pass, const BlockedSizes& sizes,
                                                     std::string& reason) {
  std::shared_ptr<const BlockedConv> made;
  const Description d = describe(pass, sizes);
  reason = with_descriptor(pass, d, [&](const auto& pd) { made = piece_of(pd, d); });
  return made;
}

}  // namespace trivium::cpu::onednn
