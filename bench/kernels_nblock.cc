// Times the batch-blocked convolution and fully connected kernels on layers of well-known networks.
//   kernels_nblock [threads=2] [filter] [lanes, 0 = best for the batch] [repeats=20]
//   [auto|direct|winograd]
// Prints, for each layer and pass, the median and the least milliseconds and, of the least, GFLOP/s
// of the plain operation count (taps in the padding are counted, but skipped).
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "trivium/engine/backends/cpu/nblock_conv.h"
#include "trivium/engine/backends/cpu/nblock_fc.h"
#include "trivium/engine/core/parallel.h"

namespace {

using namespace trivium;
using namespace trivium::cpu::nblock;

struct Layer {
  std::string name;
  int64_t batch, in, out, size, kernel, stride, pad;  // size 0: fully connected
};

const std::vector<Layer> kLayers = {
    {"lenet.conv1", 64, 1, 20, 28, 5, 1, 0},      {"lenet.conv2", 64, 20, 50, 12, 5, 1, 0},
    {"lenet.ip1", 64, 800, 500, 0, 0, 0, 0},      {"lenet.ip2", 64, 500, 10, 0, 0, 0, 0},
    {"quick.conv1", 100, 3, 32, 32, 5, 1, 2},     {"quick.conv2", 100, 32, 32, 16, 5, 1, 2},
    {"quick.conv3", 100, 32, 64, 8, 5, 1, 2},     {"quick.ip1", 100, 1024, 64, 0, 0, 0, 0},
    {"alexnet.conv1", 16, 3, 64, 224, 11, 4, 2},  {"alexnet.conv2", 16, 64, 192, 27, 5, 1, 2},
    {"alexnet.conv3", 16, 192, 384, 13, 3, 1, 1}, {"alexnet.conv4", 16, 384, 256, 13, 3, 1, 1},
    {"alexnet.conv5", 16, 256, 256, 13, 3, 1, 1}, {"alexnet.fc6", 16, 9216, 4096, 0, 0, 0, 0},
    {"alexnet.fc7", 16, 4096, 4096, 0, 0, 0, 0},  {"alexnet.fc8", 16, 4096, 1000, 0, 0, 0, 0},
    {"vgg.conv3_2", 8, 256, 256, 56, 3, 1, 1},    {"resnet.1x1", 8, 256, 64, 56, 1, 1, 0},
};

using Buffer = std::unique_ptr<float[], decltype(&std::free)>;
Buffer buffer(int64_t count) {
  float* p = static_cast<float*>(std::aligned_alloc(64, (count * 4 / 64 + 1) * 64));
  for (int64_t i = 0; i < count; ++i) p[i] = float((i * 7919) % 1000) / 1000.f - 0.5f;
  return {p, &std::free};
}

// With one thread, its processor time: then a busy machine does not count.
double now_ms() {
  timespec t{};
  clock_gettime(threads() == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e3 + t.tv_nsec * 1e-6;
}

struct Times {
  double median, least;
};
Times time_ms(int repeats, const std::function<void()>& body) {
  std::vector<double> ms;
  body();
  for (int i = 0; i < repeats; ++i) {
    const double start = now_ms();
    body();
    ms.push_back(now_ms() - start);
  }
  std::sort(ms.begin(), ms.end());
  return {ms[ms.size() / 2], ms[0]};
}

Times total{0, 0};
Algorithm algorithm = Algorithm::automatic;
void report(const Layer& layer, int lanes, const char* pass, double flop, Times ms) {
  std::printf("%-14s x%-2d %-4s %9.3f ms, least %9.3f ms %8.1f GFLOP/s\n", layer.name.c_str(),
              lanes, pass, ms.median, ms.least, flop / ms.least * 1e-6);
  total.median += ms.median;
  total.least += ms.least;
}

void time_conv(const Layer& l, int lanes, int repeats) {
  ConvShape s;
  s.batch = l.batch;
  s.in_channels = l.in;
  s.out_channels = l.out;
  s.in_h = s.in_w = l.size;
  s.kernel_h = s.kernel_w = l.kernel;
  s.stride_h = s.stride_w = l.stride;
  s.pad_top = s.pad_left = l.pad;
  s.out_h = s.out_w = (l.size + 2 * l.pad - l.kernel) / l.stride + 1;
  s.lanes = lanes;
  const int64_t weights = l.in * l.out * l.kernel * l.kernel;
  const Buffer x = buffer(nblock_size(l.batch, l.in * s.in_h * s.in_w, lanes));
  const Buffer y = buffer(nblock_size(l.batch, l.out * s.out_h * s.out_w, lanes));
  const Buffer w = buffer(weights), dw = buffer(weights), b = buffer(l.out);
  size_t bytes = 0;
  for (Pass p : {Pass::forward, Pass::backward_data, Pass::backward_weights}) {
    bytes = std::max(bytes, conv_scratch_bytes(s, p, algorithm));
  }
  const Buffer scratch = buffer(int64_t(bytes / 4) + 1);
  const double flop = 2.0 * l.batch * weights * s.out_h * s.out_w;
  report(l, lanes, "fwd", flop, time_ms(repeats, [&] {
           conv_forward(s, x.get(), w.get(), b.get(), Activation::relu, 0.f, y.get(), scratch.get(),
                        algorithm);
         }));
  if (l.in > 3) {
    const Buffer dx = buffer(nblock_size(l.batch, l.in * s.in_h * s.in_w, lanes));
    report(l, lanes, "bwdD", flop, time_ms(repeats, [&] {
             conv_backward_data(s, y.get(), w.get(), dx.get(), scratch.get(), algorithm);
           }));
  }
  report(l, lanes, "bwdW", flop, time_ms(repeats, [&] {
           conv_backward_weights(s, x.get(), y.get(), dw.get(), b.get(), scratch.get(), algorithm);
         }));
}

void time_fc(const Layer& l, int lanes, int repeats) {
  const FcShape s{l.batch, l.in, l.out, false, lanes};
  const Buffer x = buffer(nblock_size(l.batch, l.in, lanes)),
               y = buffer(nblock_size(l.batch, l.out, lanes));
  const Buffer w = buffer(l.in * l.out), dw = buffer(l.in * l.out), b = buffer(l.out);
  const Buffer scratch = buffer(int64_t(fc_scratch_bytes(s) / 4));
  const double flop = 2.0 * l.batch * l.in * l.out;
  report(l, lanes, "fwd", flop, time_ms(repeats, [&] {
           fc_forward(s, x.get(), w.get(), b.get(), Activation::relu, 0.f, y.get());
         }));
  report(l, lanes, "bwdD", flop,
         time_ms(repeats, [&] { fc_backward_data(s, y.get(), w.get(), x.get()); }));
  report(l, lanes, "bwdW", flop, time_ms(repeats, [&] {
           fc_backward_weights(s, x.get(), y.get(), dw.get(), b.get(), scratch.get());
         }));
}

}  // namespace

int main(int argc, char** argv) {
  set_threads(argc > 1 ? std::atoi(argv[1]) : 2);
  const char* filter = argc > 2 ? argv[2] : "";
  const int forced = argc > 3 ? std::atoi(argv[3]) : 0,
            repeats = argc > 4 ? std::atoi(argv[4]) : 20;
  if (argc > 5 && !std::strcmp(argv[5], "direct")) algorithm = Algorithm::direct;
  if (argc > 5 && !std::strcmp(argv[5], "winograd")) algorithm = Algorithm::winograd;
  for (const Layer& layer : kLayers) {
    if (layer.name.find(filter) == std::string::npos) continue;
    const int lanes = forced ? forced : best_lanes(layer.batch);
    layer.size ? time_conv(layer, lanes, repeats) : time_fc(layer, lanes, repeats);
  }
  std::printf("total %.3f ms, least %.3f ms\n", total.median, total.least);
}
