// A string of fixed-size values, written and read in order: how data sources save where they stand.
#pragma once

#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

#include "trivium/engine/core/error.h"

namespace trivium::caffe {

class StateWriter {
 public:
  template <typename T>
  StateWriter& put(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  StateWriter& put_all(const std::vector<int64_t>& values) {
    put(static_cast<int64_t>(values.size()));
    for (int64_t v : values) put(v);
    return *this;
  }
  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

class StateReader {
 public:
  explicit StateReader(const std::string& bytes) : bytes_(bytes) {}
  template <typename T>
  T get() {
    T value;
    if (bytes_.size() - at_ < sizeof value) user_error("data state: cut off at byte {}", at_);
    std::memcpy(&value, bytes_.data() + at_, sizeof value);
    at_ += sizeof value;
    return value;
  }
  std::vector<int64_t> get_all() {
    const int64_t count = get<int64_t>();
    if (count < 0 || static_cast<uint64_t>(count) > (bytes_.size() - at_) / sizeof(int64_t))
      user_error("data state: cut off at byte {}", at_);
    std::vector<int64_t> values(count);
    for (int64_t& v : values) v = get<int64_t>();
    return values;
  }

 private:
  const std::string& bytes_;
  size_t at_ = 0;
};

}  // namespace trivium::caffe
