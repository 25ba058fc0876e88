// One row of windows is a short vector; every tap updates all windows of the row that it reaches,
// so the loops are free of bounds checks and the compiler vectorises them.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "trivium/engine/backends/cpu/pool_loops.cc"
#include "hwy/foreach_target.h"
//
#include "hwy/highway.h"

#include <algorithm>
#include <limits>
#include <type_traits>

#include "trivium/engine/backends/cpu/pool_loops.h"
#include "trivium/engine/core/error.h"
#include "trivium/engine/core/parallel.h"

HWY_BEFORE_NAMESPACE();
namespace trivium::cpu::HWY_NAMESPACE {

constexpr int64_t kRow = 128;  // windows handled together

/// Windows [first, last) of a row whose tap at column `shift` = tap - begin lies inside the image.
struct Reach {
  int64_t first, last;
};
inline Reach reach(int64_t in, int64_t stride, int64_t shift, int64_t from, int64_t to) {
  const int64_t first = shift >= 0 ? 0 : (-shift + stride - 1) / stride;
  const int64_t last = in - shift <= 0 ? 0 : (in - shift - 1) / stride + 1;
  const int64_t begin = std::clamp(first, from, to);
  return {begin, std::clamp(last, begin, to)};
}

/// Calls tap(number, offset of the input row, column shift) for the taps of a row of windows, in
/// order; rows of the image outside of it are left out.
template <typename Tap>
HWY_INLINE void for_each_tap(const PoolGeometry& g, int64_t d, int64_t h, const Tap& tap) {
  for (int64_t kd = 0; kd < g.kernel[0]; ++kd) {
    const int64_t z = d * g.stride[0] - g.begin[0] + kd * g.dilation[0];
    if (z < 0 || z >= g.in[0]) continue;
    for (int64_t kh = 0; kh < g.kernel[1]; ++kh) {
      const int64_t y = h * g.stride[1] - g.begin[1] + kh * g.dilation[1];
      if (y < 0 || y >= g.in[1]) continue;
      for (int64_t kw = 0; kw < g.kernel[2]; ++kw)
        tap((kd * g.kernel[1] + kh) * g.kernel[2] + kw, (z * g.in[1] + y) * g.in[2],
            kw * g.dilation[2] - g.begin[2]);
    }
  }
}

/// Calls row(d, h, first output of the row) for the rows of windows of a plane.
template <typename Row>
HWY_INLINE void for_each_row(const PoolGeometry& g, const Row& row) {
  for (int64_t d = 0; d < g.out[0]; ++d)
    for (int64_t h = 0; h < g.out[1]; ++h) row(d, h, (d * g.out[1] + h) * g.out[2]);
}

int64_t planes_per_chunk(const PoolGeometry& g) {
  const int64_t work = g.out_plane() * g.taps() + g.in_plane();
  return std::max<int64_t>(1, 32768 / std::max<int64_t>(1, work));
}

template <typename T>
constexpr T nothing_yet() {
  return std::is_floating_point_v<T> ? std::numeric_limits<T>::quiet_NaN()
                                     : std::numeric_limits<T>::lowest();
}

template <typename T, typename P>
void max_plane(const PoolGeometry& g, const T* HWY_RESTRICT x, T* HWY_RESTRICT y,
               P* HWY_RESTRICT at) {
  const int64_t stride = g.stride[2];
  const bool nan_wins = g.nan_wins;
  for_each_row(g, [&](int64_t d, int64_t h, int64_t row) {
    for (int64_t w0 = 0; w0 < g.out[2]; w0 += kRow) {
      const int64_t w1 = std::min(g.out[2], w0 + kRow);
      T best[kRow];
      int32_t place[kRow];
      std::fill_n(best, w1 - w0, nothing_yet<T>());
      // Until a number is met, the position is that of the window's first real place.
      std::fill_n(place, w1 - w0, -1);
      for_each_tap(g, d, h, [&](int64_t number, int64_t in_row, int64_t shift) {
        const Reach r = reach(g.in[2], stride, shift, w0, w1);
        const T* HWY_RESTRICT from = x + in_row + shift;
        const int32_t tap = static_cast<int32_t>(number);
        const auto visit = [&](int64_t w, T v) HWY_ATTR {
          T& b = best[w - w0];
          int32_t& p = place[w - w0];
          const bool take = (p < 0) | ((!(v <= b)) & (nan_wins ? (v > b) | (v != v) : v == v));
          b = take ? v : b;
          p = take ? tap : p;
        };
        if (stride == 1)
          for (int64_t w = r.first; w < r.last; ++w) visit(w, from[w]);
        else if (stride == 2)
          for (int64_t w = r.first; w < r.last; ++w) visit(w, from[2 * w]);
        else
          for (int64_t w = r.first; w < r.last; ++w) visit(w, from[w * stride]);
      });
      for (int64_t w = w0; w < w1; ++w) {
        y[row + w] = best[w - w0];
        at[row + w] = static_cast<P>(place[w - w0]);
      }
    }
  });
}

template <typename T, typename P>
void max_pool_typed(const PoolGeometry& g, const void* x, void* y, void* at) {
  parallel_for(g.planes, planes_per_chunk(g), [&](int64_t begin, int64_t end) HWY_ATTR {
    for (int64_t p = begin; p < end; ++p)
      max_plane(g, static_cast<const T*>(x) + p * g.in_plane(),
                static_cast<T*>(y) + p * g.out_plane(), static_cast<P*>(at) + p * g.out_plane());
  });
}

template <typename T>
void max_pool_of(const PoolGeometry& g, DType position, const void* x, void* y, void* at) {
  if (position == DType::u8)
    max_pool_typed<T, uint8_t>(g, x, y, at);
  else
    max_pool_typed<T, int32_t>(g, x, y, at);
}

void max_pool_any(const PoolGeometry& g, DType dtype, DType position, const void* x, void* y,
                  void* at) {
  switch (dtype) {
    case DType::f32:
      return max_pool_of<float>(g, position, x, y, at);
    case DType::f64:
      return max_pool_of<double>(g, position, x, y, at);
    case DType::i32:
      return max_pool_of<int32_t>(g, position, x, y, at);
    case DType::i64:
      return max_pool_of<int64_t>(g, position, x, y, at);
    default:
      internal_error("max_pool of {}", name_of(dtype));
  }
}

template <typename T>
void avg_typed(const PoolGeometry& g, const T* x, T* y) {
  parallel_for(g.planes, planes_per_chunk(g), [&](int64_t begin, int64_t end) HWY_ATTR {
    for (int64_t p = begin; p < end; ++p) {
      const T* in = x + p * g.in_plane();
      T* out = y + p * g.out_plane();
      for_each_row(g, [&](int64_t d, int64_t h, int64_t row) HWY_ATTR {
        const T area = static_cast<T>(g.length[0][d] * g.length[1][h]);
        for (int64_t w0 = 0; w0 < g.out[2]; w0 += kRow) {
          const int64_t w1 = std::min(g.out[2], w0 + kRow);
          T sum[kRow];
          std::fill_n(sum, w1 - w0, T(0));
          for_each_tap(g, d, h, [&](int64_t, int64_t in_row, int64_t shift) HWY_ATTR {
            const Reach r = reach(g.in[2], g.stride[2], shift, w0, w1);
            const T* HWY_RESTRICT from = in + in_row + shift;
            if (g.stride[2] == 1)
              for (int64_t w = r.first; w < r.last; ++w) sum[w - w0] += from[w];
            else
              for (int64_t w = r.first; w < r.last; ++w) sum[w - w0] += from[w * g.stride[2]];
          });
          for (int64_t w = w0; w < w1; ++w)
            out[row + w] = sum[w - w0] / (area * static_cast<T>(g.length[2][w]));
        }
      });
    }
  });
}

template <typename T>
void avg_grad_typed(const PoolGeometry& g, const T* dy, T* dx) {
  parallel_for(g.planes, planes_per_chunk(g), [&](int64_t begin, int64_t end) HWY_ATTR {
    for (int64_t p = begin; p < end; ++p) {
      const T* out = dy + p * g.out_plane();
      T* HWY_RESTRICT in = dx + p * g.in_plane();
      std::fill_n(in, g.in_plane(), T(0));
      for_each_row(g, [&](int64_t d, int64_t h, int64_t row) HWY_ATTR {
        const T area = static_cast<T>(g.length[0][d] * g.length[1][h]);
        for (int64_t w0 = 0; w0 < g.out[2]; w0 += kRow) {
          const int64_t w1 = std::min(g.out[2], w0 + kRow);
          T share[kRow];
          for (int64_t w = w0; w < w1; ++w)
            share[w - w0] = out[row + w] / (area * static_cast<T>(g.length[2][w]));
          for_each_tap(g, d, h, [&](int64_t, int64_t in_row, int64_t shift) HWY_ATTR {
            const Reach r = reach(g.in[2], g.stride[2], shift, w0, w1);
            T* to = in + in_row + shift;
            for (int64_t w = r.first; w < r.last; ++w) to[w * g.stride[2]] += share[w - w0];
          });
        }
      });
    }
  });
}

void avg_f32(const PoolGeometry& g, const float* x, float* y) { avg_typed(g, x, y); }
void avg_f64(const PoolGeometry& g, const double* x, double* y) { avg_typed(g, x, y); }
void avg_grad_f32(const PoolGeometry& g, const float* dy, float* dx) { avg_grad_typed(g, dy, dx); }
void avg_grad_f64(const PoolGeometry& g, const double* dy, double* dx) {
  avg_grad_typed(g, dy, dx);
}

}  // namespace trivium::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trivium::cpu {
namespace {

HWY_EXPORT(max_pool_any);
HWY_EXPORT(avg_f32);
HWY_EXPORT(avg_f64);
HWY_EXPORT(avg_grad_f32);
HWY_EXPORT(avg_grad_f64);

/// Where each tap lies relative to its window's first place.
struct Taps {
  static constexpr int64_t kMost = 256;
  int64_t z[kMost], y[kMost], x[kMost];
  explicit Taps(const PoolGeometry& g) {
    for (int64_t t = 0; t < std::min(kMost, g.taps()); ++t) {
      place(g, t, z[t], y[t], x[t]);
    }
  }
  static void place(const PoolGeometry& g, int64_t t, int64_t& z, int64_t& y, int64_t& x) {
    z = t / (g.kernel[1] * g.kernel[2]) * g.dilation[0];
    y = t / g.kernel[2] % g.kernel[1] * g.dilation[1];
    x = t % g.kernel[2] * g.dilation[2];
  }
};

/// Calls body(plane, window in the plane, place) for all windows; the place is -1 outside the
/// image. Positions come from an array, so they are checked.
template <typename P, typename Body>
void for_each_place(const PoolGeometry& g, const P* at, int64_t begin, int64_t end,
                    const Body& body) {
  const Taps taps(g);
  const int64_t count = g.taps();
  const auto inside = [](int64_t i, int64_t n) {
    return static_cast<uint64_t>(i) < static_cast<uint64_t>(n);
  };
  for (int64_t p = begin; p < end; ++p) {
    int64_t i = 0;
    const P* own = at + p * g.out_plane();
    for (int64_t d = 0; d < g.out[0]; ++d) {
      const int64_t z0 = d * g.stride[0] - g.begin[0];
      for (int64_t h = 0; h < g.out[1]; ++h) {
        const int64_t y0 = h * g.stride[1] - g.begin[1], row = (z0 * g.in[1] + y0) * g.in[2];
        for (int64_t w = 0; w < g.out[2]; ++w, ++i) {
          const int64_t x0 = w * g.stride[2] - g.begin[2], t = static_cast<int64_t>(own[i]);
          int64_t z, y, x;
          if (t >= 0 && t < std::min(count, Taps::kMost)) {
            z = taps.z[t], y = taps.y[t], x = taps.x[t];
          } else {
            Taps::place(g, t, z, y, x);
          }
          const bool real = inside(t, count) && inside(z0 + z, g.in[0]) &&
                            inside(y0 + y, g.in[1]) && inside(x0 + x, g.in[2]);
          body(p, i, real ? row + x0 + (z * g.in[1] + y) * g.in[2] + x : -1);
        }
      }
    }
  }
}

template <typename T, typename P>
void max_grad_typed(const PoolGeometry& g, const T* dy, const P* at, T* dx) {
  parallel_for(g.planes, HWY_STATIC_DISPATCH(planes_per_chunk)(g), [&](int64_t begin, int64_t end) {
    std::fill(dx + begin * g.in_plane(), dx + end * g.in_plane(), T(0));
    for_each_place(g, at, begin, end, [&](int64_t p, int64_t i, int64_t place) {
      if (place >= 0) dx[p * g.in_plane() + place] += dy[p * g.out_plane() + i];
    });
  });
}

template <typename T>
void max_grad_of(const PoolGeometry& g, DType position, const void* dy, const void* at, void* dx) {
  if (position == DType::u8)
    max_grad_typed(g, static_cast<const T*>(dy), static_cast<const uint8_t*>(at),
                   static_cast<T*>(dx));
  else
    max_grad_typed(g, static_cast<const T*>(dy), static_cast<const int32_t*>(at),
                   static_cast<T*>(dx));
}

}  // namespace

