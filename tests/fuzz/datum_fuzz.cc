// Records of databases, encoded images included.
#include "tests/fuzz/attempt.h"
#include "trivium/formats/datum.h"

using namespace trivium::formats;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  attempt([&] {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const proto::Datum datum = parse_datum(text, "fuzz");
    for (const ImageMode mode : {ImageMode::as_stored, ImageMode::color, ImageMode::grey})
      datum_to_array(datum, mode, "fuzz");
  });
  return 0;
}
