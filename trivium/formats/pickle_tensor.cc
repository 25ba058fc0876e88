#include "trivium/formats/pickle_tensor.h"

#include <algorithm>

#include "trivium/engine/core/error.h"

namespace trivium::formats {
namespace {

struct TypeRow {
  const char* name;
  size_t bytes;
};

constexpr TypeRow kTypes[] = {
    {"float32", 4},
    {"float64", 8},
    {"float16", 2},
    {"bfloat16", 2},
    {"int8", 1},
    {"uint8", 1},
    {"int16", 2},
    {"int32", 4},
    {"int64", 8},
    {"bool", 1},
    {"uint16", 2},
    {"uint32", 4},
    {"uint64", 8},
    {"complex64", 8},
    {"complex128", 16},
    {"float8_e4m3fn", 1},
    {"float8_e5m2", 1},
    {"float8_e4m3fnuz", 1},
    {"float8_e5m2fnuz", 1},
    {"float8_e8m0fnu", 1},
};

static_assert(static_cast<int>(ElementType::bool_) == static_cast<int>(DType::bool_) &&
                  static_cast<int>(ElementType::bf16) == static_cast<int>(DType::bf16),
              "the first rows are those of DType");

bool is_dtype(ElementType type) { return type <= ElementType::bool_; }

/// The signed type whose bits an unsigned element is read as before it is widened.
DType bits_of(ElementType type) {
  return type == ElementType::u16 ? DType::i16 : type == ElementType::u32 ? DType::i32 : DType::i64;
}

/// Copies one element after the other, in row-major order.
void gather(const TorchTensor& t, const char* from, char* to) {
  const size_t element = size_of(t.type);
  const size_t rank = t.size.size();
  std::vector<int64_t> index(rank, 0);
  int64_t at = t.offset;
  for (int64_t i = 0, n = t.count(); i < n; ++i) {
    std::memcpy(to + static_cast<size_t>(i) * element, from + static_cast<size_t>(at) * element,
                element);
    for (size_t axis = rank; axis-- > 0;) {
      at += t.stride[axis];
      if (++index[axis] < t.size[axis]) break;
      at -= t.stride[axis] * t.size[axis];
      index[axis] = 0;
    }
  }
}

template <typename From, typename To>
Array widened(const Array& bits) {
  Array out(bits.shape(), dtype_of<To>);
  const From* from = static_cast<const From*>(bits.raw());
  To* to = out.data<To>();
  for (int64_t i = 0, n = bits.count(); i < n; ++i) to[i] = static_cast<To>(from[i]);
  return out;
}

Array to_signed(const Array& bits, const TorchTensor& t) {
  if (t.type == ElementType::u16) return widened<uint16_t, int32_t>(bits);
  if (t.type == ElementType::u32) return widened<uint32_t, int64_t>(bits);
  if (t.type != ElementType::u64) return bits;
  for (const int64_t value : bits.span<int64_t>())
    if (value < 0) user_error("tensor {}: a value above 2^63-1 does not fit in int64", t.text());
  return bits;
}

}  // namespace

const char* name_of(ElementType type) { return kTypes[static_cast<size_t>(type)].name; }

size_t size_of(ElementType type) { return kTypes[static_cast<size_t>(type)].bytes; }

bool find_element_type(std::string_view name, ElementType* type) {
  for (size_t i = 0; i < std::size(kTypes); ++i)
    if (name == kTypes[i].name) {
      *type = static_cast<ElementType>(i);
      return true;
    }
  return false;
}

ElementType element_type_of(DType dtype) { return static_cast<ElementType>(dtype); }

int64_t TorchTensor::count() const {
  int64_t product = 1;
  for (const int64_t n : size) product *= n;
  return product;
}

bool TorchTensor::contiguous() const {
  if (std::find(size.begin(), size.end(), 0) != size.end()) return true;
  int64_t expected = 1;
  for (size_t axis = size.size(); axis-- > 0;) {
    if (size[axis] != 1 && stride[axis] != expected) return false;
    expected *= size[axis];
  }
  return true;
}

std::string TorchTensor::text() const {
  return fmt::format("{}[{}]", name_of(type), fmt::join(size, ", "));
}

void check_window(const TorchTensor& t, const std::string& where) {
  if (!t.storage) user_error("{}: tensor {} has no storage", where, t.text());
  if (t.size.size() != t.stride.size() || t.size.size() > 64)
    user_error("{}: tensor with {} sizes and {} strides: equal numbers up to 64 expected", where,
               t.size.size(), t.stride.size());
  bool fits = t.offset >= 0, empty = false;
  int64_t last = t.offset, count = 1;
  for (size_t axis = 0; axis < t.size.size(); ++axis) {
    int64_t step = 0;
    fits = fits && t.size[axis] >= 0 && t.stride[axis] >= 0 &&
           !__builtin_mul_overflow(count, std::max<int64_t>(t.size[axis], 1), &count) &&
           !__builtin_mul_overflow(std::max<int64_t>(t.size[axis] - 1, 0), t.stride[axis], &step) &&
           !__builtin_add_overflow(last, step, &last);
    empty = empty || t.size[axis] == 0;
  }
  int64_t bytes = 0;
  fits = fits && !__builtin_mul_overflow(count, static_cast<int64_t>(size_of(t.type)), &bytes);
  const uint64_t capacity = t.storage->bytes() / size_of(t.type);
  if (fits && (empty || static_cast<uint64_t>(last) < capacity)) return;
  user_error(
      "{}: tensor {} with offset {} and strides [{}] does not lie inside its storage of {} "
      "elements",
      where, t.text(), t.offset, fmt::join(t.stride, ", "), capacity);
}

bool needs_copy(const TorchTensor& t) {
  return !t.contiguous() || !is_dtype(t.type) ||
         (t.storage->offset_bytes % size_of(t.type) != 0 && t.count() != 0);
}

Array array_of(const TorchTensor& t, uint64_t max_bytes) {
  const bool is_unsigned = t.type >= ElementType::u16 && t.type <= ElementType::u64;
  if (!is_dtype(t.type) && !is_unsigned)
    user_error(
        "tensor {}: {} elements cannot be computed with here; convert the tensor before "
        "saving it",
        t.text(), name_of(t.type));
  if (t.size.size() > static_cast<size_t>(Shape::kMaxRank))
    user_error("tensor {}: at most {} axes are supported", t.text(), Shape::kMaxRank);
  if (!t.storage || !t.storage->buffer) user_error("tensor {}: no data was read", t.text());
  const Shape shape(t.size);
  const DType dtype = is_unsigned ? bits_of(t.type) : static_cast<DType>(t.type);
  const TorchStorage& storage = *t.storage;
  if (t.count() == 0) return to_signed(Array(shape, dtype), t);
  const uint64_t start = storage.offset_bytes + static_cast<uint64_t>(t.offset) * size_of(t.type);
  if (!needs_copy(t)) return Array(shape, dtype, storage.buffer, start);
  if (static_cast<uint64_t>(t.count()) > max_bytes / size_of(t.type))
    user_error(
        "tensor {}: its elements must be copied into row-major order, which passes the "
        "limit of {} bytes",
        t.text(), max_bytes);
  Array out(shape, dtype);
  gather(t, static_cast<const char*>(storage.buffer->data()) + storage.offset_bytes,
         static_cast<char*>(out.raw()));
  return to_signed(out, t);
}

TorchTensor tensor_of(const Array& array) {
  TorchTensor t;
  t.type = element_type_of(array.dtype());
  t.size = array.shape().vec();
  t.stride.resize(t.size.size());
  int64_t step = 1;
  for (size_t axis = t.size.size(); axis-- > 0;) {
    t.stride[axis] = step;
    step *= std::max<int64_t>(t.size[axis], 1);
  }
  auto storage = std::make_shared<TorchStorage>();
  storage->type = t.type;
  const auto base = static_cast<const char*>(array.buffer()->data());
  const auto start = static_cast<uint64_t>(static_cast<const char*>(array.raw()) - base);
  const uint64_t element = size_of(t.type);
  storage->buffer = array.buffer();
  storage->offset_bytes = start % element;
  storage->count =
      static_cast<int64_t>((array.buffer()->bytes() - storage->offset_bytes) / element);
  t.offset = static_cast<int64_t>(start / element);
  t.storage = std::move(storage);
  return t;
}

}  // namespace trivium::formats
