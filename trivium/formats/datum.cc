#include "trivium/formats/datum.h"

#include "trivium/formats/bytes.h"
#include "trivium/formats/messages.h"

namespace trivium::formats {
namespace {

/// Checks the sizes of a record against its values before an Array is made.
Shape checked_shape(const proto::Datum& datum, uint64_t values, const std::string& where) {
  const int64_t sizes[] = {datum.channels(), datum.height(), datum.width()};
  uint64_t count = 1;
  for (int64_t size : sizes)
    if (size < 0 || !checked_multiply(count, static_cast<uint64_t>(size), &count))
      count = ~uint64_t{0};
  if (count != values || count == 0)
    user_error("{}: a Datum of {} x {} x {} values expected, received {}", where, sizes[0],
               sizes[1], sizes[2], values);
  return Shape(std::span<const int64_t>(sizes));
}

}  // namespace

proto::Datum parse_datum(std::string_view bytes, const std::string& where) {
  proto::Datum datum;
  parse_message(as_bytes(bytes), where, "a Datum", &datum);
  return datum;
}

std::string serialize_datum(const proto::Datum& datum) { return datum.SerializeAsString(); }

Array datum_to_array(const proto::Datum& datum, ImageMode mode, const std::string& where) {
  if (datum.encoded()) return to_planar(decode_image(as_bytes(datum.data()), mode, where));
  if (!datum.data().empty()) {
    Array out(checked_shape(datum, datum.data().size(), where), DType::u8);
    std::memcpy(out.raw(), datum.data().data(), out.bytes());
    return out;
  }
  Array out(checked_shape(datum, static_cast<uint64_t>(datum.float_data_size()), where),
            DType::f32);
  std::copy(datum.float_data().begin(), datum.float_data().end(), out.data<float>());
  return out;
}

proto::Datum array_to_datum(const Array& planar, std::optional<int> label) {
  if (planar.shape().rank() != 3)
    user_error("datum: [channels, height, width] expected, received {}", planar.text());
  proto::Datum datum;
  datum.set_channels(static_cast<int>(planar.shape()[0]));
  datum.set_height(static_cast<int>(planar.shape()[1]));
  datum.set_width(static_cast<int>(planar.shape()[2]));
  if (planar.dtype() == DType::u8) {
    datum.set_data(planar.raw(), planar.bytes());
    datum.set_encoded(false);
  } else {
    const Array floats = planar.dtype() == DType::f32 ? planar : planar.cast(DType::f32);
    const auto values = floats.span<float>();
    datum.mutable_float_data()->Add(values.begin(), values.end());
  }
  if (label) datum.set_label(*label);
  return datum;
}

proto::Datum encoded_datum(std::string image_file, int label) {
  proto::Datum datum;
  datum.set_data(std::move(image_file));
  datum.set_label(label);
  datum.set_encoded(true);
  return datum;
}

}  // namespace trivium::formats
