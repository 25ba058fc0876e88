// Pickles on their own, in both modes, and writing what was read.
#include "tests/fuzz/attempt.h"
#include "trivium/formats/pickle.h"

using namespace trivium::formats;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  for (const PickleMode mode : {PickleMode::strict, PickleMode::inspect})
    attempt([&] {
      ByteReader in(Bytes(data, size), "fuzz");
      PickleOptions options;
      options.mode = mode;
      write_pickle(parse_pickle(in, options));
    });
  return 0;
}
