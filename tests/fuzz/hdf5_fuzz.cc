// HDF5: groups, datasets, texts, and weight files on top.
#include "tests/fuzz/attempt.h"
#include "trivium/formats/caffemodel.h"
#include "trivium/formats/hdf5.h"

using namespace trivium::formats;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Bytes bytes(data, size);
  attempt([&] {
    const Hdf5File file(bytes, "fuzz", uint64_t{1} << 24);
    file.all_groups();
    for (const std::string& path : file.all_datasets()) {
      attempt([&] { file.read(path); });
      attempt([&] { file.read_string(path); });
    }
    attempt([&] { load_weights_hdf5(file); });
  });
  return 0;
}
