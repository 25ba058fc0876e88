// The sweep after convolutions, vectorised for each SIMD level.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "trivium/engine/backends/cpu/finish.cc"
#include "hwy/foreach_target.h"
//
#include "hwy/highway.h"

#include "trivium/engine/backends/cpu/finish.h"

HWY_BEFORE_NAMESPACE();
namespace trivium::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// kAdd, kLimit: what is to be done.
template <bool kAdd, bool kLimit>
void sweep(float low, float high, float* y, const float* addend, int64_t count) {
  const hn::ScalableTag<float> d;
  const auto bottom = hn::Set(d, low), top = hn::Set(d, high);
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    auto v = hn::LoadU(d, y + i);
    if constexpr (kAdd) v = hn::Add(v, hn::LoadU(d, addend + i));
    if constexpr (kLimit) {  // comparisons with NaN are false: it stays
      v = hn::IfThenElse(hn::Le(v, bottom), bottom, v);
      v = hn::IfThenElse(hn::Ge(v, top), top, v);
    }
    hn::StoreU(v, d, y + i);
  }
  for (; i < count; ++i) {
    float v = y[i];
    if constexpr (kAdd) v += addend[i];
    if constexpr (kLimit) v = v <= low ? low : v >= high ? high : v;
    y[i] = v;
  }
}

void finish_floats(const Finish& f, float* y, const float* addend, int64_t count) {
  const float low = static_cast<float>(f.low), high = static_cast<float>(f.high);
  if (f.addend && f.limits)
    sweep<true, true>(low, high, y, addend, count);
  else if (f.addend)
    sweep<true, false>(low, high, y, addend, count);
  else if (f.limits)
    sweep<false, true>(low, high, y, addend, count);
}

/// dy where y > 0, else 0.
void mask_floats(const float* dy, const float* y, float* out, int64_t count) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes)
    hn::StoreU(hn::IfThenElseZero(hn::Gt(hn::LoadU(d, y + i), hn::Zero(d)), hn::LoadU(d, dy + i)),
               d, out + i);
  for (; i < count; ++i) out[i] = y[i] > 0 ? dy[i] : 0;
}

}  // namespace trivium::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trivium::cpu {

HWY_EXPORT(finish_floats);
HWY_EXPORT(mask_floats);

Finish finish_of(const KernelRequest& r) {
  Finish f;
  if (r.op != "conv" && r.op != "batch_norm") return f;
  f.addend = r.in.size() > 3;
  const std::string activation =
      r.attrs->has("activation") ? r.attrs->string("activation") : "none";
  f.limits = activation == "relu" || activation == "clip";
  if (activation == "clip")
    f.low = real_or(*r.attrs, "low", 0), f.high = real_or(*r.attrs, "high", 0);
  return f;
}

void finish(const Finish& f, float* y, const float* addend, int64_t count) {
  HWY_DYNAMIC_DISPATCH(finish_floats)(f, y, addend, count);
}

void finish(const Finish& f, double* y, const double* addend, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    double v = f.addend ? y[i] + addend[i] : y[i];
    if (f.limits) v = v <= f.low ? f.low : v >= f.high ? f.high : v;
    y[i] = v;
  }
}

namespace {

/// The request of the same convolution without an addend and with no activation.
struct Plain {
  KernelRequest request;
  Attrs attrs;
  explicit Plain(const KernelRequest& r) : request(r), attrs(*r.attrs) {
    if (r.in.size() > 3) request.in.resize(3);
    attrs.set("activation", std::string("none"));
    request.attrs = &attrs;
  }
};

/// What the inner kernels cannot do themselves: convolutions know relu.
bool beyond_relu(const KernelRequest& r) {
  const Finish f = finish_of(r);
  return f.addend || (f.limits && (r.op != "conv" || !wants_relu(*r.attrs)));
}

struct Finished {
  Kernel inner;
  Finish last;
  DType dtype;
  int64_t count;
  void run(const KernelArgs& args) const {
    inner.fn({args.in, args.out, args.scratch, inner.state.get()});
    dtype == DType::f64 ? sweep<double>(args) : sweep<float>(args);
  }
  template <typename T>
  void sweep(const KernelArgs& args) const {
    T* y = output<T>(args);
    const T* addend = last.addend ? input<T>(args, 3) : nullptr;
    parallel_for(count, kGrain, [&](int64_t begin, int64_t end) {
      finish(last, y + begin, addend ? addend + begin : nullptr, end - begin);
    });
  }
};

}  // namespace

