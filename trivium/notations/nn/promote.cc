#include "trivium/notations/nn/promote.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "trivium/notations/nn/tensor_detail.h"

namespace trivium::nn {
namespace {

DType default_floating = DType::f32;

/// Order of dtypes inside a category; the wider of two wins.
int width(DType d) {
  switch (d) {
    case DType::f16:
    case DType::bf16:
      return 1;
    case DType::f32:
      return 2;
    case DType::f64:
      return 3;
    default:
      return static_cast<int>(size_of(d));
  }
}

/// What tensors with axes, rank-0 tensors and numbers ask for; none where there are none.
struct Wish {
  std::optional<DType> with_axes, without, numbers;
  void add(std::optional<DType>& wish, DType d) { wish = wish ? promote_types(*wish, d) : d; }
  void add(const Tensor& t) { add(t.shape().rank() > 0 ? with_axes : without, t.dtype()); }
  void add(const Scalar& s) { add(numbers, dtype_of_scalar(s)); }
  DType result() const {
    std::optional<DType> d = with_axes;
    for (const std::optional<DType>& next : {without, numbers}) {
      if (!next) continue;
      if (!d)
        d = next;
      else if (category_of(*next) > category_of(*d))
        d = promote_types(*d, *next);
    }
    return d.value_or(default_floating);
  }
};

}  // namespace

DType default_dtype() { return default_floating; }

void set_default_dtype(DType dtype) {
  if (!is_floating(dtype))
    raise<TypeError>("set_default_dtype: a floating dtype expected, {} received", name_of(dtype));
  default_floating = dtype;
}

int category_of(DType dtype) { return dtype == DType::bool_ ? 0 : is_integer(dtype) ? 1 : 2; }

DType promote_types(DType a, DType b) {
  if (a == b) return a;
  const int ca = category_of(a), cb = category_of(b);
  if (ca != cb) return ca > cb ? a : b;
  if (ca == 2) {
    if (width(a) == 1 && width(b) == 1) return DType::f32;
    return width(a) > width(b) ? a : b;
  }
  if (width(a) == width(b)) return DType::i16;  // uint8 and int8
  const DType wide = width(a) > width(b) ? a : b;
  return wide;
}

DType dtype_of_scalar(const Scalar& number) {
  if (number.is_bool()) return DType::bool_;
  return number.is_integer() ? DType::i64 : default_floating;
}

DType floating_type(DType dtype) { return is_floating(dtype) ? dtype : default_floating; }

DType result_type(const Tensor& a, const Tensor& b) {
  if (a.dtype() == b.dtype()) return a.dtype();
  Wish wish;
  wish.add(a);
  wish.add(b);
  return wish.result();
}

DType result_type(const Tensor& a, const Scalar& b) {
  const DType d = a.dtype();
  if (category_of(d) >= category_of(dtype_of_scalar(b))) return d;
  return dtype_of_scalar(b);
}

DType result_type(const Scalar& a, const Scalar& b) {
  return promote_types(dtype_of_scalar(a), dtype_of_scalar(b));
}

DType result_type(std::span<const Tensor> tensors) {
  Wish wish;
  for (const Tensor& t : tensors) wish.add(t);
  return wish.result();
}

bool can_cast(DType from, DType to) { return category_of(from) <= category_of(to); }

Tensor cast_to(const Tensor& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  static const std::array<const record::Call*, 10> calls = [] {
    std::array<const record::Call*, 10> made{};
    for (size_t i = 0; i < made.size(); ++i)
      made[i] = call_with("cast", {{"dtype", std::string(name_of(static_cast<DType>(i)))}});
    return made;
  }();
  return record::apply(calls[static_cast<size_t>(dtype)], {x});
}

Tensor number_of(const Scalar& value, DType dtype) {
  constexpr int64_t kExact = int64_t{1} << 53;
  if (value.is_integer() && dtype == DType::i64 &&
      (value.integer() > kExact || value.integer() < -kExact))
    return Tensor(Array::scalar(value.integer()));
  if (dtype == DType::bool_) return record::number(value.real() != 0, dtype);
  // A plan's numbers are of the wide dtypes; the others are cast from them.
  if (dtype == DType::f32 || dtype == DType::f64) return record::number(value.real(), dtype);
  if (is_floating(dtype)) return cast_to(record::number(value.real(), DType::f32), dtype);
  double v = value.is_real() ? std::trunc(value.real()) : value.real();
  if (dtype != DType::i64) {  // numbers beyond the range wrap
    const int64_t bits = static_cast<int64_t>(size_of(dtype)) * 8, range = int64_t{1} << bits;
    const int64_t low = dtype == DType::u8 ? 0 : -(range / 2);
    v = static_cast<double>((((value.integer() - low) % range) + range) % range + low);
  }
  if (dtype == DType::i64 || dtype == DType::i32) return record::number(v, dtype);
  return cast_to(record::number(v, DType::i32), dtype);
}

}  // namespace trivium::nn
