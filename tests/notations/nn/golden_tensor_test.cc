// Every case of tests/golden/torch/tensor.json (made with PyTorch) computed again: shapes, dtypes,
// values and gradients.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <functional>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>

#include "trivium/notations/nn/functional.h"

namespace trivium::nn {
namespace {

namespace F = functional;
using Tensors = std::vector<Tensor>;
using Key = std::vector<int64_t>;
constexpr double kInf = std::numeric_limits<double>::infinity();

Tensors both(const ValuesIndices& v) { return {v.values, v.indices}; }
Tensors all_of(const Unique& u) { return {u.values, u.inverse, u.counts}; }
Tensor numbers(const std::vector<int64_t>& v) { return tensor(v, static_cast<int64_t>(v.size())); }

/// The integers as a float64 leaf that wants a gradient.
Tensor wanting(const Tensor& x) { return x.to(float64).requires_grad_(); }

Tensor write_row(const Tensor& x, const Tensor& y) {
  const Tensor z = x * 1;
  z.index_put_({1}, y);
  z.select(1, 2).mul_(3);
  return z;
}

Tensor write_mask(const Tensor& x) {
  const Tensor z = x * 2;
  z.index_put_({z < 0}, 0.25);
  return z;
}

Tensor write_rows(const Tensor& x, const Tensor& y) {
  const Tensor z = x * 1;
  z.index_put_({Key{0, 2}}, y);
  z.index_put_({Slice(1, 3), 1}, 5.0);
  z.index_put_({numbers({3, 3}), numbers({1, 1})}, y[0].narrow(0, 0, 2), true);
  return z;
}

Tensor unpooled(const Tensor& x) {
  const auto [values, indices] = F::max_pool_with_indices(2, x, 2);
  return F::max_unpool(2, values, indices, 2);
}

Tensors trained_batch_norm(const Tensors& x) {
  const Tensor mean = x[1].clone(), var = x[2].detach().clone();
  const Tensor y = F::batch_norm(x[0], mean, var, x[3], x[4], true, 0.3);
  return {y, mean, var};
}

Tensors labelled(const Tensor& x, const Tensor& t) {
  const Tensor logs = x.log_softmax(2), lengths = numbers({6, 5}), sizes = numbers({2, 1});
  return {F::ctc_loss(logs, t + 1, lengths, sizes),
          F::ctc_loss(logs, t + 1, lengths, sizes, 0, Reduction::none)};
}

/// Derivatives at -1, 0 and 1 of functions with a corner there.
Tensor corners(const Tensor& x) {
  const std::vector<std::function<Tensor(const Tensor&)>> functions = {
      [](const Tensor& t) { return F::relu(t); },
      [](const Tensor& t) { return F::elu(t); },
      [](const Tensor& t) { return F::selu(t); },
      [](const Tensor& t) { return F::leaky_relu(t); },
      [](const Tensor& t) { return t.abs(); },
      [](const Tensor& t) { return t.sign(); },
      [](const Tensor& t) { return F::hardtanh(t); },
      [](const Tensor& t) { return F::relu6(t); },
      [](const Tensor& t) { return t.norm() * 0; },
      [](const Tensor& t) { return F::hardswish(t * 3); },
      [](const Tensor& t) { return F::softshrink(t, 1.0); },
      [](const Tensor& t) { return F::threshold(t, 0.0, 1.0); },
      [](const Tensor& t) { return F::smooth_l1_loss(t, t * 0, Reduction::none); },
      [](const Tensor& t) { return F::huber_loss(t, t * 0, Reduction::none); }};
  Tensors out;
  for (const auto& f : functions) {
    const Tensor t = (x.to(float64) - 1).detach().requires_grad_();
    f(t).sum().backward();
    out.push_back(t.grad());
  }
  return stack(out);
}

/// The gradient of the sum of squares of y for the first input, as something to differentiate.
Tensors slope(const Tensor& y, const Tensors& x) {
  return grad({y.square().sum()}, {x[0]}, {}, true, true);
}

Tensors two_meshes(const Tensors& x) {
  Tensors out = meshgrid(x);
  for (const Tensor& t : meshgrid(x, "xy")) out.push_back(t);
  return out;
}

using Function = std::function<Tensors(const Tensors&)>;

const std::map<std::string, Function>& functions() {
  static const std::map<std::string, Function> table = {
    {"exp", [](const Tensors& x) { return Tensors{x[0].exp()}; }},
    {"exp2", [](const Tensors& x) { return Tensors{x[0].exp2()}; }},
    {"expm1", [](const Tensors& x) { return Tensors{x[0].expm1()}; }},
    {"sin", [](const Tensors& x) { return Tensors{x[0].sin()}; }},
    {"cos", [](const Tensors& x) { return Tensors{x[0].cos()}; }},
    {"tan", [](const Tensors& x) { return Tensors{x[0].tan()}; }},
    {"atan", [](const Tensors& x) { return Tensors{x[0].atan()}; }},
    {"sinh", [](const Tensors& x) { return Tensors{x[0].sinh()}; }},
    {"cosh", [](const Tensors& x) { return Tensors{x[0].cosh()}; }},
    {"asinh", [](const Tensors& x) { return Tensors{x[0].asinh()}; }},
    {"tanh", [](const Tensors& x) { return Tensors{x[0].tanh()}; }},
    {"sigmoid", [](const Tensors& x) { return Tensors{x[0].sigmoid()}; }},
    {"erf", [](const Tensors& x) { return Tensors{x[0].erf()}; }},
    {"erfc", [](const Tensors& x) { return Tensors{x[0].erfc()}; }},
    {"abs", [](const Tensors& x) { return Tensors{x[0].abs()}; }},
    {"neg", [](const Tensors& x) { return Tensors{x[0].neg()}; }},
    {"square", [](const Tensors& x) { return Tensors{x[0].square()}; }},
    {"relu", [](const Tensors& x) { return Tensors{x[0].relu()}; }},
    {"sign", [](const Tensors& x) { return Tensors{x[0].sign()}; }},
    {"floor", [](const Tensors& x) { return Tensors{x[0].floor()}; }},
    {"ceil", [](const Tensors& x) { return Tensors{x[0].ceil()}; }},
    {"trunc", [](const Tensors& x) { return Tensors{x[0].trunc()}; }},
    {"frac", [](const Tensors& x) { return Tensors{x[0].frac()}; }},
    {"round", [](const Tensors& x) { return Tensors{x[0].round()}; }},
    {"log", [](const Tensors& x) { return Tensors{x[0].log()}; }},
    {"log1p", [](const Tensors& x) { return Tensors{x[0].log1p()}; }},
    {"log2", [](const Tensors& x) { return Tensors{x[0].log2()}; }},
    {"log10", [](const Tensors& x) { return Tensors{x[0].log10()}; }},
    {"sqrt", [](const Tensors& x) { return Tensors{x[0].sqrt()}; }},
    {"rsqrt", [](const Tensors& x) { return Tensors{x[0].rsqrt()}; }},
    {"reciprocal", [](const Tensors& x) { return Tensors{x[0].reciprocal()}; }},
    {"lgamma", [](const Tensors& x) { return Tensors{x[0].lgamma()}; }},
    {"digamma", [](const Tensors& x) { return Tensors{x[0].digamma()}; }},
    {"asin", [](const Tensors& x) { return Tensors{x[0].asin()}; }},
    {"acos", [](const Tensors& x) { return Tensors{x[0].acos()}; }},
    {"atanh", [](const Tensors& x) { return Tensors{x[0].atanh()}; }},
    {"erfinv", [](const Tensors& x) { return Tensors{x[0].erfinv()}; }},
    {"logit", [](const Tensors& x) { return Tensors{x[0].logit()}; }},
    {"nan_to_num", [](const Tensors& x) { return Tensors{((x[0] - 1.1).log() / 0.0).nan_to_num(1.0, 2.0, -3.0)}; }},
    {"add", [](const Tensors& x) { return Tensors{x[0] + x[1]}; }},
    {"add_alpha", [](const Tensors& x) { return Tensors{x[0].add(x[1], 0.3)}; }},
    {"sub", [](const Tensors& x) { return Tensors{x[0] - x[1]}; }},
    {"rsub_scalar", [](const Tensors& x) { return Tensors{2.5 - x[0]}; }},
    {"mul", [](const Tensors& x) { return Tensors{x[0] * x[1]}; }},
    {"div", [](const Tensors& x) { return Tensors{x[0] / x[1]}; }},
    {"rdiv_scalar", [](const Tensors& x) { return Tensors{2.5 / x[0]}; }},
    {"div_floor", [](const Tensors& x) { return Tensors{x[0].div(x[1], "floor")}; }},
    {"div_trunc", [](const Tensors& x) { return Tensors{x[0].div(x[1], "trunc")}; }},
    {"int_div", [](const Tensors& x) { return Tensors{stack({(x[0] - 4).floor_divide(3), (x[0] - 4).div(3, "trunc"), (x[0] - 4) % 3, (x[0] - 4).fmod(3)})}; }},
    {"int_true_div", [](const Tensors& x) { return Tensors{x[0] / 4}; }},
    {"remainder", [](const Tensors& x) { return Tensors{x[0] % x[1]}; }},
    {"fmod", [](const Tensors& x) { return Tensors{x[0].fmod(x[1])}; }},
    {"pow_0", [](const Tensors& x) { return Tensors{x[0].pow(0)}; }},
    {"pow_1", [](const Tensors& x) { return Tensors{x[0].pow(1)}; }},
    {"pow_2", [](const Tensors& x) { return Tensors{x[0].pow(2)}; }},
    {"pow_3", [](const Tensors& x) { return Tensors{x[0].pow(3)}; }},
    {"pow_-1", [](const Tensors& x) { return Tensors{x[0].pow(-1)}; }},
    {"pow_0.5", [](const Tensors& x) { return Tensors{x[0].pow(0.5)}; }},
    {"pow_1.7", [](const Tensors& x) { return Tensors{x[0].pow(1.7)}; }},
    {"pow_-0.5", [](const Tensors& x) { return Tensors{x[0].pow(-0.5)}; }},
    {"pow_-2", [](const Tensors& x) { return Tensors{x[0].pow(-2)}; }},
    {"pow_tensor", [](const Tensors& x) { return Tensors{x[0].pow(x[1])}; }},
    {"pow_zero", [](const Tensors& x) { return Tensors{wanting(x[0]).pow(0.0)}; }},
    {"rpow", [](const Tensors& x) { return Tensors{x[0].rpow(2.0)}; }},
    {"maximum", [](const Tensors& x) { return Tensors{x[0].maximum(x[1])}; }},
    {"maximum_ties", [](const Tensors& x) { return Tensors{x[0].maximum(x[0] * 1.0)}; }},
    {"minimum", [](const Tensors& x) { return Tensors{x[0].minimum(x[1])}; }},
    {"atan2", [](const Tensors& x) { return Tensors{x[0].atan2(x[1])}; }},
    {"hypot", [](const Tensors& x) { return Tensors{x[0].hypot(x[1])}; }},
    {"xlogy", [](const Tensors& x) { return Tensors{x[0].xlogy(x[1])}; }},
    {"logaddexp", [](const Tensors& x) { return Tensors{x[0].logaddexp(x[1])}; }},
    {"clamp", [](const Tensors& x) { return Tensors{x[0].clamp(-0.4, 0.5)}; }},
    {"clamp_min", [](const Tensors& x) { return Tensors{x[0].clamp(0)}; }},
    {"clamp_tensor", [](const Tensors& x) { return Tensors{x[0].clamp(x[1], x[1] + 0.3)}; }},
    {"clamp_bound", [](const Tensors& x) { return Tensors{wanting(x[0]).clamp(0.0, 1.0)}; }},
    {"addcmul", [](const Tensors& x) { return Tensors{x[0].addcmul(x[1], x[2], 0.7)}; }},
    {"addcdiv", [](const Tensors& x) { return Tensors{x[0].addcdiv(x[1], x[2], 0.7)}; }},
    {"lerp", [](const Tensors& x) { return Tensors{x[0].lerp(x[1], 0.3)}; }},
    {"lerp_tensor", [](const Tensors& x) { return Tensors{x[0].lerp(x[1], x[2])}; }},
    {"where", [](const Tensors& x) { return Tensors{nn::where(x[0], x[1], x[2])}; }},
    {"compare", [](const Tensors& x) { return Tensors{stack({x[0] < x[1], x[0] <= x[1], x[0] > x[1], x[0] >= x[1], x[0] == x[1], x[0] != x[1]})}; }},
    {"logical", [](const Tensors& x) { return Tensors{stack({x[0] & x[1], x[0] | x[1], x[0] ^ x[1], ~x[0], x[0].logical_xor(x[1])})}; }},
    {"bitwise", [](const Tensors& x) { return Tensors{stack({x[0] & x[1], x[0] | x[1], x[0] ^ x[1], ~x[0], x[0].bitwise_left_shift(2), x[0].bitwise_right_shift(1)})}; }},
    {"masked_fill", [](const Tensors& x) { return Tensors{x[0].masked_fill(x[1], 0.7)}; }},
    {"inplace", [](const Tensors& x) { return Tensors{(x[0] * 1).add_(2).mul_(x[0]).sub_(0.5).clamp_(0.2)}; }},
    {"inplace_view", [](const Tensors& x) { return Tensors{write_row(x[0], x[1])}; }},
    {"inplace_mask", [](const Tensors& x) { return Tensors{write_mask(x[0])}; }},
    {"sum_all", [](const Tensors& x) { return Tensors{x[0].sum()}; }},
    {"mean_all", [](const Tensors& x) { return Tensors{x[0].mean()}; }},
    {"prod_all", [](const Tensors& x) { return Tensors{x[0].prod()}; }},
    {"var_all", [](const Tensors& x) { return Tensors{x[0].var()}; }},
    {"std_all", [](const Tensors& x) { return Tensors{x[0].std()}; }},
    {"amax_all", [](const Tensors& x) { return Tensors{x[0].amax()}; }},
    {"amin_all", [](const Tensors& x) { return Tensors{x[0].amin()}; }},
    {"any_all", [](const Tensors& x) { return Tensors{x[0].any()}; }},
    {"all_all", [](const Tensors& x) { return Tensors{x[0].all()}; }},
    {"argmax_all", [](const Tensors& x) { return Tensors{x[0].argmax()}; }},
    {"argmin_all", [](const Tensors& x) { return Tensors{x[0].argmin()}; }},
    {"norm_all", [](const Tensors& x) { return Tensors{x[0].norm(2)}; }},
    {"norm1_all", [](const Tensors& x) { return Tensors{x[0].norm(1)}; }},
    {"norm3_all", [](const Tensors& x) { return Tensors{x[0].norm(3)}; }},
    {"norminf_all", [](const Tensors& x) { return Tensors{x[0].norm(kInf)}; }},
    {"sum_0", [](const Tensors& x) { return Tensors{x[0].sum(0)}; }},
    {"mean_0", [](const Tensors& x) { return Tensors{x[0].mean(0)}; }},
    {"prod_0", [](const Tensors& x) { return Tensors{x[0].prod(0)}; }},
    {"var_0", [](const Tensors& x) { return Tensors{x[0].var(0)}; }},
    {"std_0", [](const Tensors& x) { return Tensors{x[0].std(0)}; }},
    {"amax_0", [](const Tensors& x) { return Tensors{x[0].amax(0)}; }},
    {"amin_0", [](const Tensors& x) { return Tensors{x[0].amin(0)}; }},
    {"any_0", [](const Tensors& x) { return Tensors{x[0].any(0)}; }},
    {"all_0", [](const Tensors& x) { return Tensors{x[0].all(0)}; }},
    {"argmax_0", [](const Tensors& x) { return Tensors{x[0].argmax(0)}; }},
    {"argmin_0", [](const Tensors& x) { return Tensors{x[0].argmin(0)}; }},
    {"norm_0", [](const Tensors& x) { return Tensors{x[0].norm(2, 0)}; }},
    {"norm1_0", [](const Tensors& x) { return Tensors{x[0].norm(1, 0)}; }},
    {"norm3_0", [](const Tensors& x) { return Tensors{x[0].norm(3, 0)}; }},
    {"norminf_0", [](const Tensors& x) { return Tensors{x[0].norm(kInf, 0)}; }},
    {"sum_1", [](const Tensors& x) { return Tensors{x[0].sum(1)}; }},
    {"mean_1", [](const Tensors& x) { return Tensors{x[0].mean(1)}; }},
    {"prod_1", [](const Tensors& x) { return Tensors{x[0].prod(1)}; }},
    {"var_1", [](const Tensors& x) { return Tensors{x[0].var(1)}; }},
    {"std_1", [](const Tensors& x) { return Tensors{x[0].std(1)}; }},
    {"amax_1", [](const Tensors& x) { return Tensors{x[0].amax(1)}; }},
    {"amin_1", [](const Tensors& x) { return Tensors{x[0].amin(1)}; }},
    {"any_1", [](const Tensors& x) { return Tensors{x[0].any(1)}; }},
    {"all_1", [](const Tensors& x) { return Tensors{x[0].all(1)}; }},
    {"argmax_1", [](const Tensors& x) { return Tensors{x[0].argmax(1)}; }},
    {"argmin_1", [](const Tensors& x) { return Tensors{x[0].argmin(1)}; }},
    {"norm_1", [](const Tensors& x) { return Tensors{x[0].norm(2, 1)}; }},
    {"norm1_1", [](const Tensors& x) { return Tensors{x[0].norm(1, 1)}; }},
    {"norm3_1", [](const Tensors& x) { return Tensors{x[0].norm(3, 1)}; }},
    {"norminf_1", [](const Tensors& x) { return Tensors{x[0].norm(kInf, 1)}; }},
    {"sum_m1", [](const Tensors& x) { return Tensors{x[0].sum(-1)}; }},
    {"mean_m1", [](const Tensors& x) { return Tensors{x[0].mean(-1)}; }},
    {"prod_m1", [](const Tensors& x) { return Tensors{x[0].prod(-1)}; }},
    {"var_m1", [](const Tensors& x) { return Tensors{x[0].var(-1)}; }},
    {"std_m1", [](const Tensors& x) { return Tensors{x[0].std(-1)}; }},
    {"amax_m1", [](const Tensors& x) { return Tensors{x[0].amax(-1)}; }},
    {"amin_m1", [](const Tensors& x) { return Tensors{x[0].amin(-1)}; }},
    {"any_m1", [](const Tensors& x) { return Tensors{x[0].any(-1)}; }},
    {"all_m1", [](const Tensors& x) { return Tensors{x[0].all(-1)}; }},
    {"argmax_m1", [](const Tensors& x) { return Tensors{x[0].argmax(-1)}; }},
    {"argmin_m1", [](const Tensors& x) { return Tensors{x[0].argmin(-1)}; }},
    {"norm_m1", [](const Tensors& x) { return Tensors{x[0].norm(2, -1)}; }},
    {"norm1_m1", [](const Tensors& x) { return Tensors{x[0].norm(1, -1)}; }},
    {"norm3_m1", [](const Tensors& x) { return Tensors{x[0].norm(3, -1)}; }},
    {"norminf_m1", [](const Tensors& x) { return Tensors{x[0].norm(kInf, -1)}; }},
    {"prod_zero", [](const Tensors& x) { return Tensors{(x[0] * 1).masked_fill(x[0] > 0.6, 0.0).prod(1)}; }},
    {"sum_dims", [](const Tensors& x) { return Tensors{x[0].sum({0, 2}, true)}; }},
    {"max_all_ties", [](const Tensors& x) { return Tensors{wanting(x[0]).max()}; }},
    {"max_dim", [](const Tensors& x) { return both(x[0].max(1)); }},
    {"min_dim", [](const Tensors& x) { return both(x[0].min(0, true)); }},
    {"logsumexp", [](const Tensors& x) { return Tensors{x[0].logsumexp(1)}; }},
    {"cumsum", [](const Tensors& x) { return Tensors{x[0].cumsum(1)}; }},
    {"cumprod", [](const Tensors& x) { return Tensors{x[0].cumprod(0)}; }},
    {"cummax", [](const Tensors& x) { return both(x[0].cummax(1)); }},
    {"cummin", [](const Tensors& x) { return both(x[0].cummin(1)); }},
    {"median_all", [](const Tensors& x) { return Tensors{x[0].median()}; }},
    {"median_dim", [](const Tensors& x) { return both(x[0].median(1)); }},
    {"mode", [](const Tensors& x) { return Tensors{x[0].mode(1).values}; }},
    {"topk", [](const Tensors& x) { return both(x[0].topk(2, 1)); }},
    {"topk_smallest", [](const Tensors& x) { return both(x[0].topk(2, 0, false)); }},
    {"sort", [](const Tensors& x) { return both(x[0].sort(1)); }},
    {"sort_desc", [](const Tensors& x) { return both(x[0].sort(0, true)); }},
    {"kthvalue", [](const Tensors& x) { return both(x[0].kthvalue(2, 1)); }},
    {"unique", [](const Tensors& x) { return all_of(unique(x[0])); }},
    {"bincount", [](const Tensors& x) { return Tensors{x[0].bincount(), x[0].bincount(x[1], 8)}; }},
    {"histc", [](const Tensors& x) { return Tensors{x[0].histc(5, -1, 1)}; }},
    {"count_nonzero", [](const Tensors& x) { return Tensors{x[0].count_nonzero(1)}; }},
    {"softmax", [](const Tensors& x) { return Tensors{x[0].softmax(1)}; }},
    {"log_softmax", [](const Tensors& x) { return Tensors{x[0].log_softmax(1)}; }},
    {"nansum", [](const Tensors& x) { return Tensors{(x[0] - 1.1).log().nansum(1).detach()}; }},
    {"view", [](const Tensors& x) { return Tensors{x[0].view(2, -1)}; }},
    {"reshape_t", [](const Tensors& x) { return Tensors{x[0].t().reshape(6, 2)}; }},
    {"flatten", [](const Tensors& x) { return Tensors{x[0].flatten(1)}; }},
    {"squeeze", [](const Tensors& x) { return Tensors{x[0].squeeze(), x[0].squeeze(1), x[0].unsqueeze(-1)}; }},
    {"expand", [](const Tensors& x) { return Tensors{x[0].expand(2, 3, 4)}; }},
    {"permute", [](const Tensors& x) { return Tensors{x[0].permute(2, 0, 1)}; }},
    {"transpose", [](const Tensors& x) { return Tensors{x[0].transpose(0, 2)}; }},
    {"movedim", [](const Tensors& x) { return Tensors{x[0].movedim(0, 2)}; }},
    {"narrow", [](const Tensors& x) { return Tensors{x[0].narrow(1, 1, 3)}; }},
    {"select", [](const Tensors& x) { return Tensors{x[0][1], x[0].select(1, -1)}; }},
    {"split", [](const Tensors& x) { return x[0].split(2); }},
    {"chunk", [](const Tensors& x) { return x[0].chunk(3); }},
    {"unbind", [](const Tensors& x) { return x[0].unbind(0); }},
    {"diagonal", [](const Tensors& x) { return Tensors{x[0].diagonal(), x[0].diagonal(1), x[0].diagonal(-1)}; }},
    {"diag", [](const Tensors& x) { return Tensors{x[0].diag(), x[0].diag(1), x[0].diag(-2)}; }},
    {"unfold_dim", [](const Tensors& x) { return Tensors{x[0].unfold(0, 3, 2)}; }},
    {"repeat", [](const Tensors& x) { return Tensors{x[0].repeat({2, 1, 2})}; }},
    {"repeat_interleave", [](const Tensors& x) { return Tensors{x[0].repeat_interleave(2, 1)}; }},
    {"roll", [](const Tensors& x) { return Tensors{x[0].roll(1, 0), x[0].roll({1, -2}, {0, 1}), x[0].roll(3)}; }},
    {"flip", [](const Tensors& x) { return Tensors{x[0].flip({0, 1})}; }},
    {"rot90", [](const Tensors& x) { return Tensors{x[0].rot90(), x[0].rot90(3)}; }},
    {"tril", [](const Tensors& x) { return Tensors{x[0].tril(), x[0].triu(1)}; }},
    {"cat", [](const Tensors& x) { return Tensors{cat({x[0], x[1]})}; }},
    {"stack", [](const Tensors& x) { return Tensors{stack({x[0], x[1]}, 1)}; }},
    {"gather", [](const Tensors& x) { return Tensors{x[0].gather(1, x[1])}; }},
    {"index_select", [](const Tensors& x) { return Tensors{x[0].index_select(0, x[1])}; }},
    {"take", [](const Tensors& x) { return Tensors{x[0].take(x[1])}; }},
    {"masked_select", [](const Tensors& x) { return Tensors{x[0].masked_select(x[1])}; }},
    {"nonzero", [](const Tensors& x) { return Tensors{x[0].nonzero()}; }},
    {"scatter", [](const Tensors& x) { return Tensors{x[0].scatter(1, x[1] % 2 + numbers({0, 2}), x[2].narrow(1, 0, 2))}; }},
    {"scatter_value", [](const Tensors& x) { return Tensors{x[0].scatter(1, x[1], 0.5)}; }},
    {"scatter_add", [](const Tensors& x) { return Tensors{x[0].scatter_add(1, x[1], x[2].narrow(1, 0, 2))}; }},
    {"scatter_amax", [](const Tensors& x) { return Tensors{x[0].scatter_reduce(1, x[1], x[2].narrow(1, 0, 2), "amax")}; }},
    {"scatter_mean", [](const Tensors& x) { return Tensors{x[0].scatter_reduce(1, x[1], x[2].narrow(1, 0, 2), "mean"), x[0].scatter_reduce(1, x[1], x[2].narrow(1, 0, 2), "mean", false)}; }},
    {"index_add", [](const Tensors& x) { return Tensors{x[0].index_add(0, x[1], x[2], 0.5)}; }},
    {"index_fill", [](const Tensors& x) { return Tensors{x[0].index_fill(1, x[1], 0.5)}; }},
    {"index_mixed", [](const Tensors& x) { return Tensors{x[0].index({Slice(1, 3), None, Ellipsis, 2}), x[0].index({Slice(), Key{0, 2}}), x[0].index({Ellipsis, -1}), x[0].index({Slice({}, {}, 2), Slice(1, 4, 2)})}; }},
    {"index_advanced", [](const Tensors& x) { return Tensors{x[0].index({Slice(), Key{0, 1}, Slice(), Key{1, 2}}), x[0].index({Slice(), Key{0, 1}, Key{1, 2}}), x[0].index({Key{0, 1}, Slice(1, {}), Key{1, 0}})}; }},
    {"index_mask", [](const Tensors& x) { return Tensors{x[0].index({x[1]})}; }},
    {"index_mask2", [](const Tensors& x) { return Tensors{x[0].index({x[1]})}; }},
    {"index_repeat", [](const Tensors& x) { return Tensors{x[0].index({x[1]})}; }},
    {"index_put", [](const Tensors& x) { return Tensors{write_rows(x[0], x[1])}; }},
    {"mm", [](const Tensors& x) { return Tensors{x[0].mm(x[1])}; }},
    {"mv", [](const Tensors& x) { return Tensors{x[0].mv(x[1])}; }},
    {"dot", [](const Tensors& x) { return Tensors{x[0].dot(x[1])}; }},
    {"bmm", [](const Tensors& x) { return Tensors{x[0].bmm(x[1])}; }},
    {"outer", [](const Tensors& x) { return Tensors{x[0].outer(x[1])}; }},
    {"matmul_batch", [](const Tensors& x) { return Tensors{x[0].matmul(x[1])}; }},
    {"matmul_nd2", [](const Tensors& x) { return Tensors{x[0].matmul(x[1])}; }},
    {"matmul_1n", [](const Tensors& x) { return Tensors{x[0].matmul(x[1])}; }},
    {"int_mm", [](const Tensors& x) { return Tensors{x[0].matmul(x[1])}; }},
    {"matmul_t", [](const Tensors& x) { return Tensors{x[0].t().matmul(x[1].t())}; }},
    {"addmm", [](const Tensors& x) { return Tensors{x[0].addmm(x[1], x[2]), x[0].addmm(x[1], x[2], 0.5, 2)}; }},
    {"baddbmm", [](const Tensors& x) { return Tensors{x[0].baddbmm(x[1], x[2])}; }},
    {"trace", [](const Tensors& x) { return Tensors{x[0].trace()}; }},
    {"einsum_0", [](const Tensors& x) { return Tensors{einsum("ij,jk->ik", x)}; }},
    {"einsum_1", [](const Tensors& x) { return Tensors{einsum("bij,bjk", x)}; }},
    {"einsum_2", [](const Tensors& x) { return Tensors{einsum("ii->i", x)}; }},
    {"einsum_3", [](const Tensors& x) { return Tensors{einsum("ij->", x)}; }},
    {"einsum_4", [](const Tensors& x) { return Tensors{einsum("...i,oij,...j->...o", x)}; }},
    {"einsum_5", [](const Tensors& x) { return Tensors{einsum("bhqd,bhkd->bhqk", x)}; }},
    {"einsum_6", [](const Tensors& x) { return Tensors{einsum("i,j->ij", x)}; }},
    {"einsum_7", [](const Tensors& x) { return Tensors{einsum("ba", x)}; }},
    {"tensordot", [](const Tensors& x) { return Tensors{tensordot(x[0], x[1], {1, 2}, {1, 0})}; }},
    {"cdist", [](const Tensors& x) { return Tensors{cdist(x[0], x[1])}; }},
    {"linear", [](const Tensors& x) { return Tensors{F::linear(x[0], x[1], x[2])}; }},
    {"linear_nd", [](const Tensors& x) { return Tensors{F::linear(x[0], x[1], x[2])}; }},
    {"linear_nobias", [](const Tensors& x) { return Tensors{F::linear(x[0], x[1])}; }},
    {"conv1d", [](const Tensors& x) { return Tensors{F::conv1d(x[0], x[1], x[2], 2, 1)}; }},
    {"conv2d", [](const Tensors& x) { return Tensors{F::conv2d(x[0], x[1], x[2], {2, 1}, {1, 0})}; }},
    {"conv2d_group", [](const Tensors& x) { return Tensors{F::conv2d(x[0], x[1], {}, 1, 1, 2, 2)}; }},
    {"conv2d_same", [](const Tensors& x) { return Tensors{F::conv2d(x[0], x[1], x[2], 1, "same")}; }},
    {"conv2d_single", [](const Tensors& x) { return Tensors{F::conv2d(x[0], x[1], x[2])}; }},
    {"conv3d", [](const Tensors& x) { return Tensors{F::conv3d(x[0], x[1], x[2])}; }},
    {"conv_transpose1d", [](const Tensors& x) { return Tensors{F::conv_transpose1d(x[0], x[1], x[2], 2, 1, 1)}; }},
    {"conv_transpose2d", [](const Tensors& x) { return Tensors{F::conv_transpose2d(x[0], x[1], x[2], 2, 1, 1)}; }},
    {"conv_transpose_dil", [](const Tensors& x) { return Tensors{F::conv_transpose2d(x[0], x[1], {}, 1, 0, 1, 2, 2)}; }},
    {"unfold", [](const Tensors& x) { return Tensors{F::unfold(x[0], {3, 2}, 1, 1, 2)}; }},
    {"fold", [](const Tensors& x) { return Tensors{F::fold(x[0], 4, {3, 2}, 1, {0, 1}, {1, 2})}; }},
    {"max_pool2d", [](const Tensors& x) { return Tensors{F::max_pool2d(x[0], 2)}; }},
    {"max_pool2d_idx", [](const Tensors& x) { return both(F::max_pool_with_indices(2, x[0], 3, 2, 1, 1, true)); }},
    {"max_pool2d_dil", [](const Tensors& x) { return Tensors{F::max_pool2d(x[0], 2, 1, 0, 2)}; }},
    {"max_pool1d", [](const Tensors& x) { return Tensors{F::max_pool1d(x[0], 3, 2, 1)}; }},
    {"max_pool3d", [](const Tensors& x) { return Tensors{F::max_pool3d(x[0], 2)}; }},
    {"avg_pool2d", [](const Tensors& x) { return Tensors{F::avg_pool2d(x[0], 3, 2, 1, true)}; }},
    {"avg_pool2d_nopad", [](const Tensors& x) { return Tensors{F::avg_pool2d(x[0], 3, 2, 1, false, false)}; }},
    {"avg_pool2d_div", [](const Tensors& x) { return Tensors{F::avg_pool2d(x[0], 3, 2, 1, true, true, 5)}; }},
    {"avg_pool1d", [](const Tensors& x) { return Tensors{F::avg_pool1d(x[0], 3, 2, 1)}; }},
    {"lp_pool2d", [](const Tensors& x) { return Tensors{F::lp_pool2d(x[0], 2, 2)}; }},
    {"adaptive_avg", [](const Tensors& x) { return Tensors{F::adaptive_avg_pool2d(x[0], {3, 2})}; }},
    {"adaptive_avg_even", [](const Tensors& x) { return Tensors{F::adaptive_avg_pool2d(x[0], {3, 1})}; }},
    {"adaptive_max", [](const Tensors& x) { return both(F::adaptive_max_pool_with_indices(2, x[0], {3, 2})); }},
    {"max_unpool", [](const Tensors& x) { return Tensors{unpooled(x[0])}; }},
    {"F_relu", [](const Tensors& x) { return Tensors{F::relu(x[0] * 3)}; }},
    {"F_relu6", [](const Tensors& x) { return Tensors{F::relu6(x[0] * 3)}; }},
    {"F_leaky_relu", [](const Tensors& x) { return Tensors{F::leaky_relu(x[0] * 3)}; }},
    {"F_elu", [](const Tensors& x) { return Tensors{F::elu(x[0] * 3)}; }},
    {"F_selu", [](const Tensors& x) { return Tensors{F::selu(x[0] * 3)}; }},
    {"F_celu", [](const Tensors& x) { return Tensors{F::celu(x[0] * 3)}; }},
    {"F_gelu", [](const Tensors& x) { return Tensors{F::gelu(x[0] * 3)}; }},
    {"F_silu", [](const Tensors& x) { return Tensors{F::silu(x[0] * 3)}; }},
    {"F_mish", [](const Tensors& x) { return Tensors{F::mish(x[0] * 3)}; }},
    {"F_softplus", [](const Tensors& x) { return Tensors{F::softplus(x[0] * 3)}; }},
    {"F_softsign", [](const Tensors& x) { return Tensors{F::softsign(x[0] * 3)}; }},
    {"F_softshrink", [](const Tensors& x) { return Tensors{F::softshrink(x[0] * 3)}; }},
    {"F_hardshrink", [](const Tensors& x) { return Tensors{F::hardshrink(x[0] * 3)}; }},
    {"F_tanhshrink", [](const Tensors& x) { return Tensors{F::tanhshrink(x[0] * 3)}; }},
    {"F_hardtanh", [](const Tensors& x) { return Tensors{F::hardtanh(x[0] * 3)}; }},
    {"F_hardsigmoid", [](const Tensors& x) { return Tensors{F::hardsigmoid(x[0] * 3)}; }},
    {"F_hardswish", [](const Tensors& x) { return Tensors{F::hardswish(x[0] * 3)}; }},
    {"F_logsigmoid", [](const Tensors& x) { return Tensors{F::logsigmoid(x[0] * 3)}; }},
    {"F_gelu_tanh", [](const Tensors& x) { return Tensors{F::gelu(x[0] * 3, "tanh")}; }},
    {"F_zero", [](const Tensors& x) { return Tensors{corners(x[0])}; }},
    {"F_elu_big", [](const Tensors& x) { return Tensors{F::elu(x[0] * 2000)}; }},
    {"F_softplus_beta", [](const Tensors& x) { return Tensors{F::softplus(x[0] * 30, 2, 10)}; }},
    {"F_threshold", [](const Tensors& x) { return Tensors{F::threshold(x[0], 0.1, 0.7)}; }},
    {"F_glu", [](const Tensors& x) { return Tensors{F::glu(x[0])}; }},
    {"F_prelu", [](const Tensors& x) { return Tensors{F::prelu(x[0], x[1])}; }},
    {"F_softmin", [](const Tensors& x) { return Tensors{F::softmin(x[0], 1)}; }},
    {"batch_norm", [](const Tensors& x) { return trained_batch_norm(x); }},
    {"batch_norm_eval", [](const Tensors& x) { return Tensors{F::batch_norm(x[0], x[1], x[2].detach(), x[3], x[4])}; }},
    {"batch_norm_plain", [](const Tensors& x) { return Tensors{F::batch_norm(x[0], {}, {}, {}, {}, true)}; }},
    {"instance_norm", [](const Tensors& x) { return Tensors{F::instance_norm(x[0], {}, {}, x[1], x[2])}; }},
    {"layer_norm", [](const Tensors& x) { return Tensors{F::layer_norm(x[0], {3, 4}, x[1], x[2])}; }},
    {"layer_norm_plain", [](const Tensors& x) { return Tensors{F::layer_norm(x[0], 4)}; }},
    {"group_norm", [](const Tensors& x) { return Tensors{F::group_norm(x[0], 2, x[1], x[2])}; }},
    {"rms_norm", [](const Tensors& x) { return Tensors{F::rms_norm(x[0], 4, x[1])}; }},
    {"lrn", [](const Tensors& x) { return Tensors{F::local_response_norm(x[0], 3, 0.5, 0.75, 2.0)}; }},
    {"lrn_even", [](const Tensors& x) { return Tensors{F::local_response_norm(x[0], 4, 0.5, 0.75, 2.0)}; }},
    {"normalize", [](const Tensors& x) { return Tensors{F::normalize(x[0])}; }},
    {"embedding", [](const Tensors& x) { return Tensors{F::embedding(x[0], x[1])}; }},
    {"embedding_pad", [](const Tensors& x) { return Tensors{F::embedding(x[0], x[1], 2)}; }},
    {"embedding_bag", [](const Tensors& x) { return Tensors{F::embedding_bag(x[0], x[1]), F::embedding_bag(x[0], x[1], {}, "sum"), F::embedding_bag(x[0], x[1], {}, "max")}; }},
    {"one_hot", [](const Tensors& x) { return Tensors{F::one_hot(x[0]), F::one_hot(x[0], 7)}; }},
    {"cosine", [](const Tensors& x) { return Tensors{F::cosine_similarity(x[0], x[1])}; }},
    {"pairwise", [](const Tensors& x) { return Tensors{F::pairwise_distance(x[0], x[1])}; }},
    {"sdpa", [](const Tensors& x) { return Tensors{F::scaled_dot_product_attention(x[0], x[1], x[2])}; }},
    {"sdpa_causal", [](const Tensors& x) { return Tensors{F::scaled_dot_product_attention(x[0], x[1], x[2], {}, 0, true)}; }},
    {"sdpa_mask", [](const Tensors& x) { return Tensors{F::scaled_dot_product_attention(x[0], x[1], x[2], x[3] | eye(3, {}, {.dtype = boolean}))}; }},
    {"pad_reflect", [](const Tensors& x) { return Tensors{F::pad(x[0], {1, 2, 2, 1}, "reflect")}; }},
    {"pad_replicate", [](const Tensors& x) { return Tensors{F::pad(x[0], {1, 2, 2, 1}, "replicate")}; }},
    {"pad_circular", [](const Tensors& x) { return Tensors{F::pad(x[0], {1, 2, 2, 1}, "circular")}; }},
    {"pad_constant", [](const Tensors& x) { return Tensors{F::pad(x[0], {1, -1, 2, 0}, "constant", 0.5)}; }},
    {"interp_nearest", [](const Tensors& x) { return Tensors{F::interpolate(x[0], {7, 3}, {}, "nearest")}; }},
    {"interp_nearest-exact", [](const Tensors& x) { return Tensors{F::interpolate(x[0], {7, 3}, {}, "nearest-exact")}; }},
    {"interp_bilinear", [](const Tensors& x) { return Tensors{F::interpolate(x[0], {7, 3}, {}, "bilinear")}; }},
    {"interp_bicubic", [](const Tensors& x) { return Tensors{F::interpolate(x[0], {7, 3}, {}, "bicubic")}; }},
    {"interp_area", [](const Tensors& x) { return Tensors{F::interpolate(x[0], {7, 3}, {}, "area")}; }},
    {"interp_linear", [](const Tensors& x) { return Tensors{F::interpolate(x[0], {}, {1.5}, "linear"), F::interpolate(x[0], 8, {}, "linear", true)}; }},
    {"interp_trilinear", [](const Tensors& x) { return Tensors{F::interpolate(x[0], {4, 3, 5}, {}, "trilinear")}; }},
    {"interp_corners", [](const Tensors& x) { return Tensors{F::interpolate(x[0], {7, 3}, {}, "bicubic", true)}; }},
    {"interp_aa", [](const Tensors& x) { return Tensors{F::interpolate(x[0], {3, 4}, {}, "bilinear", {}, false, true), F::interpolate(x[0], {3, 4}, {}, "bicubic", {}, false, true)}; }},
    {"grid_sample", [](const Tensors& x) { return Tensors{F::grid_sample(x[0], x[1])}; }},
    {"grid_sample_border", [](const Tensors& x) { return Tensors{F::grid_sample(x[0], x[1] * 1.7, "bilinear", "border", true), F::grid_sample(x[0], x[1] * 1.7, "bilinear", "reflection", false)}; }},
    {"affine_grid", [](const Tensors& x) { return Tensors{F::affine_grid(x[0], {2, 1, 3, 4}), F::affine_grid(x[0], {2, 1, 3, 4}, true)}; }},
    {"pixel_shuffle", [](const Tensors& x) { return Tensors{F::pixel_shuffle(x[0], 2), F::pixel_unshuffle(F::pixel_shuffle(x[0], 2), 2), F::channel_shuffle(x[0], 4)}; }},
    {"mse_mean", [](const Tensors& x) { return Tensors{F::mse_loss(x[0], x[1], Reduction::mean)}; }},
    {"l1_mean", [](const Tensors& x) { return Tensors{F::l1_loss(x[0], x[1], Reduction::mean)}; }},
    {"nll_mean", [](const Tensors& x) { return Tensors{F::nll_loss(x[0], x[1], {}, -100, Reduction::mean)}; }},
    {"nll_weight_mean", [](const Tensors& x) { return Tensors{F::nll_loss(x[0], x[1], x[2] + 1.5, 1, Reduction::mean)}; }},
    {"ce_mean", [](const Tensors& x) { return Tensors{F::cross_entropy(x[0], x[1], {}, -100, Reduction::mean)}; }},
    {"ce_ignore_mean", [](const Tensors& x) { return Tensors{F::cross_entropy(x[0], x[1], {}, 2, Reduction::mean)}; }},
    {"ce_smooth_mean", [](const Tensors& x) { return Tensors{F::cross_entropy(x[0], x[1], x[2] + 1.5, 3, Reduction::mean, 0.1)}; }},
    {"ce_prob_mean", [](const Tensors& x) { return Tensors{F::cross_entropy(x[0], x[1], {}, -100, Reduction::mean, 0.2)}; }},
    {"bce_mean", [](const Tensors& x) { return Tensors{F::binary_cross_entropy(x[0], x[1].detach(), {}, Reduction::mean)}; }},
    {"bce_logits_mean", [](const Tensors& x) { return Tensors{F::binary_cross_entropy_with_logits(x[0] * 4, x[1].detach(), {}, Reduction::mean, x[2].detach())}; }},
    {"smooth_l1_mean", [](const Tensors& x) { return Tensors{F::smooth_l1_loss(x[0], x[1], Reduction::mean, 0.5)}; }},
    {"huber_mean", [](const Tensors& x) { return Tensors{F::huber_loss(x[0], x[1], Reduction::mean, 0.5)}; }},
    {"kl_mean", [](const Tensors& x) { return Tensors{F::kl_div(x[0], x[1], Reduction::mean)}; }},
    {"mse_sum", [](const Tensors& x) { return Tensors{F::mse_loss(x[0], x[1], Reduction::sum)}; }},
    {"l1_sum", [](const Tensors& x) { return Tensors{F::l1_loss(x[0], x[1], Reduction::sum)}; }},
    {"nll_sum", [](const Tensors& x) { return Tensors{F::nll_loss(x[0], x[1], {}, -100, Reduction::sum)}; }},
    {"nll_weight_sum", [](const Tensors& x) { return Tensors{F::nll_loss(x[0], x[1], x[2] + 1.5, 1, Reduction::sum)}; }},
    {"ce_sum", [](const Tensors& x) { return Tensors{F::cross_entropy(x[0], x[1], {}, -100, Reduction::sum)}; }},
    {"ce_ignore_sum", [](const Tensors& x) { return Tensors{F::cross_entropy(x[0], x[1], {}, 2, Reduction::sum)}; }},
    {"ce_smooth_sum", [](const Tensors& x) { return Tensors{F::cross_entropy(x[0], x[1], x[2] + 1.5, 3, Reduction::sum, 0.1)}; }},
    {"ce_prob_sum", [](const Tensors& x) { return Tensors{F::cross_entropy(x[0], x[1], {}, -100, Reduction::sum, 0.2)}; }},
    {"bce_sum", [](const Tensors& x) { return Tensors{F::binary_cross_entropy(x[0], x[1].detach(), {}, Reduction::sum)}; }},
    {"bce_logits_sum", [](const Tensors& x) { return Tensors{F::binary_cross_entropy_with_logits(x[0] * 4, x[1].detach(), {}, Reduction::sum, x[2].detach())}; }},
    {"smooth_l1_sum", [](const Tensors& x) { return Tensors{F::smooth_l1_loss(x[0], x[1], Reduction::sum, 0.5)}; }},
    {"huber_sum", [](const Tensors& x) { return Tensors{F::huber_loss(x[0], x[1], Reduction::sum, 0.5)}; }},
    {"kl_sum", [](const Tensors& x) { return Tensors{F::kl_div(x[0], x[1], Reduction::sum)}; }},
    {"mse_none", [](const Tensors& x) { return Tensors{F::mse_loss(x[0], x[1], Reduction::none)}; }},
    {"l1_none", [](const Tensors& x) { return Tensors{F::l1_loss(x[0], x[1], Reduction::none)}; }},
    {"nll_none", [](const Tensors& x) { return Tensors{F::nll_loss(x[0], x[1], {}, -100, Reduction::none)}; }},
    {"nll_weight_none", [](const Tensors& x) { return Tensors{F::nll_loss(x[0], x[1], x[2] + 1.5, 1, Reduction::none)}; }},
    {"ce_none", [](const Tensors& x) { return Tensors{F::cross_entropy(x[0], x[1], {}, -100, Reduction::none)}; }},
    {"ce_ignore_none", [](const Tensors& x) { return Tensors{F::cross_entropy(x[0], x[1], {}, 2, Reduction::none)}; }},
    {"ce_smooth_none", [](const Tensors& x) { return Tensors{F::cross_entropy(x[0], x[1], x[2] + 1.5, 3, Reduction::none, 0.1)}; }},
    {"ce_prob_none", [](const Tensors& x) { return Tensors{F::cross_entropy(x[0], x[1], {}, -100, Reduction::none, 0.2)}; }},
    {"bce_none", [](const Tensors& x) { return Tensors{F::binary_cross_entropy(x[0], x[1].detach(), {}, Reduction::none)}; }},
    {"bce_logits_none", [](const Tensors& x) { return Tensors{F::binary_cross_entropy_with_logits(x[0] * 4, x[1].detach(), {}, Reduction::none, x[2].detach())}; }},
    {"smooth_l1_none", [](const Tensors& x) { return Tensors{F::smooth_l1_loss(x[0], x[1], Reduction::none, 0.5)}; }},
    {"huber_none", [](const Tensors& x) { return Tensors{F::huber_loss(x[0], x[1], Reduction::none, 0.5)}; }},
    {"kl_none", [](const Tensors& x) { return Tensors{F::kl_div(x[0], x[1], Reduction::none)}; }},
    {"bce_edge", [](const Tensors& x) { return Tensors{F::binary_cross_entropy(wanting(x[0]), x[1].to(float64))}; }},
    {"ce_1d", [](const Tensors& x) { return Tensors{F::cross_entropy(x[0], x[1])}; }},
    {"kl_log", [](const Tensors& x) { return Tensors{F::kl_div(x[0], x[1], Reduction::batchmean, true)}; }},
    {"poisson", [](const Tensors& x) { return Tensors{F::poisson_nll_loss(x[0], x[1].detach() * 2, true, true)}; }},
    {"gaussian", [](const Tensors& x) { return Tensors{F::gaussian_nll_loss(x[0], x[1], x[2], true)}; }},
    {"hinge", [](const Tensors& x) { return Tensors{F::hinge_embedding_loss(x[0], x[1] * 2.0 - 1)}; }},
    {"margin_ranking", [](const Tensors& x) { return Tensors{F::margin_ranking_loss(x[0], x[1], x[2] * 2.0 - 1, 0.2)}; }},
    {"cosine_embedding", [](const Tensors& x) { return Tensors{F::cosine_embedding_loss(x[0], x[1], x[2] * 2 - 1, 0.1)}; }},
    {"soft_margin", [](const Tensors& x) { return Tensors{F::soft_margin_loss(x[0], x[1] * 2.0 - 1)}; }},
    {"multi_margin", [](const Tensors& x) { return Tensors{F::multi_margin_loss(x[0], x[1]), F::multi_margin_loss(x[0], x[1], 2, 0.7)}; }},
    {"multilabel_margin", [](const Tensors& x) { return Tensors{F::multilabel_margin_loss(x[0], cat({x[1], (x[1] + 1) % 4, full({3, 2}, -1)}, 1))}; }},
    {"multilabel_soft", [](const Tensors& x) { return Tensors{F::multilabel_soft_margin_loss(x[0], x[1] * 1.0)}; }},
    {"triplet", [](const Tensors& x) { return Tensors{F::triplet_margin_loss(x[0], x[1], x[2]), F::triplet_margin_loss(x[0], x[1], x[2], 1, 2, 1e-6, true)}; }},
    {"ctc", [](const Tensors& x) { return labelled(x[0], x[1]); }},
      {"draw_dropout", [](const Tensors& x) { return Tensors{F::dropout(x[0], 0.3)}; }},
      {"draw_dropout2d", [](const Tensors& x) { return Tensors{F::dropout2d(x[0], 0.4)}; }},
      {"draw_alpha", [](const Tensors& x) { return Tensors{F::alpha_dropout(x[0], 0.3, true)}; }},
      {"draw_rrelu", [](const Tensors& x) { return Tensors{F::rrelu(x[0], 1.0 / 8, 1.0 / 3, true)}; }},
      {"draw_gumbel", [](const Tensors& x) { return Tensors{F::gumbel_softmax(x[0], 0.7)}; }},
      {"draw_gumbel_hard", [](const Tensors& x) { return Tensors{F::gumbel_softmax(x[0], 1, true)}; }},
      {"draw_normal", [](const Tensors& x) { return Tensors{normal(x[0], x[1].detach())}; }},
      {"draw_bernoulli", [](const Tensors& x) { return Tensors{bernoulli(x[0].detach())}; }},
      {"draw_multinomial", [](const Tensors& x) { return Tensors{multinomial(x[0].detach(), 3)}; }},
      {"draw_transposed", [](const Tensors& x) { return Tensors{x[0].clone().t().uniform_()}; }},
      {"draw_strided", [](const Tensors& x) { return Tensors{x[0].clone().index({Slice(), Slice({}, {}, 2)}).normal_()}; }},
      {"draw_sdpa", [](const Tensors& x) { return Tensors{F::dropout(x[0].matmul(x[1].transpose(1, 2)).softmax(-1), 0.5).matmul(x[2])}; }},
      {"double_tanh", [](const Tensors& x) { return slope(x[0].tanh(), x); }},
      {"double_sigmoid", [](const Tensors& x) { return slope(x[0].sigmoid(), x); }},
      {"double_matmul", [](const Tensors& x) { return slope(x[0].matmul(x[1]), x); }},
      {"double_conv", [](const Tensors& x) { return slope(F::conv2d(x[0], x[1]), x); }},
      {"double_pow", [](const Tensors& x) { return slope(x[0].pow(2.5), x); }},
      {"double_index", [](const Tensors& x) { return slope(x[0].index({Key{0, 2, 0}}).square(), x); }},
      {"double_softmax", [](const Tensors& x) { return slope(x[0].softmax(1), x); }},
      {"double_layer_norm", [](const Tensors& x) { return slope(F::layer_norm(x[0], 4, x[1]), x); }},
      {"double_batch_norm", [](const Tensors& x) { return slope(F::batch_norm(x[0], {}, {}, x[1], {}, true), x); }},
      {"double_cross_entropy", [](const Tensors& x) { return Tensors{grad({F::cross_entropy(x[0], x[1])}, {x[0]}, {}, true, true)[0].square()}; }},
      {"masked_scatter", [](const Tensors& x) { return Tensors{x[0].masked_scatter(x[1], x[2])}; }},
      {"searchsorted", [](const Tensors& x) { return Tensors{searchsorted(x[0].sort().values, x[1]), searchsorted(x[0].sort().values, x[1], true)}; }},
      {"meshgrid", [](const Tensors& x) { return two_meshes(x); }},
      {"take_along", [](const Tensors& x) { return Tensors{x[0].take_along_dim(x[1], 0)}; }},
      {"diag_embed", [](const Tensors& x) { return Tensors{x[0].diag_embed(), x[0].diag_embed(1), x[0].diag_embed(-1, 0, 2)}; }},
      {"bilinear", [](const Tensors& x) { return Tensors{F::bilinear(x[0], x[1], x[2], x[3])}; }},
      {"addmv", [](const Tensors& x) { return Tensors{x[0].addmv(x[1], x[2], 0.5, 2)}; }},
      {"addbmm", [](const Tensors& x) { return Tensors{x[0].addbmm(x[1], x[2])}; }},
      {"addr", [](const Tensors& x) { return Tensors{x[0].addr(x[1], x[2])}; }},
      {"var_biased", [](const Tensors& x) { return Tensors{x[0].var(1, false), x[0].std(1, false)}; }},
      {"unique_dim", [](const Tensors& x) { return all_of(unique(x[0], 0)); }},
      {"unique_consecutive", [](const Tensors& x) { return all_of(unique_consecutive(x[0])); }},
      {"tensor_split", [](const Tensors& x) { return x[0].tensor_split(3); }},
      {"repeat_tensor", [](const Tensors& x) { return Tensors{x[0].repeat_interleave(x[1], 0)}; }},
      {"half", [](const Tensors& x) { return Tensors{(x[0].to(float16) * 3 + 1).to(float32)}; }},
      {"bf16", [](const Tensors& x) { return Tensors{x[0].to(bfloat16).sum(1).to(float32), x[0].to(bfloat16).relu().to(float32)}; }},
  };
  return table;
}

/// The inputs of a case: the formula of make_tensor.py.
Tensor make(const std::string& kind, const Shape& shape, int64_t seed, DType dtype) {
  Array whole(shape, DType::i64), real(shape, DType::f64);
  for (int64_t k = 0; k < shape.count(); ++k) {
    const int64_t raw = (k * 7929 + seed * 1047 + 13) % 2003;
    whole.data<int64_t>()[k] = kind == "b" ? raw % 2 == 0 : raw;
    double v = static_cast<double>(raw) / 1001.0 - 1.0;
    if (kind == "p") v += 1.1;
    if (kind == "u") v = v * 0.45 + 0.5;
    real.data<double>()[k] = v;
  }
  if (kind == "b") return tensor(whole.cast(DType::bool_));
  if (kind[0] == 'i') {
    for (int64_t& v : whole.span<int64_t>()) v %= std::stoi(kind.substr(1));
    return tensor(whole);
  }
  return tensor(real, {.dtype = dtype, .requires_grad = kind != "c"});
}

double weight(int64_t k, int which) {
  return (static_cast<double>((k * (31 + 6 * which) + 7) % 17 - 8) + 0.25 * which) / 8;
}

/// Weighted sum number `which` of a tensor's elements, and the size of its terms.
std::pair<double, double> weighted(const Tensor& t, int which) {
  const Array a = t.detach().to(float64).array();
  double sum = 0, size = 0;
  for (int64_t k = 0; k < a.count(); ++k) {
    double v = a.at(k);
    if (std::isnan(v)) v = 3.5;
    if (std::isinf(v)) v = v > 0 ? 7.25 : -5.75;
    sum += v * weight(k, which);
    size += std::abs(v * weight(k, which));
  }
  return {sum, size};
}

void expect_sums(const Tensor& t, const nlohmann::json& wanted, bool is_float,
                 const std::string& what) {
  for (int which : {1, 2}) {
    const auto [sum, size] = weighted(t, which);
    EXPECT_NEAR(sum, wanted[static_cast<size_t>(which - 1)].get<double>(),
                (is_float ? 1e-5 : 1e-10) * std::max(1.0, size))
        << what << ", sum " << which << "\n"
        << t.text();
  }
}

class GoldenTensor : public ::testing::TestWithParam<nlohmann::json> {};

TEST_P(GoldenTensor, IsWhatPyTorchComputes) {
  const nlohmann::json& c = GetParam();
  const DType dtype = parse_dtype(c["dtype"].get<std::string>());
  Tensors in;
  int64_t seed = 0;
  for (const auto& i : c["in"])
    in.push_back(
        make(i[0].get<std::string>(), Shape(i[1].get<std::vector<int64_t>>()), ++seed, dtype));
  const auto found = functions().find(c["op"].get<std::string>());
  ASSERT_NE(found, functions().end()) << c["op"];
  if (c["op"].get<std::string>().starts_with("draw_")) manual_seed(3);
  const Tensors out = found->second(in);
  ASSERT_EQ(out.size(), c["out"].size());
  Tensor loss;
  for (size_t k = 0; k < out.size(); ++k) {
    const auto& o = c["out"][k];
    EXPECT_EQ(out[k].shape().text(), Shape(o[0].get<std::vector<int64_t>>()).text());
    EXPECT_STREQ(name_of(out[k].dtype()),
                 o[1] == "bool" ? name_of(DType::bool_) : o[1].get<std::string>().c_str());
    expect_sums(out[k], o[2], dtype == DType::f32, fmt::format("output {}", k));
    if (!is_floating(out[k].dtype()) || !out[k].requires_grad()) continue;
    Array w(out[k].shape(), DType::f64);
    for (int64_t i = 0; i < w.count(); ++i) w.data<double>()[i] = weight(i, 1);
    const Tensor term = (out[k].to(float64) * Tensor(w)).sum();
    loss = loss.defined() ? loss + term : term;
  }
  if (loss.defined()) loss.backward();
  for (size_t k = 0; k < in.size(); ++k) {
    const auto& wanted = c["grad"][k];
    const Tensor g = in[k].grad();
    ASSERT_EQ(g.defined(), !wanted.is_null()) << "gradient " << k;
    if (g.defined()) expect_sums(g, wanted, dtype == DType::f32, fmt::format("gradient {}", k));
  }
}

std::vector<nlohmann::json> cases() {
  std::ifstream file(TRIVIUM_SOURCE_DIR "/tests/golden/torch/tensor.json");
  return nlohmann::json::parse(file).get<std::vector<nlohmann::json>>();
}

INSTANTIATE_TEST_SUITE_P(All, GoldenTensor, ::testing::ValuesIn(cases()), [](const auto& info) {
  std::string name = info.param["op"].template get<std::string>() + "_" +
                     info.param["dtype"].template get<std::string>();
  for (char& ch : name)
    if (!std::isalnum(static_cast<unsigned char>(ch))) ch = '_';
  return fmt::format("{}_{}", name, info.index);
});

}  // namespace
}  // namespace trivium::nn
