// safetensors: the header, and every tensor.
#include "tests/fuzz/attempt.h"
#include "trivium/formats/safetensors.h"

using namespace trivium::formats;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  attempt([&] {
    const SafetensorsFile file(Bytes(data, size), "fuzz");
    for (const std::string& name : file.names()) {
      attempt([&] { file.read(name); });
      attempt([&] { file.read_rows(name, 0, 1); });
    }
  });
  return 0;
}