namespace {

/// The request of the same gradient for a dy that has passed the relu.
KernelRequest without_mask(const KernelRequest& r) {
  KernelRequest plain = r;
  if (plain.in.size() > 5) plain.in.resize(5);
  return plain;
}

void mask_part(const float* dy, const float* y, float* out, int64_t count) {
  HWY_DYNAMIC_DISPATCH(mask_floats)(dy, y, out, count);
}
void mask_part(const double* dy, const double* y, double* out, int64_t count) {
  for (int64_t i = 0; i < count; ++i) out[i] = y[i] > 0 ? dy[i] : 0;
}

/// The gradient of a relu, written to where the gradient of the normalisation will be.
struct Masked {
  Kernel inner;
  DType dtype;
  int64_t count;
  void run(const KernelArgs& args) const {
    dtype == DType::f64 ? mask<double>(args) : mask<float>(args);
    const void* in[] = {args.out[0], args.in[1], args.in[2], args.in[3], args.in[4]};
    inner.fn({in, args.out, args.scratch, inner.state.get()});
  }
  template <typename T>
  void mask(const KernelArgs& args) const {
    const T *dy = input<T>(args, 0), *y = input<T>(args, 5);
    T* out = output<T>(args);
    parallel_for(count, kGrain, [&](int64_t begin, int64_t end) {
      mask_part(dy + begin, y + begin, out + begin, end - begin);
    });
  }
};

}  // namespace

KernelEntry with_mask(KernelEntry entry) {
  KernelEntry out = entry;
  out.place = [place = entry.place](const KernelRequest& r, Format family,
                                    std::string& reason) -> std::optional<Placement> {
    auto p = place(without_mask(r), family, reason);
    if (p && r.in.size() > 5) p->in.push_back(p->in[0]);
    return p;
  };
  out.build = [build = entry.build](const KernelRequest& r) {
    if (r.in.size() < 6) return build(r);
    Masked state{build(without_mask(r)), r.out[0].dtype, 0};
    state.count = static_cast<int64_t>(r.out[0].bytes() / size_of(r.out[0].dtype));
    const size_t scratch = state.inner.scratch_bytes;
    const std::string name = state.inner.name;
    return kernel_of(name, std::move(state), scratch);
  };
  return out;
}

KernelEntry with_finish(KernelEntry entry) {
  KernelEntry out = entry;
  out.place = [place = entry.place](const KernelRequest& r, Format family,
                                    std::string& reason) -> std::optional<Placement> {
    if (!beyond_relu(r)) return place(r, family, reason);
    const Plain plain(r);
    auto p = place(plain.request, family, reason);
    if (!p) return p;
    if (r.in.size() > 3) p->in.push_back(p->out[0]);
    p->microseconds += operand_bytes(plain.request) / (machine().gbytes_per_second * 1e3);
    return p;
  };
  out.build = [build = entry.build](const KernelRequest& r) {
    if (!beyond_relu(r)) return build(r);
    const Plain plain(r);
    Finished state{build(plain.request), finish_of(r), r.out[0].dtype, 0};
    state.count = static_cast<int64_t>(r.out[0].bytes() / size_of(r.out[0].dtype));
    const size_t scratch = state.inner.scratch_bytes;
    const std::string name = state.inner.name;
    return kernel_of(name, std::move(state), scratch);
  };
  return out;
}

}  // namespace trivium::cpu
#endif
