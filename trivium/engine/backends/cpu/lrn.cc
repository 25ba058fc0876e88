// lrn and lrn_grad: plain [n, channels, inner] in float32 and float64, and batch-blocked float32.
#include "trivium/engine/backends/cpu/nblock_pool.h"
#include "trivium/engine/backends/cpu/support.h"
#include "trivium/engine/ops/geometry.h"

namespace trivium::cpu {
namespace {

constexpr int64_t kTile = 64;  // positions handled side by side

template <typename T>
struct PlainLrn {
  ops::AxisView view;
  int64_t half;
  T alpha_over_size, beta, k;
  bool gradient;

  /// s^-exponent; the exponents of the papers need square roots only.
  static void power(const T* s, int64_t n, T exponent, T* out) {
    if (exponent == T(0.75)) {
      for (int64_t i = 0; i < n; ++i)
        out[i] = T(1) / (std::sqrt(s[i]) * std::sqrt(std::sqrt(s[i])));
    } else if (exponent == T(0.5)) {
      for (int64_t i = 0; i < n; ++i) out[i] = T(1) / std::sqrt(s[i]);
    } else if (exponent == T(1)) {
      for (int64_t i = 0; i < n; ++i) out[i] = T(1) / s[i];
    } else {
      for (int64_t i = 0; i < n; ++i) out[i] = std::pow(s[i], -exponent);
    }
  }
  /// s of channel c for n positions; x points at channel 0.
  void scale(const T* x, int64_t c, int64_t n, T* s) const {
    T sum[kTile] = {};
    const int64_t last = std::min(c + half, view.size - 1);
    for (int64_t d = std::max<int64_t>(c - half, 0); d <= last; ++d) {
      const T* row = x + d * view.inner;
      for (int64_t i = 0; i < n; ++i) sum[i] += row[i] * row[i];
    }
    for (int64_t i = 0; i < n; ++i) s[i] = k + alpha_over_size * sum[i];
  }
  void forward(const T* x, T* y, int64_t n) const {
    T s[kTile], p[kTile];
    for (int64_t c = 0; c < view.size; ++c) {
      scale(x, c, n, s);
      power(s, n, beta, p);
      for (int64_t i = 0; i < n; ++i) y[c * view.inner + i] = x[c * view.inner + i] * p[i];
    }
  }
  /// `ratio` [channels, tile] first holds dy x s^(-beta-1), then dx adds its window sums.
  void backward(const T* dy, const T* x, T* dx, T* ratio, int64_t n) const {
    T s[kTile], p[kTile];
    for (int64_t c = 0; c < view.size; ++c) {
      scale(x, c, n, s);
      power(s, n, beta, p);
      for (int64_t i = 0; i < n; ++i) {
        const int64_t at = c * view.inner + i;
        ratio[c * kTile + i] = dy[at] * x[at] * p[i] / s[i];
        dx[at] = dy[at] * p[i];
      }
    }
    for (int64_t c = 0; c < view.size; ++c) {
      T pulled[kTile] = {};
      const int64_t last = std::min(c + half, view.size - 1);
      for (int64_t d = std::max<int64_t>(c - half, 0); d <= last; ++d)
        for (int64_t i = 0; i < n; ++i) pulled[i] += ratio[d * kTile + i];
      for (int64_t i = 0; i < n; ++i)
        dx[c * view.inner + i] -= 2 * alpha_over_size * beta * x[c * view.inner + i] * pulled[i];
    }
  }

  int64_t tiles() const { return view.outer * ceil_div(view.inner, kTile); }
  static constexpr int64_t kChunks = 64;
  size_t scratch_bytes() const {
    return gradient
               ? static_cast<size_t>(std::min(kChunks, tiles()) * view.size * kTile) * sizeof(T)
               : 0;
  }
  void run(const KernelArgs& a) const {
    const int64_t per_row = ceil_div(view.inner, kTile), count = tiles(),
                  chunks = std::min(kChunks, count);
    parallel_chunks(chunks, [&](int64_t chunk) {
      T* ratio = static_cast<T*>(a.scratch) + chunk * view.size * kTile;
      for (int64_t t = count * chunk / chunks; t < count * (chunk + 1) / chunks; ++t) {
        const int64_t first = t % per_row * kTile, n = std::min(kTile, view.inner - first);
        const int64_t at = t / per_row * view.size * view.inner + first;
        if (gradient)
          backward(input<T>(a, 0) + at, input<T>(a, 1) + at, output<T>(a) + at, ratio, n);
        else
          forward(input<T>(a, 0) + at, output<T>(a) + at, n);
      }
    });
  }
};

struct BlockedLrn {
  nblock::LrnShape shape;
  bool gradient;
  void run(const KernelArgs& a) const {
    if (gradient)
      nblock::lrn_backward(shape, input<float>(a, 1), input<float>(a, 0), output<float>(a));
    else
      nblock::lrn_forward(shape, input<float>(a, 0), output<float>(a));
  }
};

struct Numbers {
  int64_t size;
  double alpha, beta, k;
};
Numbers numbers_of(const Attrs& a) {
  return {int_or(a, "size", 5), real_or(a, "alpha", 1), real_or(a, "beta", 0.75),
          real_or(a, "k", 1)};
}

double flops_of(const KernelRequest& r) {
  return static_cast<double>(r.out[0].shape.count()) *
         static_cast<double>(3 * int_or(*r.attrs, "size", 5) + 20);
}

Kernel build_plain(const KernelRequest& r) {
  return visit_floating(r.in[0].dtype, [&](auto* t) {
    using T = Pointee<decltype(t)>;
    const Numbers n = numbers_of(*r.attrs);
    const PlainLrn<T> state{ops::view_axis(r.in[0].shape, 1),
                            n.size / 2,
                            static_cast<T>(n.alpha / static_cast<double>(n.size)),
                            static_cast<T>(n.beta),
                            static_cast<T>(n.k),
                            r.op == "lrn_grad"};
    return kernel_of(r.op + ":plain", state, state.scratch_bytes());
  });
}

std::optional<Placement> place_blocked(const KernelRequest& r, Format family, std::string& reason) {
  if (family.kind != Format::nblock)
    reason = "batch-blocked operands only";
  else if (r.in[0].dtype != DType::f32)
    reason = "computes in float32 only";
  else if (r.in[0].shape.rank() >= Shape::kMaxRank)
    reason = "too many axes";
  else if (has_empty(r))
    reason = "an operand is empty";
  if (!reason.empty()) return std::nullopt;
  Placement p = plain_placement(r, predict_us(r, flops_of(r), 0.25));
  p.in.assign(r.in.size(), family);
  p.out[0] = family;
  return p;
}

Kernel build_blocked(const KernelRequest& r) {
  const Numbers n = numbers_of(*r.attrs);
  nblock::LrnShape s;
  s.batch = r.in[0].shape[0], s.channels = r.in[0].shape[1], s.spatial = r.in[0].shape.count(2);
  s.size = n.size;
  s.alpha = static_cast<float>(n.alpha), s.beta = static_cast<float>(n.beta),
  s.k = static_cast<float>(n.k);
  s.lanes = r.in[0].format.lanes;
  return kernel_of(r.op + ":nblock", BlockedLrn{s, r.op == "lrn_grad"});
}

}  // namespace

void register_lrn(KernelTable& table) {
  for (const char* op : {"lrn", "lrn_grad"}) {
    const std::string name = op;
    table.add({name, name + ":nblock", place_blocked, build_blocked, {}});
    table.add({name, name + ":plain", place_plain(floating_only, flops_of, 0.05), build_plain, {}});
  }
}

}  // namespace trivium::cpu
