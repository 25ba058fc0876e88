// CIFAR binary batches: records of label byte(s) and 3072 pixels (red, green, blue planes of
// 32x32), without any header, so only the length and the labels can be checked.
#pragma once

#include <string>

#include "trivium/engine/core/array.h"
#include "trivium/formats/file.h"

namespace trivium::formats {

struct CifarBatch {
  Array images;         ///< u8 [records, 3, 32, 32], RGB planes
  Array labels;         ///< i32 [records]; the fine label of CIFAR-100
  Array coarse_labels;  ///< i32 [records] for CIFAR-100, undefined for CIFAR-10
};

/// data_batch_1.bin … test_batch.bin: records of 3073 bytes. UserError when the length is no whole
/// number of records or a label is above 9 (with the record's number).
CifarBatch read_cifar10(const std::string& path);
CifarBatch parse_cifar10(Bytes bytes, const std::string& name);
/// train.bin, test.bin of CIFAR-100: records of 3074 bytes (coarse label, fine label, pixels).
CifarBatch read_cifar100(const std::string& path);
CifarBatch parse_cifar100(Bytes bytes, const std::string& name);

}  // namespace trivium::formats
