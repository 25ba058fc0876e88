// Weights, solver states and blobs as Protocol Buffers.
#include "tests/fuzz/attempt.h"
#include "trivium/formats/caffemodel.h"

using namespace trivium::formats;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Bytes bytes(data, size);
  attempt([&] { weights_of(parse_net(bytes, "fuzz")); });
  attempt([&] { parse_solver_state(bytes, "fuzz"); });
  attempt([&] { parse_blob_file(bytes, "fuzz"); });
  return 0;
}
