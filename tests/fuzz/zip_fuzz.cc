// ZIP archives: the directory and every stored member.
#include "tests/fuzz/attempt.h"
#include "trivium/formats/zip.h"

using namespace trivium::formats;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  attempt([&] {
    const ZipReader zip(Bytes(data, size), "fuzz");
    for (const ZipEntry& entry : zip.entries()) attempt([&] { zip.read(entry); });
  });
  return 0;
}
