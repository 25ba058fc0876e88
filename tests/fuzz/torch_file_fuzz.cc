// Files of torch.save, both containers; then the tensors in them.
#include "tests/fuzz/attempt.h"
#include "trivium/formats/torch_file.h"

using namespace trivium::formats;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  for (const PickleMode mode : {PickleMode::strict, PickleMode::inspect})
    attempt([&] {
      PickleOptions options;
      options.mode = mode;
      const TorchValue value = parse_torch(Bytes(data, size), "fuzz", options);
      if (value.is(PickleValue::Kind::dict))
        for (const PickleValue::Entry& entry : value.entries())
          if (entry.second.is(PickleValue::Kind::tensor))
            attempt([&] { array_of(entry.second.as_tensor(), uint64_t{1} << 20); });
    });
  return 0;
}
