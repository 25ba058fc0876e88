#include "trivium/engine/core/array.h"

#include <sys/mman.h>

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <mutex>
#include <unordered_map>

#include "trivium/engine/core/half.h"

namespace trivium {
namespace {

constexpr size_t kAlignment = 64;
std::atomic<int64_t> allocations{0}, live_bytes{0}, peak_bytes{0};

void count_bytes(int64_t delta) {
  const int64_t now = live_bytes.fetch_add(delta) + delta;
  int64_t peak = peak_bytes.load();
  while (now > peak && !peak_bytes.compare_exchange_weak(peak, now)) {
  }
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TRIVIUM_ADDRESS_SANITIZER
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define TRIVIUM_ADDRESS_SANITIZER
#endif
#ifdef TRIVIUM_ADDRESS_SANITIZER
constexpr bool kShelve = false;  // a block that is used again would hide a use after free
#else
constexpr bool kShelve = true;
#endif

/// Freed blocks of the sizes a training step takes again in the next: given back to the system and
/// taken anew, each would be zeroed page by page.
class Shelf {
 public:
  void* take(size_t bytes) {
    if (!kShelve || bytes < kSmallest) return nullptr;
    std::lock_guard<std::mutex> hold(lock_);
    const auto at = blocks_.find(bytes);
    if (at == blocks_.end() || at->second.empty()) return nullptr;
    void* block = at->second.back();
    at->second.pop_back();
    kept_ -= bytes;
    return block;
  }

  /// False when the block is the caller's to free.
  bool give(void* block, size_t bytes) {
    if (!kShelve || bytes < kSmallest) return false;
    std::lock_guard<std::mutex> hold(lock_);
    const size_t most = std::max<size_t>(kLeast, static_cast<size_t>(peak_bytes.load()) / 2);
    if (kept_ + bytes > most) return false;
    blocks_[bytes].push_back(block);
    kept_ += bytes;
    return true;
  }

  void clear() {
    std::lock_guard<std::mutex> hold(lock_);
    for (auto& [bytes, list] : blocks_)
      for (void* block : list) std::free(block);
    blocks_.clear();
    kept_ = 0;
  }

 private:
  static constexpr size_t kSmallest = size_t{32} << 10, kLeast = size_t{16} << 20;
  std::mutex lock_;  // guards the rest
  std::unordered_map<size_t, std::vector<void*>> blocks_;
  size_t kept_ = 0;
};

/// Lives as long as the process: Buffers may be freed when other objects are destroyed.
Shelf& shelf() {
  static Shelf* const one = new Shelf;
  return *one;
}

size_t padded(size_t bytes) {
  return (std::max<size_t>(bytes, 1) + kAlignment - 1) / kAlignment * kAlignment;
}

/// Calls `f` with a null pointer of the C++ type behind `dtype`.
template <typename F>
auto visit(DType dtype, F&& f) {
  switch (dtype) {
    case DType::f32:
      return f(static_cast<float*>(nullptr));
    case DType::f64:
      return f(static_cast<double*>(nullptr));
    case DType::i8:
      return f(static_cast<int8_t*>(nullptr));
    case DType::u8:
      return f(static_cast<uint8_t*>(nullptr));
    case DType::i16:
      return f(static_cast<int16_t*>(nullptr));
    case DType::i32:
      return f(static_cast<int32_t*>(nullptr));
    case DType::i64:
      return f(static_cast<int64_t*>(nullptr));
    case DType::bool_:
      return f(static_cast<bool*>(nullptr));
    case DType::f16:
      return f(static_cast<Half*>(nullptr));
    case DType::bf16:
      return f(static_cast<BFloat*>(nullptr));
    default:
      internal_error("elements of dtype {}", static_cast<int>(dtype));
  }
}

/// Memory of the system; large blocks in huge pages where it has them: the first touch of a small
/// page costs as much as four times its bytes in a huge one.
void* fresh_memory(size_t size) {
  constexpr size_t kHugePage = 2u << 20;
  if (size < 2 * kHugePage) return std::aligned_alloc(kAlignment, size);
  void* data = std::aligned_alloc(kHugePage, (size + kHugePage - 1) / kHugePage * kHugePage);
#ifdef MADV_HUGEPAGE
  if (data) madvise(data, size, MADV_HUGEPAGE);
#endif
  return data;
}

}  // namespace

std::shared_ptr<Buffer> Buffer::allocate(size_t bytes) {
  if (bytes > static_cast<size_t>(INT64_MAX) - kAlignment)
    environment_error("out of memory: {} bytes asked for", bytes);
  void* data = shelf().take(padded(bytes));
  if (!data) data = fresh_memory(padded(bytes));
  if (!data) {
    shelf().clear();
    data = fresh_memory(padded(bytes));
  }
  if (!data) environment_error("out of memory: {} bytes asked for", bytes);
  allocations.fetch_add(1);
  count_bytes(static_cast<int64_t>(bytes));
  return std::shared_ptr<Buffer>(new Buffer(data, bytes, nullptr, true));
}

std::shared_ptr<Buffer> Buffer::wrap(void* data, size_t bytes, std::shared_ptr<void> keeper) {
  return std::shared_ptr<Buffer>(new Buffer(data, bytes, std::move(keeper), false));
}

Buffer::~Buffer() {
  if (!owned_) return;
  count_bytes(-static_cast<int64_t>(bytes_));
  if (!shelf().give(data_, padded(bytes_))) std::free(data_);
}

int64_t buffer_allocations() { return allocations.load(); }
int64_t buffer_bytes_live() { return live_bytes.load(); }
int64_t buffer_bytes_peak() { return peak_bytes.load(); }

Array::Array(Shape shape, DType dtype) : shape_(shape), dtype_(dtype) {
  int64_t bytes = 0;
  if (__builtin_mul_overflow(shape.count(), static_cast<int64_t>(size_of(dtype)), &bytes))
    user_error("array {}{}: the size in bytes does not fit in 64 bits", name_of(dtype),
               shape.text());
  buffer_ = Buffer::allocate(static_cast<size_t>(bytes));
}

Array::Array(Shape shape, DType dtype, std::shared_ptr<Buffer> buffer, size_t offset_bytes)
    : shape_(shape), dtype_(dtype), buffer_(std::move(buffer)), offset_(offset_bytes) {
  if (offset_ + bytes() > buffer_->bytes())
    internal_error("array {} at byte {} exceeds its buffer of {} bytes", text(), offset_,
                   buffer_->bytes());
}

Array Array::zeros(Shape shape, DType dtype) {
  Array a(shape, dtype);
  std::memset(a.raw(), 0, a.bytes());
  return a;
}

Array Array::full(Shape shape, double value, DType dtype) {
  Array a(shape, dtype);
  visit(dtype, [&](auto* p) {
    using T = std::remove_pointer_t<decltype(p)>;
    std::fill_n(static_cast<T*>(a.raw()), a.count(), static_cast<T>(value));
  });
  return a;
}

Array Array::reshaped(Shape shape) const {
  if (shape.count() != count())
    user_error("reshape: {} has {} elements, shape {} holds {}", text(), count(), shape.text(),
               shape.count());
  return Array(shape, dtype_, buffer_, offset_);
}

Array Array::clone() const {
  Array a(shape_, dtype_);
  std::memcpy(a.raw(), raw(), bytes());
  return a;
}

Array Array::cast(DType dtype) const {
  Array out(shape_, dtype);
  visit(dtype_, [&](auto* from) {
    using From = std::remove_pointer_t<decltype(from)>;
    visit(dtype, [&](auto* to) {
      using To = std::remove_pointer_t<decltype(to)>;
      const From* src = static_cast<const From*>(raw());
      To* dst = static_cast<To*>(out.raw());
      for (int64_t i = 0, n = count(); i < n; ++i) dst[i] = static_cast<To>(src[i]);
    });
  });
  return out;
}

double Array::at(int64_t index) const {
  return visit(dtype_, [&](auto* p) {
    return static_cast<double>(
        static_cast<const std::remove_pointer_t<decltype(p)>*>(raw())[index]);
  });
}

void Array::set(int64_t index, double value) {
  visit(dtype_, [&](auto* p) {
    using T = std::remove_pointer_t<decltype(p)>;
    static_cast<T*>(raw())[index] = static_cast<T>(value);
  });
}

double Array::item() const {
  if (count() != 1) user_error("item: exactly one element expected, {} has {}", text(), count());
  return at(0);
}

void Array::copy_from(const Array& other) {
  if (other.shape_ != shape_ || other.dtype_ != dtype_)
    user_error("copy: {} expected, {} received", text(), other.text());
  std::memcpy(raw(), other.raw(), bytes());
}

std::string Array::text() const { return fmt::format("{}{}", name_of(dtype_), shape_.text()); }

void Array::wrong_type(DType wanted) const {
  internal_error("array {} read as {}", text(), name_of(wanted));
}

}  // namespace trivium
