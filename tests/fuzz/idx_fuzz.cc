// IDX, plain and gzip.
#include "tests/fuzz/attempt.h"
#include "trivium/formats/idx.h"

using namespace trivium::formats;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Bytes bytes(data, size);
  attempt([&] { parse_idx(bytes, "fuzz", uint64_t{1} << 24); });
  return 0;
}
