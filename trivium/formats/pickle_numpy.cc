// NumPy arrays and scalars in pickles: numbers and booleans, never objects.
#include <algorithm>
#include <unordered_map>

#include "trivium/engine/core/error.h"
#include "trivium/formats/pickle_globals.h"

namespace trivium::formats {
namespace {

using Kind = PickleValue::Kind;

/// The element type and byte order of a numpy.dtype record.
ElementType numpy_type(const PickleValue& dtype, bool* big_endian) {
  static const std::unordered_map<std::string_view, ElementType> types = {
      {"f4", ElementType::f32}, {"f8", ElementType::f64},  {"f2", ElementType::f16},
      {"i1", ElementType::i8},  {"i2", ElementType::i16},  {"i4", ElementType::i32},
      {"i8", ElementType::i64}, {"u1", ElementType::u8},   {"u2", ElementType::u16},
      {"u4", ElementType::u32}, {"u8", ElementType::u64},  {"b1", ElementType::bool_},
      {"c8", ElementType::c64}, {"c16", ElementType::c128}};
  if (!dtype.is(Kind::record) || dtype.name() != "numpy.dtype" || dtype.args().items().empty())
    user_error("a numpy.dtype expected, {} found", dtype.describe());
  std::string code = dtype.args().items()[0].as_bytes();
  if (!code.empty() && (code[0] == '<' || code[0] == '>' || code[0] == '|')) {
    *big_endian = code[0] == '>';
    code.erase(0, 1);
  }
  const auto found = types.find(code);
  if (found == types.end())
    user_error("NumPy elements of type \"{:.20}\" are refused: numbers and booleans are read",
               code);
  const PickleValue& state = dtype.state();
  if (state.is(Kind::tuple) && state.items().size() > 1)
    *big_endian = state.items()[1].as_bytes() == ">";
  return found->second;
}

}  // namespace

void PickleGlobals::fill_from_numpy(TorchTensor& tensor, const PickleValue& shape,
                                    const PickleValue& dtype, bool fortran_order,
                                    const PickleValue& data) {
  bool big_endian = false;
  TorchTensor t;
  t.type = numpy_type(dtype, &big_endian);
  t.size = integers(shape);
  t.stride.resize(t.size.size());
  int64_t step = 1;
  for (size_t i = 0; i < t.size.size(); ++i) {
    const size_t axis = fortran_order ? i : t.size.size() - 1 - i;
    t.stride[axis] = step;
    if (t.size[axis] < 0 || __builtin_mul_overflow(step, std::max<int64_t>(t.size[axis], 1), &step))
      user_error("a NumPy array with the shape [{}]", fmt::join(t.size, ", "));
  }
  const std::string raw = copied(data.as_bytes());
  auto storage = std::make_shared<TorchStorage>();
  storage->type = t.type;
  storage->count = static_cast<int64_t>(raw.size() / size_of(t.type));
  storage->buffer = Buffer::allocate(raw.size());
  std::memcpy(storage->buffer->data(), raw.data(), raw.size());
  const size_t unit =
      size_of(t.type) / (t.type >= ElementType::c64 && t.type <= ElementType::c128 ? 2 : 1);
  if (big_endian) swap_bytes(storage->buffer->data(), raw.size() / unit, unit);
  t.storage = std::move(storage);
  check_window(t, "numpy.ndarray");
  if (static_cast<uint64_t>(t.count()) * size_of(t.type) != raw.size())
    user_error("a NumPy array {} with {} bytes of data", t.text(), raw.size());
  tensor = std::move(t);
}

PickleValue PickleGlobals::numpy_from_buffer(const std::string& name, const Args& args) {
  if (args.size() != 4) user_error("{}: 4 arguments expected, {} received", name, args.size());
  TorchTensor t;
  fill_from_numpy(t, args[2], args[1], args[3].as_string() == "F", args[0]);
  return t;
}

PickleValue PickleGlobals::numpy_scalar(const std::string& name, const Args& args) {
  if (args.size() != 2) user_error("{}: 2 arguments expected, {} received", name, args.size());
  TorchTensor t;
  fill_from_numpy(t, PickleValue::tuple(), args[0], false, args[1]);
  const Array one = array_of(t);
  if (t.type == ElementType::bool_) return one.data<bool>()[0];
  if (t.type == ElementType::f16 || t.type == ElementType::bf16) return t;
  if (is_floating(one.dtype())) return one.item();
  return one.cast(DType::i64).data<int64_t>()[0];
}

}  // namespace trivium::formats
