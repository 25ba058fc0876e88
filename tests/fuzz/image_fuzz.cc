// PNG and JPEG files.
#include "tests/fuzz/attempt.h"
#include "trivium/formats/image.h"

using namespace trivium::formats;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Bytes bytes(data, size);
  for (const ImageMode mode : {ImageMode::as_stored, ImageMode::color, ImageMode::grey})
    attempt([&] { decode_image(bytes, mode, "fuzz", uint64_t{1} << 24); });
  return 0;
}