void max_pool(const PoolGeometry& g, DType dtype, DType position, const void* x, void* y,
              void* at) {
  HWY_DYNAMIC_DISPATCH(max_pool_any)(g, dtype, position, x, y, at);
}

void max_pool_grad(const PoolGeometry& g, DType dtype, DType position, const void* dy,
                   const void* at, void* dx) {
  switch (dtype) {
    case DType::f32:
      return max_grad_of<float>(g, position, dy, at, dx);
    case DType::f64:
      return max_grad_of<double>(g, position, dy, at, dx);
    case DType::i32:
      return max_grad_of<int32_t>(g, position, dy, at, dx);
    case DType::i64:
      return max_grad_of<int64_t>(g, position, dy, at, dx);
    default:
      internal_error("max_pool_grad of {}", name_of(dtype));
  }
}

void max_pool_plane_index(const PoolGeometry& g, DType position, const void* at, int32_t* index) {
  const auto run = [&](const auto* typed) {
    parallel_for(g.planes, 64, [&](int64_t begin, int64_t end) {
      for_each_place(g, typed, begin, end, [&](int64_t p, int64_t i, int64_t place) {
        index[p * g.out_plane() + i] = static_cast<int32_t>(place);
      });
    });
  };
  if (position == DType::u8)
    run(static_cast<const uint8_t*>(at));
  else
    run(static_cast<const int32_t*>(at));
}

void avg_pool(const PoolGeometry& g, DType dtype, const void* x, void* y) {
  if (dtype == DType::f32)
    HWY_DYNAMIC_DISPATCH(avg_f32)(g, static_cast<const float*>(x), static_cast<float*>(y));
  else
    HWY_DYNAMIC_DISPATCH(avg_f64)(g, static_cast<const double*>(x), static_cast<double*>(y));
}

void avg_pool_grad(const PoolGeometry& g, DType dtype, const void* dy, void* dx) {
  if (dtype == DType::f32)
    HWY_DYNAMIC_DISPATCH(avg_grad_f32)(g, static_cast<const float*>(dy), static_cast<float*>(dx));
  else
    HWY_DYNAMIC_DISPATCH(avg_grad_f64)(g, static_cast<const double*>(dy), static_cast<double*>(dx));
}

}  // namespace trivium::cpu
#endif
