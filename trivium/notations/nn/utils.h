// torch.nn.utils: clipping gradients, parameters as one vector, weight and spectral norm.
#pragma once

#include <string>

#include "trivium/notations/nn/module.h"

namespace trivium::nn::utils {

/// Scales all gradients so that their joint norm is at most max_norm; returns the norm before. Not
/// a look: the norm is computed with the step. norm_type may be infinity. UserError for a norm that
/// is not finite when error_if_nonfinite.
Tensor clip_grad_norm_(const Tensors& parameters, double max_norm, double norm_type = 2,
                       bool error_if_nonfinite = false);
/// The joint norm of tensors; 0 for none.
Tensor get_total_norm(const Tensors& tensors, double norm_type = 2,
                      bool error_if_nonfinite = false);
void clip_grads_with_norm_(const Tensors& parameters, double max_norm, const Tensor& total_norm);
/// Every element of every gradient to [-clip_value, clip_value].
void clip_grad_value_(const Tensors& parameters, double clip_value);

/// All parameters behind one another, and back.
Tensor parameters_to_vector(const Tensors& parameters);
void vector_to_parameters(const Tensor& vector, const Tensors& parameters);

/// The weight becomes g * v / |v|, norms over all axes but `dim` (-1: over all), before each call;
/// parameters weight_g and weight_v take its place.
void weight_norm(Module& module, const std::string& name = "weight", int64_t dim = 0);
void remove_weight_norm(Module& module, const std::string& name = "weight");

/// The weight becomes weight_orig / sigma, its largest singular value as found by power iteration:
/// parameter weight_orig, buffers weight_u and weight_v. In training every call iterates.
void spectral_norm(Module& module, const std::string& name = "weight",
                   int64_t n_power_iterations = 1, double eps = 1e-12, int64_t dim = 0);

}  // namespace trivium::nn::utils
