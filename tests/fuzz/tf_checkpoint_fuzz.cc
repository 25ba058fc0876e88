// Checkpoints: the input is taken as an index with its data behind it (the first two bytes say how
// long the index is), as a table of version 1, and as a state file.
#include <google/protobuf/stubs/logging.h>

#include <algorithm>

#include "tests/fuzz/attempt.h"
#include "trivium/formats/checkpoint_file.h"
#include "trivium/formats/checkpoint_state.h"
#include "trivium/formats/proto/tf_saved.pb.h"
#include "trivium/formats/snappy.h"

using namespace trivium::formats;

namespace {

void read_all(const CheckpointReader& checkpoint) {
  for (const auto& tensor : checkpoint.tensors()) {
    attempt([&] { checkpoint.read(tensor.name); });
    attempt([&] { checkpoint.read_strings(tensor.name); });
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  google::protobuf::SetLogHandler(nullptr);
  const Bytes bytes(data, size);
  attempt([&] { read_all(CheckpointReader(bytes, "fuzz")); });
  attempt([&] { unpack_snappy(bytes, "fuzz"); });
  attempt([&] { parse_checkpoint_state(bytes, "fuzz", "dir"); });
  if (size < 2) return 0;
  const size_t index = std::min<size_t>(size - 2, data[0] + 256u * data[1]);
  attempt([&] {
    const Bytes rest = bytes.subspan(2 + index);
    read_all(CheckpointReader(bytes.subspan(2, index), {rest, rest}, "fuzz"));
  });
  return 0;
}
