// The elementwise operations over 64-bit integers. Sums, products and shifts are computed without a
// sign, where wrapping is defined; narrower integers take the lowest bits of the result.
#include "trivium/engine/core/error.h"
#include "trivium/engine/core/scalar_op.h"

namespace trivium {
namespace {

uint64_t bits(int64_t v) { return static_cast<uint64_t>(v); }
int64_t number(uint64_t v) { return static_cast<int64_t>(v); }
int64_t negated(int64_t v) { return number(0 - bits(v)); }

void require_divisor(const char* op, int64_t b) {
  if (b == 0) user_error("{}: an integer is divided by 0", op);
}

/// The smallest integer divided by -1 has no quotient of 64 bits: it wraps, with remainder 0.
int64_t truncated_remainder(int64_t a, int64_t b) { return b == -1 ? 0 : a % b; }

int64_t floor_remainder(int64_t a, int64_t b) {
  const int64_t r = truncated_remainder(a, b);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

int64_t floor_quotient(int64_t a, int64_t b) {
  if (b == -1) return negated(a);
  return a / b - (a % b != 0 && (a % b < 0) != (b < 0));
}

/// By squaring. A negative power is 0 but of 1 and -1.
int64_t power(int64_t a, int64_t b) {
  if (b < 0) return a == 1 ? 1 : a == -1 ? (b % 2 ? -1 : 1) : 0;
  uint64_t result = 1, base = bits(a);
  for (; b > 0; b >>= 1, base *= base)
    if (b & 1) result *= base;
  return number(result);
}

}  // namespace

bool has_integer_meaning(ScalarOp op) {
  using enum ScalarOp;
  switch (op) {
    case neg:
    case abs:
    case sign:
    case square:
    case relu:
    case logical_not:
    case add:
    case sub:
    case mul:
    case pow:
    case maximum:
    case minimum:
    case equal:
    case not_equal:
    case less:
    case less_equal:
    case greater:
    case greater_equal:
    case logical_and:
    case logical_or:
    case mod:
    case relu_grad:
    case select:
    case clip:
    case bitwise_not:
    case fmod:
    case floor_div:
    case bitwise_and:
    case bitwise_or:
    case bitwise_xor:
    case shift_left:
    case shift_right:
      return true;
    default:
      return false;
  }
}

int64_t apply_integer(ScalarOp op, int64_t a, int64_t b, int64_t c) {
  using enum ScalarOp;
  switch (op) {
    case neg:
      return negated(a);
    case abs:
      return a < 0 ? negated(a) : a;
    case sign:
      return (a > 0) - (a < 0);
    case square:
      return number(bits(a) * bits(a));
    case relu:
      return a > 0 ? a : 0;
    case logical_not:
      return a == 0;
    case add:
      return number(bits(a) + bits(b));
    case sub:
      return number(bits(a) - bits(b));
    case mul:
      return number(bits(a) * bits(b));
    case pow:
      return power(a, b);
    case maximum:
      return a > b ? a : b;
    case minimum:
      return a < b ? a : b;
    case equal:
      return a == b;
    case not_equal:
      return a != b;
    case less:
      return a < b;
    case less_equal:
      return a <= b;
    case greater:
      return a > b;
    case greater_equal:
      return a >= b;
    case logical_and:
      return a != 0 && b != 0;
    case logical_or:
      return a != 0 || b != 0;
    case relu_grad:
      return b > 0 ? a : 0;
    case select:
      return a != 0 ? b : c;
    case clip: {
      const int64_t above = a > b ? a : b;
      return above < c ? above : c;
    }
    case mod:
      require_divisor("mod", b);
      return floor_remainder(a, b);
    case fmod:
      require_divisor("fmod", b);
      return truncated_remainder(a, b);
    case floor_div:
      require_divisor("floor_div", b);
      return floor_quotient(a, b);
    case bitwise_not:
      return ~a;
    case bitwise_and:
      return a & b;
    case bitwise_or:
      return a | b;
    case bitwise_xor:
      return a ^ b;
    case shift_left:
      return b >= 0 && b < 64 ? number(bits(a) << b) : 0;
    case shift_right:  // what is shifted out by far, or by a negative number, leaves the sign
      return a >> (b >= 0 && b < 64 ? b : 63);
    default:
      internal_error("{} over integers", name_of(op));
  }
}

}  // namespace trivium
