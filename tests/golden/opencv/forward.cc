// Runs a net once and writes what it computes: forward NET WEIGHTS INPUT.npy OUT.npz.
// The input goes to the net's only input blob; OUT.npz gets every output blob by name.
#include <cstdio>

#include "trivium/engine/backends/cpu/backend.h"
#include "trivium/engine/core/error.h"
#include "trivium/formats/npy.h"
#include "trivium/notations/caffe/net.h"
#include "trivium/notations/caffe/net_file.h"

namespace {

using namespace trivium;

void forward(const char* definition, const char* weights, const char* input, const char* output) {
  cpu::register_backend();
  const caffe::NetFile file = caffe::read_net_file(definition);
  caffe::NetOptions options;
  options.phase = caffe::proto::TEST;
  options.lines = file.lines;
  caffe::Net net(file.net, options);
  net.copy_trained_from(weights);
  if (net.inputs().size() != 1)
    user_error("{}: one input blob expected, the net has {}", definition, net.inputs().size());
  net.set_input(net.blobs()[net.inputs()[0]].name, formats::read_npy(input));
  const std::vector<Array> values = net.forward_outputs();
  std::vector<std::pair<std::string, Array>> named;
  for (size_t i = 0; i < values.size(); ++i)
    named.emplace_back(net.blobs()[net.outputs()[i]].name, values[i]);
  formats::write_npz(output, named);
}

}  // namespace

int main(int count, char** words) {
  if (count != 5) {
    std::fprintf(stderr, "usage: %s NET.prototxt WEIGHTS INPUT.npy OUT.npz\n", words[0]);
    return 1;
  }
  try {
    forward(words[1], words[2], words[3], words[4]);
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
