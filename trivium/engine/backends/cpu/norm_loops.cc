// Two sums a channel, each gathered in float32 for at most 64 steps and then in double. Where
// channels are many, one work item does all passes of its channel while the data are in cache;
// where they are few, the outer axis is split as well and the parts are added in order.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "trivium/engine/backends/cpu/norm_loops.cc"
#include "hwy/foreach_target.h"
//
#include "hwy/highway.h"

#include <algorithm>
#include <cmath>

#include "trivium/engine/backends/cpu/norm_loops.h"
#include "trivium/engine/core/parallel.h"

HWY_BEFORE_NAMESPACE();
namespace trivium::cpu::HWY_NAMESPACE {

constexpr int64_t kWide = 64, kFlush = 64;

struct Sums {
  double first = 0, second = 0;
};

/// 64 pairs of running sums, carried from row to row.
template <typename T>
struct Running {
  T run_first[kWide] = {}, run_second[kWide] = {};
  double first[kWide] = {}, second[kWide] = {};
  int64_t steps = 0;

  void flush() {
    for (int64_t i = 0; i < kWide; ++i) {
      first[i] += run_first[i], second[i] += run_second[i];
      run_first[i] = run_second[i] = 0;
    }
    steps = 0;
  }
  /// The total of the lanes below `valid` of each group, as a tree.
  Sums total(int64_t lanes, int64_t valid) {
    flush();
    for (int64_t i = 0; i < kWide; ++i)
      if (i % lanes >= valid) first[i] = second[i] = 0;
    for (int64_t half = kWide / 2; half > 0; half /= 2)
      for (int64_t i = 0; i < half; ++i) first[i] += first[i + half], second[i] += second[i + half];
    return {first[0], second[0]};
  }
};

/// Adds term(i, a, b) → (first, second) over a row of n elements; element i goes to pair i % kWide.
template <typename T, typename Term>
HWY_INLINE void add_row(int64_t n, const Term& term, Running<T>& sums) {
  const int64_t whole = n / kWide * kWide;
  for (int64_t p = 0; p < whole;) {
    T first[kWide], second[kWide];
    for (int64_t i = 0; i < kWide; ++i) {
      first[i] = sums.run_first[i];
      second[i] = sums.run_second[i];
    }
    const int64_t end = std::min(whole, p + kWide * (kFlush - sums.steps));
    sums.steps += (end - p) / kWide;
    for (; p < end; p += kWide) {
      for (int64_t i = 0; i < kWide; ++i) {
        T a, b;
        term(p + i, a, b);
        first[i] += a;
        second[i] += b;
      }
    }
    for (int64_t i = 0; i < kWide; ++i) {
      sums.run_first[i] = first[i];
      sums.run_second[i] = second[i];
    }
    if (sums.steps >= kFlush) sums.flush();
  }
  for (int64_t p = whole; p < n; ++p) {
    T a, b;
    term(p, a, b);
    sums.run_first[p - whole] += a;
    sums.run_second[p - whole] += b;
  }
  if (whole < n && ++sums.steps >= kFlush) sums.flush();
}

/// Sums of outer blocks [begin, end) of channel c; term(element, a, b).
template <typename T, typename Term>
HWY_INLINE Sums add_blocks(const NormShape& s, int64_t c, int64_t begin, int64_t end,
                           const Term& term) {
  const auto row_of = [&](int64_t o) { return (o * s.channels + c) * s.inner; };
  Sums sums;
  if (s.inner < kWide && s.lanes == 1) {
    for (int64_t o = begin; o < end; ++o) {
      for (int64_t i = row_of(o); i < row_of(o) + s.inner; ++i) {
        T a, b;
        term(i, a, b);
        sums.first += a;
        sums.second += b;
      }
    }
    return sums;
  }
  const int64_t full = end == s.outer && s.last_valid < s.lanes ? end - 1 : end;
  const auto add = [&](int64_t from, int64_t to, int64_t valid) HWY_ATTR {
    Running<T> running;
    for (int64_t o = from; o < to; ++o) {
      const int64_t at = row_of(o);
      add_row<T>(
          s.inner, [&](int64_t i, T& a, T& b) HWY_ATTR { term(at + i, a, b); }, running);
    }
    const Sums part = running.total(s.lanes, valid);
    sums.first += part.first;
    sums.second += part.second;
  };
  if (begin < full) add(begin, full, s.lanes);
  if (full < end) add(full, end, s.last_valid);
  return sums;
}

/// One pass over every channel: part(c, begin, end) → Sums, then finish(c, total).
template <typename Part, typename Finish>
void sum_pass(const NormShape& s, double* scratch, const Part& part, const Finish& finish) {
  parallel_for(s.channels * s.splits, 1, [&](int64_t from, int64_t to) {
    for (int64_t t = from; t < to; ++t) {
      const int64_t c = t % s.channels, split = t / s.channels;
      const Sums sums = part(c, s.outer * split / s.splits, s.outer * (split + 1) / s.splits);
      scratch[2 * t] = sums.first;
      scratch[2 * t + 1] = sums.second;
    }
  });
  for (int64_t c = 0; c < s.channels; ++c) {
    Sums total;
    for (int64_t split = 0; split < s.splits; ++split) {
      total.first += scratch[2 * (split * s.channels + c)];
      total.second += scratch[2 * (split * s.channels + c) + 1];
    }
    finish(c, total);
  }
}

/// map(c, element offset, n) over the rows of outer blocks [begin, end) of channel c.
template <typename Map>
HWY_INLINE void map_blocks(const NormShape& s, int64_t c, int64_t begin, int64_t end,
                           const Map& map) {
  for (int64_t o = begin; o < end; ++o) map(c, (o * s.channels + c) * s.inner, s.inner);
}

template <typename Map>
void map_pass(const NormShape& s, const Map& map) {
  parallel_for(s.channels * s.splits, 1, [&](int64_t from, int64_t to) {
    for (int64_t t = from; t < to; ++t) {
      const int64_t split = t / s.channels;
      map_blocks(s, t % s.channels, s.outer * split / s.splits, s.outer * (split + 1) / s.splits,
                 map);
    }
  });
}

template <typename T>
void forward_typed(const NormShape& s, const NormForward& a, double* scratch) {
  const T* x = static_cast<const T*>(a.x);
  const T *gamma = static_cast<const T*>(a.gamma), *beta = static_cast<const T*>(a.beta);
  T *y = static_cast<T*>(a.y), *mean = static_cast<T*>(a.mean),
    *variance = static_cast<T*>(a.variance);
  T* invstd = static_cast<T*>(a.invstd);
  const auto sum = [&](int64_t c, int64_t begin, int64_t end) HWY_ATTR {
    return add_blocks<T>(s, c, begin, end,
                         [&](int64_t i, T& p, T& q) HWY_ATTR { p = x[i], q = 0; });
  };
  const auto squares = [&](int64_t c, int64_t begin, int64_t end) HWY_ATTR {
    const T m = mean[c];
    // The second sum corrects for the rounding of the mean (Chan, Golub, LeVeque 1983).
    return add_blocks<T>(s, c, begin, end, [&, m](int64_t i, T& p, T& q) HWY_ATTR {
      const T centred = x[i] - m;
      p = centred * centred, q = centred;
    });
  };
  const auto set_mean = [&](int64_t c, const Sums& t) {
    mean[c] = static_cast<T>(t.first / s.count);
  };
  const auto set_variance = [&](int64_t c, const Sums& t) {
    const double v = std::max(0.0, (t.first - t.second * t.second / s.count) / s.count);
    variance[c] = static_cast<T>(std::isnan(t.first) ? t.first : v);
    invstd[c] = static_cast<T>(1 / std::sqrt((std::isnan(t.first) ? t.first : v) + a.eps));
  };
  const auto normalise = [&](int64_t c, int64_t at, int64_t n) HWY_ATTR {
    const T m = mean[c], scale = gamma ? gamma[c] * invstd[c] : invstd[c],
            shift = beta ? beta[c] : T(0);
    for (int64_t i = at; i < at + n; ++i) y[i] = (x[i] - m) * scale + shift;
  };
  if (s.splits == 1) {
    parallel_for(s.channels, 1, [&](int64_t from, int64_t to) {
      for (int64_t c = from; c < to; ++c) {
        set_mean(c, sum(c, 0, s.outer));
        set_variance(c, squares(c, 0, s.outer));
        map_blocks(s, c, 0, s.outer, normalise);
      }
    });
    return;
  }
  sum_pass(s, scratch, sum, set_mean);
  sum_pass(s, scratch, squares, set_variance);
  map_pass(s, normalise);
}

template <typename T>
void backward_typed(const NormShape& s, const NormBackward& a, double* scratch) {
  const T *dy = static_cast<const T*>(a.dy), *x = static_cast<const T*>(a.x);
  const T *mean = static_cast<const T*>(a.mean), *invstd = static_cast<const T*>(a.invstd);
  const T* gamma = static_cast<const T*>(a.gamma);
  T *dx = static_cast<T*>(a.dx), *dgamma = static_cast<T*>(a.dgamma),
    *dbeta = static_cast<T*>(a.dbeta);
  const auto sums = [&](int64_t c, int64_t begin, int64_t end) HWY_ATTR {
    const T m = mean[c], scale = invstd[c];
    return add_blocks<T>(s, c, begin, end, [&, m, scale](int64_t i, T& p, T& q) HWY_ATTR {
      p = dy[i] * ((x[i] - m) * scale), q = dy[i];
    });
  };
  const auto set = [&](int64_t c, const Sums& t) {
    dgamma[c] = static_cast<T>(t.first);
    dbeta[c] = static_cast<T>(t.second);
  };
  const auto spread = [&](int64_t c, int64_t at, int64_t n) HWY_ATTR {
    const T m = mean[c], scale = gamma ? gamma[c] * invstd[c] : invstd[c];
    const T mean_dy = static_cast<T>(dbeta[c] / s.count),
            pull = static_cast<T>(invstd[c] * (dgamma[c] / s.count));
    for (int64_t i = at; i < at + n; ++i) dx[i] = scale * ((dy[i] - mean_dy) - (x[i] - m) * pull);
  };
  if (s.splits == 1) {
    parallel_for(s.channels, 1, [&](int64_t from, int64_t to) {
      for (int64_t c = from; c < to; ++c) {
        set(c, sums(c, 0, s.outer));
        map_blocks(s, c, 0, s.outer, spread);
      }
    });
    return;
  }
  sum_pass(s, scratch, sums, set);
  map_pass(s, spread);
}

void norm_forward(const NormShape& s, const NormForward& a, double* scratch) {
  s.dtype == DType::f32 ? forward_typed<float>(s, a, scratch)
                        : forward_typed<double>(s, a, scratch);
}
void norm_backward(const NormShape& s, const NormBackward& a, double* scratch) {
  s.dtype == DType::f32 ? backward_typed<float>(s, a, scratch)
                        : backward_typed<double>(s, a, scratch);
}

}  // namespace trivium::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trivium::cpu {

