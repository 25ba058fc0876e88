// torch.nn.init: the library's functions under their names.
#include "python/src/args.h"
#include "trivium/notations/nn/init.h"

namespace trivium::python {

namespace I = nn::init;

void define_init(Registry& r) {
  r.function("calculate_gain", "nonlinearity, param=", [](Args& a) {
    return I::calculate_gain(a.text(0), a.real(1, 0.01));
  });
  r.function("_calculate_fan_in_and_fan_out", "tensor", [](Args& a) {
    const I::Fans f = I::fans_of(a.tensor(0));
    return std::pair<int64_t, int64_t>(f.in, f.out);
  });
  r.function("uniform_", "tensor, a=, b=, generator=", [](Args& a) {
    return I::uniform_(a.tensor(0), a.real(1, 0), a.real(2, 1), a.generator(3));
  });
  r.function("normal_", "tensor, mean=, std=, generator=", [](Args& a) {
    return I::normal_(a.tensor(0), a.real(1, 0), a.real(2, 1), a.generator(3));
  });
  r.function("constant_", "tensor, val",
             [](Args& a) { return I::constant_(a.tensor(0), a.real(1)); });
  r.function("zeros_", "tensor", [](Args& a) { return I::zeros_(a.tensor(0)); });
  r.function("ones_", "tensor", [](Args& a) { return I::ones_(a.tensor(0)); });
  r.function("eye_", "tensor", [](Args& a) { return I::eye_(a.tensor(0)); });
  r.function("dirac_",
             "tensor, groups=", [](Args& a) { return I::dirac_(a.tensor(0), a.integer(1, 1)); });
  r.function("xavier_uniform_", "tensor, gain=, generator=", [](Args& a) {
    return I::xavier_uniform_(a.tensor(0), a.real(1, 1), a.generator(2));
  });
  r.function("xavier_normal_", "tensor, gain=, generator=", [](Args& a) {
    return I::xavier_normal_(a.tensor(0), a.real(1, 1), a.generator(2));
  });
  constexpr auto kaiming = "tensor, a=, mode=, nonlinearity=, generator=";
  r.function("kaiming_uniform_", kaiming, [](Args& a) {
    return I::kaiming_uniform_(a.tensor(0), a.real(1, 0), a.text(2, "fan_in"),
                               a.text(3, "leaky_relu"), a.generator(4));
  });
  r.function("kaiming_normal_", kaiming, [](Args& a) {
    return I::kaiming_normal_(a.tensor(0), a.real(1, 0), a.text(2, "fan_in"),
                              a.text(3, "leaky_relu"), a.generator(4));
  });
  r.function("trunc_normal_", "tensor, mean=, std=, a=, b=, generator=", [](Args& a) {
    return I::trunc_normal_(a.tensor(0), a.real(1, 0), a.real(2, 1), a.real(3, -2), a.real(4, 2),
                            a.generator(5));
  });
  r.function("orthogonal_", "tensor, gain=, generator=", [](Args& a) {
    return I::orthogonal_(a.tensor(0), a.real(1, 1), a.generator(2));
  });
  r.function("sparse_", "tensor, sparsity, std=, generator=", [](Args& a) {
    return I::sparse_(a.tensor(0), a.real(1), a.real(2, 0.01), a.generator(3));
  });
}

}  // namespace trivium::python
