// Writes cpp_module.pt and cpp_tensor.pt: what torch::save of libtorch gives. Build against
// libtorch and run in this folder.
#include <torch/torch.h>

struct Net : torch::nn::Module {
  torch::nn::Linear fc{nullptr};
  torch::nn::BatchNorm1d bn{nullptr};
  torch::nn::Sequential seq{nullptr};

  Net() {
    fc = register_module("fc", torch::nn::Linear(2, 3));
    bn = register_module("bn", torch::nn::BatchNorm1d(3));
    seq = register_module("seq", torch::nn::Sequential(torch::nn::Linear(3, 1)));
    torch::NoGradGuard no_grad;
    int i = 0;
    for (auto& p : parameters()) {
      p.copy_(torch::arange(100 * i, 100 * i + p.numel()).reshape(p.sizes()).to(torch::kFloat));
      ++i;
    }
  }
};

int main() {
  torch::save(std::make_shared<Net>(), "cpp_module.pt");
  torch::save(torch::arange(6).reshape({2, 3}), "cpp_tensor.pt");
}
