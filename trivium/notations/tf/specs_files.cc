// Files and pictures: the host reads, writes, decodes and encodes them before the numbers of a run.
#include <algorithm>
#include <cstring>

#include "trivium/formats/file.h"
#include "trivium/formats/image.h"
#include "trivium/notations/tf/op_spec.h"

namespace trivium::tf {
namespace {

using HostRule = std::function<std::vector<Data>(const Operation&, const std::vector<Data>&)>;

[[noreturn]] void fail(const Operation& op, const std::string& message,
                       Code code = Code::invalid_argument) {
  throw OpError(code, fmt::format("{}\n\t [[{{{{node {}}}}}]]", message, op.name()), op.name());
}

const std::string& text(const Operation& op, const Data& data) {
  if (!data.strings || data.strings->values.size() != 1)
    fail(op, fmt::format("contents must be scalar, got shape {}",
                         PartialShape(data.shape()).brackets()));
  return data.strings->values[0];
}

void host(SpecTable& t, const std::string& type, std::vector<std::string> inputs,
          std::function<void(Infer&)> infer, HostRule fn, bool before = true) {
  OpSpec spec{type, std::move(inputs), std::move(infer), {}, Differentiable::cut};
  spec.host = std::move(fn);
  spec.before = before;
  t.add(spec);
}

void of_string(Infer& c) { c.output(PartialShape(Shape{}), DataType::string); }
Data string_of(std::string bytes) { return Data(Strings{Shape{}, {std::move(bytes)}}); }

// ---- pictures

/// Colours of a decoded picture in the file's order are blue first; TensorFlow's are red first.
Array red_first(const Array& image) {
  const int64_t channels = image.shape()[2];
  if (channels < 3) return image;
  Array out(image.shape(), DType::u8);
  const auto from = image.span<uint8_t>();
  const auto to = out.span<uint8_t>();
  for (size_t i = 0; i < from.size(); i += channels) {
    for (int64_t k = 0; k < channels; ++k) to[i + k] = from[i + k];
    std::swap(to[i], to[i + 2]);
  }
  return out;
}

Array with_channels(const Operation& op, const Array& image, int64_t wanted) {
  const int64_t have = image.shape()[2];
  if (wanted == 0 || wanted == have) return image;
  Array out({image.shape()[0], image.shape()[1], wanted}, DType::u8);
  const auto from = image.span<uint8_t>();
  const auto to = out.span<uint8_t>();
  const int64_t pixels = image.shape()[0] * image.shape()[1];
  for (int64_t p = 0; p < pixels; ++p) {
    const uint8_t* in = &from[p * have];
    const bool grey = have < 3;
    if (wanted == 1) {  // libpng's weights as TensorFlow sets them
      to[p] =
          grey ? in[0] : static_cast<uint8_t>((9798 * in[0] + 3736 * in[1] + 19234 * in[2]) >> 15);
      continue;
    }
    for (int64_t k = 0; k < 3; ++k) to[p * wanted + k] = in[grey ? 0 : k];
    if (wanted == 4) to[p * 4 + 3] = have == 4 ? in[3] : 255;
  }
  if (wanted == 2 || wanted > 4)
    fail(op, fmt::format("channels must be 0, 1, 3, or 4, got {}", wanted));
  return out;
}

std::vector<Data> decode(const Operation& op, const std::vector<Data>& in) {
  const auto bytes = formats::as_bytes(text(op, in[0]));
  const auto channels = op.attr_or<int64_t>("channels", 0);
  const std::string format = formats::image_format(bytes);
  try {
    // One channel of a JPEG is its own luminance.
    const auto mode = format == "jpeg" && channels == 1 ? formats::ImageMode::grey
                                                        : formats::ImageMode::as_stored;
    const Array image = formats::decode_image(bytes, mode, op.name());
    return {with_channels(op, red_first(image), channels)};
  } catch (const OpError&) {
    throw;
  } catch (const UserError& e) {
    fail(op, std::string("Invalid PNG or JPEG data: ") + e.what());
  }
}

void decoded_shape(Infer& c) {
  const auto channels = c.op().attr_or<int64_t>("channels", 0);
  c.output(c.op().type() == "DecodeImage" ? PartialShape()
                                          : PartialShape({-1, -1, channels ? channels : -1}),
           DataType::uint8);
}

void define_pictures(SpecTable& t) {
  for (const char* type : {"DecodeJpeg", "DecodePng", "DecodeImage"})
    host(t, type, {"contents"}, decoded_shape, decode);
  host(t, "EncodePng", {"image"}, of_string,
       [](const Operation& op, const std::vector<Data>& in) -> std::vector<Data> {
         if (in[0].shape().rank() != 3) fail(op, "image must be 3-dimensional");
         return {string_of(formats::encode_png(red_first(in[0].array)))};
       });
  host(t, "EncodeJpeg", {"image"}, of_string,
       [](const Operation& op, const std::vector<Data>& in) -> std::vector<Data> {
         if (in[0].shape().rank() != 3) fail(op, "image must be 3-dimensional");
         return {string_of(formats::encode_jpeg(
             red_first(in[0].array), static_cast<int>(op.attr_or<int64_t>("quality", 95))))};
       });
}

// ---- files

void define_file_ops(SpecTable& t) {
  host(t, "ReadFile", {"filename"}, of_string,
       [](const Operation& op, const std::vector<Data>& in) -> std::vector<Data> {
         try {
           return {string_of(formats::read_file(text(op, in[0])))};
         } catch (const EnvironmentError&) {
           fail(op, text(op, in[0]) + "; No such file or directory", Code::not_found);
         }
       });
  host(
      t, "WriteFile", {"filename", "contents"}, [](Infer&) {},
      [](const Operation& op, const std::vector<Data>& in) -> std::vector<Data> {
        formats::write_file_atomically(text(op, in[0]), text(op, in[1]));
        return {};
      },
      false);
  host(
      t, "DecodeRaw", {"bytes"},
      [](Infer& c) {
        const PartialShape& s = c.shape(0);
        if (!s.known_rank()) return c.output({}, c.op().attr<DataType>("out_type"));
        std::vector<int64_t> dims = s.dims();
        dims.push_back(-1);
        c.output(PartialShape(dims), c.op().attr<DataType>("out_type"));
      },
      [](const Operation& op, const std::vector<Data>& in) -> std::vector<Data> {
        const DType type = engine_type(op.attr<DataType>("out_type"));
        const auto& strings = in[0].strings->values;
        const auto size = static_cast<int64_t>(size_of(type));
        const int64_t length = strings.empty() ? 0 : static_cast<int64_t>(strings[0].size());
        if (length % size != 0)
          fail(op, fmt::format("Input to DecodeRaw has length {} that is not a multiple of {}, the "
                               "size of {}",
                               length, size, name_of(op.attr<DataType>("out_type"))));
        std::vector<int64_t> dims = in[0].shape().vec();
        dims.push_back(length / size);
        Array out(Shape(dims), type);
        auto* to = static_cast<char*>(out.raw());
        for (const std::string& s : strings) {
          if (static_cast<int64_t>(s.size()) != length)
            fail(op, fmt::format("DecodeRaw requires input strings to all be the same size, but "
                                 "they have sizes {} and {}",
                                 length, s.size()));
          std::memcpy(to, s.data(), s.size());
          to += s.size();
        }
        if (!op.attr_or<bool>("little_endian", true) && size > 1)
          for (char* p = static_cast<char*>(out.raw()); p < to; p += size)
            std::reverse(p, p + size);
        return {out};
      });
}

}  // namespace

void define_picture_ops(SpecTable& t) {
  define_pictures(t);
  define_file_ops(t);
}

}  // namespace trivium::tf