HWY_EXPORT(norm_forward);
HWY_EXPORT(norm_backward);

NormShape NormShape::of(const run::TensorDesc& x) {
  const Shape memory = x.physical();
  NormShape s;
  s.outer = memory[0], s.channels = memory[1], s.inner = memory.count(2);
  if (x.format.kind == run::Format::nblock) {
    s.lanes = x.format.lanes;
    s.last_valid = x.shape[0] % s.lanes ? x.shape[0] % s.lanes : s.lanes;
  }
  s.count =
      static_cast<double>(x.shape.count()) / static_cast<double>(std::max<int64_t>(1, s.channels));
  s.dtype = x.dtype;
  constexpr int64_t kItems = 32, kSmall = 65536;
  if (s.channels > 0 && s.channels < kItems / 2 && memory.count() > kSmall)
    s.splits = std::clamp<int64_t>(kItems / s.channels, 1, std::max<int64_t>(1, s.outer));
  return s;
}

void batch_norm(const NormShape& s, const NormForward& a, void* scratch) {
  HWY_DYNAMIC_DISPATCH(norm_forward)(s, a, static_cast<double*>(scratch));
}
void batch_norm_grad(const NormShape& s, const NormBackward& a, void* scratch) {
  HWY_DYNAMIC_DISPATCH(norm_backward)(s, a, static_cast<double*>(scratch));
}

}  // namespace trivium::cpu
#endif
