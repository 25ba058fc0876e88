// Random draws: core/random writes straight into the outputs. A Mersenne twister's next state is
// its old one copied to the output and drawn from there.
#include <cstring>

#include "trivium/engine/backends/cpu/support.h"
#include "trivium/engine/core/random.h"

namespace trivium::cpu {
namespace {

using random::Mt19937;

float real(const Attrs& a, const char* name, double fallback) {
  return static_cast<float>(real_or(a, name, fallback));
}

template <typename T, typename Draw>
struct Twister {
  Draw draw;
  int64_t count;
  void run(const KernelArgs& a) const {
    int32_t* state = output<int32_t>(a, 1);
    if (state != a.in[0]) std::memcpy(state, a.in[0], sizeof(Mt19937));
    draw(random::mt19937_at(state), std::span<T>(output<T>(a, 0), static_cast<size_t>(count)));
  }
};

template <typename T, typename Draw>
Kernel twister(const KernelRequest& r, Draw draw) {
  return kernel_of(r.op, Twister<T, Draw>{draw, r.out[0].shape.count()});
}

int64_t rows_of(const KernelRequest& r) { return r.out[0].shape.rank() ? r.out[0].shape[0] : 1; }

Kernel build_uniform(const KernelRequest& r) {
  const float lo = real(*r.attrs, "lo", 0), hi = real(*r.attrs, "hi", 1);
  return twister<float>(
      r, [=](Mt19937& rng, std::span<float> out) { random::caffe::uniform(rng, lo, hi, out); });
}
Kernel build_gaussian(const KernelRequest& r) {
  const float mean = real(*r.attrs, "mean", 0), std = real(*r.attrs, "stddev", 1);
  return twister<float>(
      r, [=](Mt19937& rng, std::span<float> out) { random::caffe::gaussian(rng, mean, std, out); });
}
Kernel build_sparse_gaussian(const KernelRequest& r) {
  const float mean = real(*r.attrs, "mean", 0), std = real(*r.attrs, "stddev", 1);
  const int sparse = static_cast<int>(r.attrs->integer("sparse"));
  const int64_t rows = rows_of(r);
  return twister<float>(r, [=](Mt19937& rng, std::span<float> out) {
    random::caffe::gaussian(rng, mean, std, out);
    random::caffe::sparsify(rng, sparse, rows, out);
  });
}
Kernel build_unitball(const KernelRequest& r) {
  const int64_t rows = rows_of(r);
  return twister<float>(r, [=](Mt19937& rng, std::span<float> out) {
    random::caffe::positive_unitball(rng, rows, out);
  });
}
Kernel build_bernoulli(const KernelRequest& r) {
  const float ratio = static_cast<float>(1.0 - r.attrs->real("keep"));
  return twister<uint8_t>(r, [=](Mt19937& rng, std::span<uint8_t> out) {
    random::caffe::dropout_keep(rng, ratio, out);
  });
}

struct Philox {
  decltype(&random::philox_uniform) fill;
  float first, second;
  int64_t count;
  void run(const KernelArgs& a) const {
    fill(static_cast<uint64_t>(*input<int64_t>(a, 0)), static_cast<uint64_t>(*input<int64_t>(a, 1)),
         0, first, second, std::span<float>(output<float>(a), static_cast<size_t>(count)));
  }
};
Kernel build_philox_uniform(const KernelRequest& r) {
  return kernel_of(r.op, Philox{random::philox_uniform, real(*r.attrs, "lo", 0),
                                real(*r.attrs, "hi", 1), r.out[0].shape.count()});
}
Kernel build_philox_normal(const KernelRequest& r) {
  return kernel_of(r.op, Philox{random::philox_normal, real(*r.attrs, "mean", 0),
                                real(*r.attrs, "stddev", 1), r.out[0].shape.count()});
}

}  // namespace

void register_random(KernelTable& table) {
  const auto work = [](const KernelRequest& r) {
    return 20.0 * static_cast<double>(r.out[0].shape.count());
  };
  const auto add = [&](const char* op, BuildFn build, std::vector<std::pair<int, int>> in_place) {
    table.add({op, op, place_plain(nullptr, work, 0.05), std::move(build), std::move(in_place)});
  };
  add("mt19937_uniform", build_uniform, {{0, 1}});
  add("mt19937_gaussian", build_gaussian, {{0, 1}});
  add("mt19937_sparse_gaussian", build_sparse_gaussian, {{0, 1}});
  add("mt19937_unitball", build_unitball, {{0, 1}});
  add("mt19937_bernoulli", build_bernoulli, {{0, 1}});
  add("philox_uniform", build_philox_uniform, {});
  add("philox_normal", build_philox_normal, {});
}

}  // namespace trivium::cpu
