// .npy, and the members of .npz.
#include "tests/fuzz/attempt.h"
#include "trivium/formats/npy.h"

using namespace trivium::formats;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Bytes bytes(data, size);
  attempt([&] { parse_npy(bytes, "fuzz", uint64_t{1} << 24); });
  attempt([&] {
    const NpzFile file(bytes, "fuzz", uint64_t{1} << 24);
    for (const std::string& name : file.names()) attempt([&] { file.read(name); });
  });
  return 0;
}
