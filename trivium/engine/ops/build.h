// The ops as C++ functions over Values: how notations and gradient rules record. Each function has
// the name of its op; docs/ops.md (generated from the records) says what each one means in full.
#pragma once

#include <string>
#include <vector>

#include "trivium/engine/graph/graph.h"

namespace trivium::ops {

using Ints = std::vector<int64_t>;

/// Fills the registry; idempotent, called by every entry point of the engine.
void register_all();

// ---- elementwise (NumPy broadcasting; operands of equal dtype)
Value neg(Value x), abs(Value x), sign(Value x), exp(Value x), log(Value x), log1p(Value x),
    expm1(Value x);
Value sqrt(Value x), rsqrt(Value x), square(Value x), reciprocal(Value x), sin(Value x),
    cos(Value x);
Value tanh(Value x), sigmoid(Value x), erf(Value x), floor(Value x), ceil(Value x), round(Value x);
Value relu(Value x), softplus(Value x), logical_not(Value x), is_nan(Value x), is_inf(Value x);
Value tan(Value x), asin(Value x), acos(Value x), atan(Value x), sinh(Value x), cosh(Value x);
Value asinh(Value x), acosh(Value x), atanh(Value x), log2(Value x), log10(Value x), exp2(Value x);
Value trunc(Value x), erfc(Value x), erfinv(Value x), lgamma(Value x), digamma(Value x);
Value frac(Value x);  // x - trunc(x)
Value add(Value a, Value b), sub(Value a, Value b), mul(Value a, Value b), div(Value a, Value b);
Value pow(Value a, Value b), maximum(Value a, Value b), minimum(Value a, Value b),
    mod(Value a, Value b), atan2(Value a, Value b);
// quotients: mod has the sign of b and floor_div rounds down, fmod has the sign of a
Value fmod(Value a, Value b), floor_div(Value a, Value b);
// bits of integers and bool; shifts of integers (by 0 … bits - 1; right keeps the sign)
Value bitwise_and(Value a, Value b), bitwise_or(Value a, Value b), bitwise_xor(Value a, Value b);
Value bitwise_not(Value x), shift_left(Value a, Value b), shift_right(Value a, Value b);
// comparisons give bool
Value equal(Value a, Value b), not_equal(Value a, Value b), less(Value a, Value b),
    less_equal(Value a, Value b);
Value greater(Value a, Value b), greater_equal(Value a, Value b);
Value logical_and(Value a, Value b), logical_or(Value a, Value b);
Value relu_grad(Value dy, Value y);               // dy where y > 0, else 0
Value select(Value condition, Value a, Value b);  // condition bool; a and b of equal dtype
Value clip(Value x, Value lo, Value hi);
Value cast(Value x, DType dtype);
Value add_n(const std::vector<Value>& xs);  // equal shapes; summed left to right
Value stop_gradient(Value x);
// with a literal on one side (a compile-time constant: not for numbers that are scheduled)
Value add(Value a, double b), sub(Value a, double b), mul(Value a, double b),
    div(Value a, double b);
Value pow(Value a, double b), maximum(Value a, double b), minimum(Value a, double b);
Value rsub(double a, Value b), rdiv(double a, Value b);

// ---- reductions (axes empty = all)
Value sum(Value x, Ints axes = {}, bool keep_dims = false);
Value mean(Value x, Ints axes = {}, bool keep_dims = false);
/// Largest, smallest; NaN if any is. The gradient goes to the first of equal extremes
/// (ties = "first") or evenly to all of them ("even").
Value reduce_max(Value x, Ints axes = {}, bool keep_dims = false,
                 const std::string& ties = "first");
Value reduce_min(Value x, Ints axes = {}, bool keep_dims = false,
                 const std::string& ties = "first");
Value prod(Value x, Ints axes = {}, bool keep_dims = false);
/// Whether any, or every, element is not 0; bool. Of nothing: false, true.
Value any(Value x, Ints axes = {}, bool keep_dims = false);
Value all(Value x, Ints axes = {}, bool keep_dims = false);
/// log of the sum of exp(x) without overflow.
Value logsumexp(Value x, Ints axes = {}, bool keep_dims = false);
/// Mean of (x - mean)^2 times n / (n - correction), in two passes; correction 1 is the unbiased
/// estimate. NaN or infinite where n <= correction.
Value variance(Value x, Ints axes = {}, bool keep_dims = false, double correction = 0);
/// Sums the axes over which `shape` was broadcast to x's shape.
Value sum_to(Value x, const Shape& shape);
/// i64 index of the largest, the smallest; ties: first index (tie = "first") or last ("last").
/// nan_wins: a NaN is chosen before all numbers, else only when there is nothing else.
Value argmax(Value x, int axis, bool keep_dims = false, const std::string& tie = "first",
             bool nan_wins = false);
Value argmin(Value x, int axis, bool keep_dims = false, const std::string& tie = "first",
             bool nan_wins = false);
/// Outputs of what chooses along an axis: values (dtype of x) and where they were (i64).
struct TopK {
  Value values, indices;
};
/// The k largest along axis, descending. tie and nan_wins as argmax.
TopK top_k(Value x, int64_t k, int axis = -1, const std::string& tie = "first",
           bool nan_wins = false);
/// All elements along axis in order; stable. NaN ranks above every number.
TopK sort(Value x, int axis = -1, bool descending = false);

// ---- running along an axis (each result covers the elements up to and including its own)
/// `reverse` runs from the end.
Value cumsum(Value x, int axis, bool reverse = false);
Value cumprod(Value x, int axis);
/// NaN, once met, stays; of equal elements the last is named.
TopK cummax(Value x, int axis);
TopK cummin(Value x, int axis);

// ---- linear algebra
/// a [.., m, k] x b [.., k, n] (after optional transposes of the last two axes); leading axes
/// broadcast. bias [n] is added to every row.
Value matmul(Value a, Value b, bool transpose_a = false, bool transpose_b = false, Value bias = {});

/// Convolution family. x [N, C, spatial…], w [O, C/groups, kernel…], optional bias [O]; any number
/// of spatial axes; attributes one entry per spatial axis. Cross-correlation, zero padding.
struct ConvAttrs {
  Ints strides, pads_begin, pads_end, dilations;
  int64_t groups = 1;
};
Value conv(Value x, Value w, const ConvAttrs& a, Value bias = {});
/// Gradient of conv for x: dy [N, O, out…], w → [N, C, spatial…] with the given spatial sizes. It
/// is also the forward of deconvolution.
Value conv_bwd_data(Value dy, Value w, const ConvAttrs& a, Ints spatial);
/// Gradient of conv for w: x, dy → [O, C/groups, kernel…].
Value conv_bwd_weights(Value x, Value dy, const ConvAttrs& a, Ints kernel);

// ---- windows
/// Pooling over the spatial axes of [N, C, spatial…]. out = floor or ceil((in + begin + end - k)/s)
/// + 1; with ceil the last window must start inside in + begin (else one fewer).
struct PoolAttrs {
  Ints kernel, strides, pads_begin, pads_end;
  bool ceil = false;
  Ints dilations = {};    // of maxima only; distance of the places of a window
  bool nan_wins = false;  // of maxima only
};
/// Outputs: maximum over the window clipped to the image (first maximum in row-major order; NaN
/// wins only where all are NaN, or always with nan_wins) and its position inside the unclipped
/// window, row-major (u8 when the window has <= 256 places, else i32). Gradient goes to that
/// position.
struct MaxPool {
  Value y, position;
};
MaxPool max_pool(Value x, const PoolAttrs& a);
/// Position → index inside the channel plane, as i32.
Value max_pool_plane_index(Value position, const PoolAttrs& a, Ints spatial);
/// Sum over real places / divisor; divisor = area of the window clipped to [-begin, in + end) when
/// count_include_pad, else the number of real places.
Value avg_pool(Value x, const PoolAttrs& a, bool count_include_pad = true);
/// Local response normalisation across channels of [N, C, …]: x * (k + alpha/size * sum x^2)^-beta.
Value lrn(Value x, int64_t size, double alpha, double beta, double k);

// ---- normalisation, softmax, losses
Value softmax(Value x, int axis = -1);
Value log_softmax(Value x, int axis = -1);
/// logits [outer…, C at axis, inner…]; labels of the shape without axis (f32, i32 or i64;
/// truncated). loss (shape of labels, dtype of logits) = -log(max(p[label], floor)), 0 where label
/// == ignore_label (when has_ignore); probability = softmax(logits). A label outside [0, C) is a
/// UserError at run time.
struct CrossEntropy {
  Value loss, probability;
};
CrossEntropy softmax_cross_entropy(Value logits, Value labels, int axis, double floor = 0.0,
                                   bool has_ignore = false, int64_t ignore_label = 0);
/// Normalises [N, C, spatial…] by batch statistics per channel (biased variance):
/// y = (x - mean) * invstd [* gamma + beta]; mean, variance, invstd are [C].
struct BatchNorm {
  Value y, mean, variance, invstd;
};
BatchNorm batch_norm(Value x, double eps, Value gamma = {}, Value beta = {});
/// Normalises over the last `axes` axes (biased variance): y = (x - mean) * invstd [* gamma
/// [+ beta]]; gamma and beta have the shape of those axes, mean and invstd that of the others.
struct LayerNorm {
  Value y, mean, invstd;
};
LayerNorm layer_norm(Value x, int axes, double eps, Value gamma = {}, Value beta = {});
/// layer_norm of each of `groups` groups of channels of [N, C, spatial…]; gamma and beta [C].
Value group_norm(Value x, int64_t groups, double eps, Value gamma = {}, Value beta = {});
/// 1 where fewer than top_k other classes score >= the label's class (NaN label score: 0), else 0;
/// shape of labels, f32. Not differentiable.
Value in_top_k(Value scores, Value labels, int axis, int64_t top_k);

// ---- shape
Value reshape(Value x, const Shape& shape);  // a view
Value permute(Value x, Ints axes);
Value broadcast_to(Value x, const Shape& shape);
Value slice(Value x, Ints starts, Ints stops, Ints steps = {});
Value concat(const std::vector<Value>& xs, int axis);
Value pad(Value x, Ints before, Ints after, double value = 0.0);
Value flip(Value x, Ints axes);
/// out[.., i.., ..] = x[.., index[i..], ..] along axis; index i32 or i64, checked at run time.
Value gather(Value x, Value index, int axis = 0);
/// Places in x's row-major memory, i64, of the elements of an as_strided op with these attributes.
Array strided_places(const Attrs& attrs);
/// Adds rows of `updates` into zeros of `shape` along axis at index (gradient of gather).
Value scatter_add(Value updates, Value index, const Shape& shape, int axis = 0);
/// x with the elements that slice(x, starts, stops, steps) would give replaced by updates.
Value slice_scatter(Value x, Value updates, Ints starts, Ints stops, Ints steps = {});
/// y[.., i, ..] = x[.., index[.., i, ..], ..]: index has the rank of x, and along the other axes at
/// most its sizes. i32 or i64, checked at run time.
Value gather_elements(Value x, Value index, int axis);
/// x with updates put in at y[.., index[.., i, ..], ..], in row-major order of the updates, which
/// have the shape of index (as in gather_elements). reduce: "none" replaces (the last of equal
/// indices stays), "add", "multiply", "amax" and "amin" (NaN wins) combine with what is there.
Value scatter_elements(Value x, Value index, Value updates, int axis,
                       const std::string& reduce = "none");
/// x with rows along axis replaced (mode "set"; the last of equal indices stays) or increased
/// ("add"): y[.., index[k], ..] = or += updates[.., k, ..]. index has one axis.
Value index_update(Value x, Value index, Value updates, int axis = 0,
                   const std::string& mode = "set");
/// x (integers or float labels) → [.., depth] of 0 and 1 (out of range: all 0).
Value one_hot(Value x, int64_t depth, DType dtype = DType::f32);

// ---- random
/// MT19937 draws in Caffe's algorithms (spec of the caffe notation): state i32[625] → value, next
/// state.
struct Draw {
  Value value, state;
};
Draw mt19937_uniform(Value state, const Shape& shape, double lo, double hi);
Draw mt19937_gaussian(Value state, const Shape& shape, double mean, double stddev);
/// Gaussian times a Bernoulli mask of probability sparse/shape[0] (all gaussians first, then the
/// mask).
Draw mt19937_sparse_gaussian(Value state, const Shape& shape, double mean, double stddev,
                             int64_t sparse);
/// Uniform(0,1), each row along axis 0 divided by its sum.
Draw mt19937_unitball(Value state, const Shape& shape);
/// 1 with probability `keep` (Caffe's dropout rule), else 0; u8.
Draw mt19937_bernoulli(Value state, const Shape& shape, double keep);
/// Philox: pure functions of (seed, stream) scalars (i64, rank 0) and the element index.
Value philox_uniform(Value seed, Value stream, const Shape& shape, double lo = 0, double hi = 1);
Value philox_normal(Value seed, Value stream, const Shape& shape, double mean = 0,
                    double stddev = 1);

// Operators live where argument-dependent lookup finds them.
}  // namespace trivium::ops

namespace trivium {
inline Value operator+(Value a, Value b) { return ops::add(a, b); }
inline Value operator-(Value a, Value b) { return ops::sub(a, b); }
inline Value operator*(Value a, Value b) { return ops::mul(a, b); }
inline Value operator/(Value a, Value b) { return ops::div(a, b); }
inline Value operator-(Value a) { return ops::neg(a); }
inline Value operator+(Value a, double b) { return ops::add(a, b); }
inline Value operator-(Value a, double b) { return ops::sub(a, b); }
inline Value operator*(Value a, double b) { return ops::mul(a, b); }
inline Value operator/(Value a, double b) { return ops::div(a, b); }
}  // namespace trivium
