// Activation modules: the function each one is, and its text.
#include "trivium/notations/nn/modules_activation.h"

#include "trivium/notations/nn/creation.h"

namespace trivium::nn {

namespace F = functional;

namespace {

const char* in_place(bool inplace) { return inplace ? "inplace=True" : ""; }
std::string and_in_place(bool inplace) { return inplace ? ", inplace=True" : ""; }
std::string of_dim(std::optional<int64_t> dim) {
  return "dim=" + (dim ? std::to_string(*dim) : std::string("None"));
}

}  // namespace

ReLU::ReLU(bool inplace)
    : FunctionModule(in_place(inplace), [=](const Tensor& x) { return F::relu(x, inplace); }) {}
ReLU6::ReLU6(bool inplace)
    : FunctionModule(in_place(inplace), [=](const Tensor& x) { return F::relu6(x, inplace); }) {}
LeakyReLU::LeakyReLU(double slope, bool inplace)
    : FunctionModule("negative_slope=" + python_text(slope) + and_in_place(inplace),
                     [=](const Tensor& x) { return F::leaky_relu(x, slope, inplace); }) {}
ELU::ELU(double alpha, bool inplace)
    : FunctionModule("alpha=" + python_text(alpha) + and_in_place(inplace),
                     [=](const Tensor& x) { return F::elu(x, alpha, inplace); }) {}
SELU::SELU(bool inplace)
    : FunctionModule(in_place(inplace), [=](const Tensor& x) { return F::selu(x, inplace); }) {}
CELU::CELU(double alpha, bool inplace)
    : FunctionModule("alpha=" + python_text(alpha) + and_in_place(inplace),
                     [=](const Tensor& x) { return F::celu(x, alpha, inplace); }) {}
GELU::GELU(const std::string& approximate)
    : FunctionModule("approximate='" + approximate + "'",
                     [=](const Tensor& x) { return F::gelu(x, approximate); }) {}
SiLU::SiLU(bool inplace)
    : FunctionModule(in_place(inplace), [=](const Tensor& x) { return F::silu(x, inplace); }) {}
Mish::Mish(bool inplace)
    : FunctionModule(in_place(inplace), [=](const Tensor& x) { return F::mish(x, inplace); }) {}
Sigmoid::Sigmoid() : FunctionModule("", [](const Tensor& x) { return F::sigmoid(x); }) {}
Tanh::Tanh() : FunctionModule("", [](const Tensor& x) { return F::tanh(x); }) {}
Softplus::Softplus(double beta, double threshold)
    : FunctionModule("beta=" + python_text(beta) + ", threshold=" + python_text(threshold),
                     [=](const Tensor& x) { return F::softplus(x, beta, threshold); }) {}
Softsign::Softsign() : FunctionModule("", [](const Tensor& x) { return F::softsign(x); }) {}
Softshrink::Softshrink(double lambd)
    : FunctionModule(python_text(lambd), [=](const Tensor& x) { return F::softshrink(x, lambd); }) {
  if (lambd < 0) raise<ValueError>("Softshrink: expected lambd >= 0, received {}", lambd);
}
Hardshrink::Hardshrink(double lambd)
    : FunctionModule(python_text(lambd), [=](const Tensor& x) { return F::hardshrink(x, lambd); }) {
}
Tanhshrink::Tanhshrink() : FunctionModule("", [](const Tensor& x) { return F::tanhshrink(x); }) {}
Hardtanh::Hardtanh(double low, double high, bool inplace)
    : FunctionModule(
          "min_val=" + python_text(low) + ", max_val=" + python_text(high) + and_in_place(inplace),
          [=](const Tensor& x) { return F::hardtanh(x, low, high, inplace); }) {}
Hardsigmoid::Hardsigmoid(bool inplace)
    : FunctionModule("", [=](const Tensor& x) { return F::hardsigmoid(x, inplace); }) {}
Hardswish::Hardswish(bool inplace)
    : FunctionModule("", [=](const Tensor& x) { return F::hardswish(x, inplace); }) {}
LogSigmoid::LogSigmoid() : FunctionModule("", [](const Tensor& x) { return F::logsigmoid(x); }) {}
Threshold::Threshold(double threshold, double value, bool inplace)
    : FunctionModule("threshold=" + python_text(threshold) + ", value=" + python_text(value) +
                         and_in_place(inplace),
                     [=](const Tensor& x) { return F::threshold(x, threshold, value, inplace); }) {}
GLU::GLU(int64_t dim)
    : FunctionModule("dim=" + std::to_string(dim),
                     [=](const Tensor& x) { return F::glu(x, dim); }) {}
Softmax::Softmax(std::optional<int64_t> dim)
    : FunctionModule(of_dim(dim), [=](const Tensor& x) { return F::softmax(x, dim); }) {}
LogSoftmax::LogSoftmax(std::optional<int64_t> dim)
    : FunctionModule(of_dim(dim), [=](const Tensor& x) { return F::log_softmax(x, dim); }) {}
Softmin::Softmin(std::optional<int64_t> dim)
    : FunctionModule(of_dim(dim), [=](const Tensor& x) { return F::softmin(x, dim); }) {}
Softmax2d::Softmax2d()
    : FunctionModule("", [](const Tensor& x) {
        if (x.dim() != 3 && x.dim() != 4)
          raise<ValueError>("Softmax2d: expected 3 or 4 axes, received {}", x.shape().text());
        return F::softmax(x, -3);
      }) {}

PReLU::PReLU(int64_t n, double init) : weight(parameter("weight", full({n}, Scalar(init)))) {}
Tensor PReLU::forward(const Tensor& x) { return F::prelu(x, weight); }
std::string PReLU::extra_repr() const { return "num_parameters=" + std::to_string(weight.size(0)); }

Tensor RReLU::forward(const Tensor& x) { return F::rrelu(x, lower, upper, is_training(), inplace); }
std::string RReLU::extra_repr() const {
  return "lower=" + python_text(lower) + ", upper=" + python_text(upper) + and_in_place(inplace);
}

}  // namespace trivium::nn
