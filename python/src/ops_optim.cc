// The frequent optimizers' updates of all parameters of a group in one call, each in PyTorch's
// order of operations; state and settings are kept by python/trivium/torch/optim.
#include <cmath>

#include "python/src/args.h"

namespace trivium::python {

namespace {

/// Gradients with maximize and weight decay applied.
Tensor descended(const Tensor& p, Tensor g, double decay, bool maximize) {
  if (maximize) g = g.neg();
  return decay != 0 ? g.add(p, decay) : g;
}

void same_length(const std::vector<Tensor>& params, const std::vector<Tensor>& others) {
  if (params.size() != others.size())
    type_error(fmt::format("{} parameters with {} tensors of state", params.size(), others.size()));
}

/// Returns the momentum buffers: those given, or new ones where the list is empty.
std::vector<Tensor> sgd(Args& a) {
  const std::vector<Tensor> params = a.tensors(0), grads = a.tensors(1);
  std::vector<Tensor> buffers = a.tensors(2);
  same_length(params, grads);
  const bool fresh = buffers.empty();
  if (!fresh) same_length(params, buffers);
  const double lr = a.real(3), momentum = a.real(4), dampening = a.real(5), decay = a.real(6);
  for (size_t i = 0; i < params.size(); ++i) {
    Tensor g = descended(params[i], grads[i], decay, a.flag(8));
    if (momentum != 0) {
      if (fresh)
        buffers.push_back(g.clone());
      else
        buffers[i].mul_(momentum).add_(g, 1 - dampening);
      g = a.flag(7) ? g.add(buffers[i], momentum) : buffers[i];
    }
    params[i].add_(g, -lr);
  }
  return buffers;
}

PyObject* adam(Args& a) {
  const std::vector<Tensor> params = a.tensors(0), grads = a.tensors(1), first = a.tensors(2),
                            second = a.tensors(3), largest = a.tensors(4);
  const std::vector<int64_t> steps = a.integers(5);
  for (const auto* list : {&grads, &first, &second}) same_length(params, *list);
  const double lr = a.real(6), b1 = a.real(7), b2 = a.real(8), eps = a.real(9), decay = a.real(10);
  const bool decoupled = a.flag(11), maximize = a.flag(12);
  for (size_t i = 0; i < params.size(); ++i) {
    const Tensor &p = params[i], &m = first[i];
    const Tensor g = descended(p, grads[i], decoupled ? 0 : decay, maximize);
    if (decoupled && decay != 0) p.mul_(1 - lr * decay);
    m.lerp_(g, 1 - b1);
    Tensor v = second[i];
    v.mul_(b2).addcmul_(g, g, 1 - b2);
    if (!largest.empty()) v = largest[i].copy_(largest[i].maximum(v));
    const auto n = static_cast<double>(steps.at(i));
    const Tensor root = v.sqrt().div(std::sqrt(1 - std::pow(b2, n)));
    p.addcdiv_(m, root.add_(eps), -(lr / (1 - std::pow(b1, n))));
  }
  return none();
}

PyObject* adadelta(Args& a) {
  const std::vector<Tensor> params = a.tensors(0), grads = a.tensors(1), squares = a.tensors(2),
                            moved = a.tensors(3);
  for (const auto* list : {&grads, &squares, &moved}) same_length(params, *list);
  const double lr = a.real(4), rho = a.real(5), eps = a.real(6);
  for (size_t i = 0; i < params.size(); ++i) {
    const Tensor g = descended(params[i], grads[i], a.real(7), a.flag(8));
    squares[i].mul_(rho).addcmul_(g, g, 1 - rho);
    const Tensor d = moved[i].add(eps).sqrt_().div_(squares[i].add(eps).sqrt_()).mul_(g);
    moved[i].mul_(rho).addcmul_(d, d, 1 - rho);
    params[i].add_(d, -lr);
  }
  return none();
}

PyObject* rmsprop(Args& a) {
  const std::vector<Tensor> params = a.tensors(0), grads = a.tensors(1), squares = a.tensors(2),
                            means = a.tensors(3), buffers = a.tensors(4);
  for (const auto* list : {&grads, &squares}) same_length(params, *list);
  const double lr = a.real(5), alpha = a.real(6), eps = a.real(7), momentum = a.real(9);
  for (size_t i = 0; i < params.size(); ++i) {
    const Tensor g = descended(params[i], grads[i], a.real(8), a.flag(10));
    const Tensor& s = squares[i].mul_(alpha).addcmul_(g, g, 1 - alpha);
    Tensor root;
    if (!means.empty()) {
      const Tensor& q = means[i].lerp_(g, 1 - alpha);
      root = s.addcmul(q, q, -1).sqrt_().add_(eps);
    } else {
      root = s.sqrt().add_(eps);
    }
    if (!buffers.empty())
      params[i].add_(buffers[i].mul_(momentum).addcdiv_(g, root), -lr);
    else
      params[i].addcdiv_(g, root, -lr);
  }
  return none();
}

}  // namespace

void define_optimizers(Registry& r) {
  r.function("_sgd_step",
             "params, grads, buffers, lr, momentum, dampening, weight_decay, nesterov, maximize",
             [](Args& a) { return sgd(a); });
  r.function("_adam_step",
             "params, grads, first, second, largest, steps, lr, beta1, beta2, eps, weight_decay, "
             "decoupled, maximize",
             [](Args& a) { return adam(a); });
  r.function("_adadelta_step",
             "params, grads, squares, moved, lr, rho, eps, weight_decay, maximize",
             [](Args& a) { return adadelta(a); });
  r.function("_rmsprop_step",
             "params, grads, squares, means, buffers, lr, alpha, eps, weight_decay, momentum, "
             "maximize",
             [](Args& a) { return rmsprop(a); });
}

}  // namespace trivium::python
