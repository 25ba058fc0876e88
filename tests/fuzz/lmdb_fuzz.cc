// The pages of an LMDB database.
#include "tests/fuzz/attempt.h"
#include "trivium/formats/db_backends.h"

using namespace trivium::formats;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Bytes bytes(data, size);
  attempt([&] {
    const auto db = open_lmdb(bytes, "fuzz");
    size_t sum = db->key().size();
    for (; db->valid(); db->next())
      for (const char c : db->value()) sum += static_cast<unsigned char>(c);
    (void)sum;
  });
  return 0;
}
