// CIFAR binary batches.
#include "tests/fuzz/attempt.h"
#include "trivium/formats/cifar.h"

using namespace trivium::formats;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Bytes bytes(data, size);
  attempt([&] { parse_cifar10(bytes, "fuzz"); });
  attempt([&] { parse_cifar100(bytes, "fuzz"); });
  return 0;
}
