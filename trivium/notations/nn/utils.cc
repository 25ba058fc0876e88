// Gradient clipping and reparametrisations.
#include "trivium/notations/nn/utils.h"

#include <cmath>

#include "trivium/notations/nn/creation.h"
#include "trivium/notations/nn/functional.h"

namespace trivium::nn::utils {

namespace {

Tensors gradients_of(const Tensors& parameters) {
  Tensors out;
  for (const Tensor& p : parameters)
    if (p.grad().defined()) out.push_back(p.grad());
  return out;
}

/// Norms over every axis but `dim`, shaped to divide by.
Tensor norm_except(const Tensor& v, int64_t dim) {
  if (dim == -1) return v.norm(2);
  Dims axes;
  for (int64_t i = 0; i < v.dim(); ++i)
    if (i != dim) axes.push_back(i);
  return axes.empty() ? v.abs() : v.norm(2, axes, true);
}

Tensor& tensor_named(Module& module, const std::string& name) {
  Tensor* t = module.find_tensor(name);
  if (!t || !t->defined()) user_error("{}: no parameter '{}'", module.type_name(), name);
  return *t;
}

}  // namespace

Tensor get_total_norm(const Tensors& tensors, double norm_type, bool error_if_nonfinite) {
  if (tensors.empty()) return tensor(0.0);
  NoGradGuard no_grad;
  Tensors norms;
  for (const Tensor& t : tensors) norms.push_back(t.detach().norm(norm_type));
  const Tensor total = stack(norms).norm(norm_type);
  if (error_if_nonfinite && !std::isfinite(total.item()))
    user_error("clip_grad_norm_: the norm of the gradients is {}, they can not be clipped",
               total.item());
  return total;
}

void clip_grads_with_norm_(const Tensors& parameters, double max_norm, const Tensor& total_norm) {
  NoGradGuard no_grad;
  const Tensor factor = (Scalar(max_norm) / (total_norm + 1e-6)).clamp(std::nullopt, Scalar(1.0));
  for (const Tensor& g : gradients_of(parameters)) g.mul_(factor.to(g.dtype()));
}

Tensor clip_grad_norm_(const Tensors& parameters, double max_norm, double norm_type,
                       bool error_if_nonfinite) {
  const Tensors gradients = gradients_of(parameters);
  const Tensor total = get_total_norm(gradients, norm_type, error_if_nonfinite);
  if (!gradients.empty()) clip_grads_with_norm_(parameters, max_norm, total);
  return total;
}

void clip_grad_value_(const Tensors& parameters, double clip_value) {
  NoGradGuard no_grad;
  for (const Tensor& g : gradients_of(parameters))
    g.clamp_(Scalar(-clip_value), Scalar(clip_value));
}

Tensor parameters_to_vector(const Tensors& parameters) {
  Tensors flat;
  for (const Tensor& p : parameters) flat.push_back(p.reshape({-1}));
  return cat(flat);
}

void vector_to_parameters(const Tensor& vector, const Tensors& parameters) {
  int64_t total = 0, offset = 0;
  for (const Tensor& p : parameters) total += p.numel();
  if (vector.dim() != 1 || vector.numel() != total)
    user_error("vector_to_parameters: expected a vector of {} elements, received {}", total,
               vector.shape().text());
  NoGradGuard no_grad;
  for (const Tensor& p : parameters) {
    p.copy_(vector.narrow(0, offset, p.numel()).view_as(p));
    offset += p.numel();
  }
}

void weight_norm(Module& module, const std::string& name, int64_t dim) {
  const Tensor weight = tensor_named(module, name).detach().clone();
  if (module.find_tensor(name + "_g"))
    user_error("weight_norm: '{}' of {} has one already", name, module.type_name());
  NoGradGuard no_grad;
  module.make_plain(name);
  module.parameter(name + "_g", norm_except(weight, dim).clone());
  module.parameter(name + "_v", weight);
  const auto compute = [name, dim](Module& m) {
    const Tensor &v = tensor_named(m, name + "_v"), &g = tensor_named(m, name + "_g");
    tensor_named(m, name) = v * (g / norm_except(v, dim));
  };
  compute(module);
  module.register_forward_pre_hook([compute](Module& m, const Tensors&) -> std::optional<Tensors> {
    compute(m);
    return std::nullopt;
  });
}

void remove_weight_norm(Module& module, const std::string& name) {
  if (!module.find_tensor(name + "_g"))
    raise<ValueError>("remove_weight_norm: '{}' of {} has none", name, module.type_name());
  const Tensor weight = tensor_named(module, name).detach().clone();
  module.remove_tensor(name + "_g");
  module.remove_tensor(name + "_v");
  module.make_parameter(name, weight);
  module.clear_forward_pre_hooks();
}

void spectral_norm(Module& module, const std::string& name, int64_t n_power_iterations, double eps,
                   int64_t dim) {
  if (n_power_iterations <= 0)
    raise<ValueError>("spectral_norm: n_power_iterations must be positive, received {}",
                      n_power_iterations);
  const Tensor weight = tensor_named(module, name).detach().clone();
  const auto as_matrix = [dim](const Tensor& w) {
    return (dim == 0 ? w : w.movedim(dim, 0)).reshape({w.size(dim), -1});
  };
  const auto unit = [eps](const Tensor& v) { return functional::normalize(v, 2, 0, eps); };
  NoGradGuard no_grad;
  const Tensor matrix = as_matrix(weight);
  const Tensor u = unit(randn({matrix.size(0)}, {.dtype = weight.dtype()}));
  const Tensor v = unit(randn({matrix.size(1)}, {.dtype = weight.dtype()}));
  module.make_plain(name);
  module.parameter(name + "_orig", weight);
  module.buffer(name + "_u", u);
  module.buffer(name + "_v", v);
  tensor_named(module, name) = weight;
  module.register_forward_pre_hook([=](Module& m, const Tensors&) -> std::optional<Tensors> {
    const Tensor& w = tensor_named(m, name + "_orig");
    const Tensor rows = as_matrix(w);
    Tensor left = tensor_named(m, name + "_u"), right = tensor_named(m, name + "_v");
    if (m.is_training()) {
      NoGradGuard off;
      for (int64_t i = 0; i < n_power_iterations; ++i) {
        right.assign(unit(rows.t().mv(left)));
        left.assign(unit(rows.mv(right)));
      }
      left = left.clone();
      right = right.clone();
    }
    tensor_named(m, name) = w / left.dot(rows.mv(right));
    return std::nullopt;
  });
}

}  // namespace trivium::nn::utils
