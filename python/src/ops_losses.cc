// torch.nn.functional, second half: activations and losses.
#include "python/src/args.h"
#include "trivium/notations/nn/functional.h"

namespace trivium::python {

namespace F = nn::functional;

namespace {

/// Softmax without a dim is old code: it works and warns.
std::optional<int64_t> axis(Args& a) {
  if (!a.has(1)) warn(PyExc_UserWarning, "softmax without dim guesses the axis: give dim=");
  return a.opt_integer(1);
}

/// Squares of unlike shapes broadcast, which is seldom meant.
void compare_shapes(Args& a) {
  if (a.tensor(0).shape() == a.tensor(1).shape()) return;
  const std::string text =
      fmt::format("{}: the target has shape {} and the input {}: they are broadcast", a.def().name,
                  a.tensor(1).shape().text(), a.tensor(0).shape().text());
  warn(PyExc_UserWarning, text.c_str());
}

}  // namespace

#define TRIVIUM_INPLACE(name) \
  r.function(#name, "input, inplace=", [](Args& a) { return F::name(a.tensor(0), a.flag(1)); })
#define TRIVIUM_PLAIN(name) r.function(#name, "input", [](Args& a) { return F::name(a.tensor(0)); })

void define_activations(Registry& r) {
  TRIVIUM_INPLACE(relu);
  TRIVIUM_INPLACE(relu6);
  TRIVIUM_INPLACE(selu);
  TRIVIUM_INPLACE(silu);
  TRIVIUM_INPLACE(mish);
  TRIVIUM_INPLACE(hardsigmoid);
  TRIVIUM_INPLACE(hardswish);
  TRIVIUM_PLAIN(sigmoid);
  TRIVIUM_PLAIN(tanh);
  TRIVIUM_PLAIN(softsign);
  TRIVIUM_PLAIN(tanhshrink);
  TRIVIUM_PLAIN(logsigmoid);
  r.function("leaky_relu", "input, negative_slope=, inplace=", [](Args& a) {
    return F::leaky_relu(a.tensor(0), a.real(1, 0.01), a.flag(2));
  });
  r.function("elu", "input, alpha=, inplace=", [](Args& a) {
    return F::elu(a.tensor(0), a.real(1, 1), a.flag(2));
  });
  r.function("celu", "input, alpha=, inplace=", [](Args& a) {
    return F::celu(a.tensor(0), a.real(1, 1), a.flag(2));
  });
  r.function("gelu", "input, approximate=", [](Args& a) {
    return F::gelu(a.tensor(0), a.text(1, "none"));
  });
  r.function("softplus", "input, beta=, threshold=", [](Args& a) {
    return F::softplus(a.tensor(0), a.real(1, 1), a.real(2, 20));
  });
  r.function("softshrink",
             "input, lambd=", [](Args& a) { return F::softshrink(a.tensor(0), a.real(1, 0.5)); });
  r.function("hardshrink",
             "input, lambd=", [](Args& a) { return F::hardshrink(a.tensor(0), a.real(1, 0.5)); });
  r.function("hardtanh", "input, min_val=, max_val=, inplace=", [](Args& a) {
    return F::hardtanh(a.tensor(0), a.real(1, -1), a.real(2, 1), a.flag(3));
  });
  r.function("threshold", "input, threshold, value, inplace=", [](Args& a) {
    return F::threshold(a.tensor(0), a.real(1), a.real(2), a.flag(3));
  });
  r.function("glu", "input, dim=", [](Args& a) { return F::glu(a.tensor(0), a.integer(1, -1)); });
  r.function("prelu", "input, weight", [](Args& a) { return F::prelu(a.tensor(0), a.tensor(1)); });
  r.function("rrelu", "input, lower=, upper=, training=, inplace=", [](Args& a) {
    return F::rrelu(a.tensor(0), a.real(1, 1.0 / 8), a.real(2, 1.0 / 3), a.flag(3), a.flag(4));
  });
  r.function("softmax", "input, dim=, _stacklevel=, dtype=", [](Args& a) {
    return F::softmax(a.tensor(0), axis(a), a.dtype(3));
  });
  r.function("softmin", "input, dim=, _stacklevel=, dtype=", [](Args& a) {
    return F::softmin(a.tensor(0), axis(a), a.dtype(3));
  });
  r.function("log_softmax", "input, dim=, _stacklevel=, dtype=", [](Args& a) {
    return F::log_softmax(a.tensor(0), axis(a), a.dtype(3));
  });
#define TRIVIUM_DROPOUT(name)                                                \
  r.function(#name, "input, p=, training=, inplace=", [](Args& a) {          \
    return F::name(a.tensor(0), a.real(1, 0.5), a.flag(2, true), a.flag(3)); \
  })
  TRIVIUM_DROPOUT(dropout);
  TRIVIUM_DROPOUT(dropout1d);
  TRIVIUM_DROPOUT(dropout2d);
  TRIVIUM_DROPOUT(dropout3d);
  TRIVIUM_DROPOUT(alpha_dropout);
  TRIVIUM_DROPOUT(feature_alpha_dropout);
#undef TRIVIUM_DROPOUT
}
#undef TRIVIUM_INPLACE
#undef TRIVIUM_PLAIN

void define_losses(Registry& r) {
  constexpr auto two = "input, target, size_average=, reduce=, reduction=";
#define TRIVIUM_LOSS(name)                                    \
  r.function(#name, two, [](Args& a) {                        \
    compare_shapes(a);                                        \
    return F::name(a.tensor(0), a.tensor(1), a.reduction(2)); \
  })
  TRIVIUM_LOSS(mse_loss);
  TRIVIUM_LOSS(l1_loss);
#undef TRIVIUM_LOSS
  r.function("smooth_l1_loss",
             "input, target, size_average=, reduce=, reduction=, beta=", [](Args& a) {
               compare_shapes(a);
               return F::smooth_l1_loss(a.tensor(0), a.tensor(1), a.reduction(2), a.real(5, 1));
             });
  r.function("huber_loss", "input, target, reduction=, delta=", [](Args& a) {
    compare_shapes(a);
    return F::huber_loss(a.tensor(0), a.tensor(1), nn::parse_reduction(a.text(2, "mean")),
                         a.real(3, 1));
  });
  r.function(
      "nll_loss",
      "input, target, weight=, size_average=, ignore_index=, reduce=, reduction=", [](Args& a) {
        if (a.has(3) || a.has(5)) {
          const char* now = !a.flag(5, true) ? "none" : a.flag(3, true) ? "mean" : "sum";
          warn(PyExc_UserWarning, "size_average and reduce became reduction=");
          return F::nll_loss(a.tensor(0), a.tensor(1), a.opt_tensor(2), a.integer(4, -100),
                             nn::parse_reduction(now));
        }
        return F::nll_loss(a.tensor(0), a.tensor(1), a.opt_tensor(2), a.integer(4, -100),
                           nn::parse_reduction(a.text(6, "mean")));
      });
  r.function("cross_entropy",
             "input, target, weight=, size_average=, ignore_index=, reduce=, reduction=, "
             "label_smoothing=",
             [](Args& a) {
               std::string reduction = a.text(6, "mean");
               if (a.has(3) || a.has(5)) {
                 reduction = !a.flag(5, true) ? "none" : a.flag(3, true) ? "mean" : "sum";
                 warn(PyExc_UserWarning, "size_average and reduce became reduction=");
               }
               return F::cross_entropy(a.tensor(0), a.tensor(1), a.opt_tensor(2),
                                       a.integer(4, -100), nn::parse_reduction(reduction),
                                       a.real(7, 0));
             });
  r.function("binary_cross_entropy",
             "input, target, weight=, size_average=, reduce=, reduction=", [](Args& a) {
               return F::binary_cross_entropy(a.tensor(0), a.tensor(1), a.opt_tensor(2),
                                              a.reduction(3));
             });
  r.function(
      "binary_cross_entropy_with_logits",
      "input, target, weight=, size_average=, reduce=, reduction=, pos_weight=", [](Args& a) {
        return F::binary_cross_entropy_with_logits(a.tensor(0), a.tensor(1), a.opt_tensor(2),
                                                   a.reduction(3), a.opt_tensor(6));
      });
  r.function("kl_div",
             "input, target, size_average=, reduce=, reduction=, log_target=", [](Args& a) {
               if (a.text(4, "mean") == "mean")
                 warn(PyExc_UserWarning,
                      "reduction='mean' of kl_div divides by the number of elements; 'batchmean' "
                      "gives the divergence");
               return F::kl_div(a.tensor(0), a.tensor(1), a.reduction(2), a.flag(5));
             });
  r.function(
      "poisson_nll_loss",
      "input, target, log_input=, full=, size_average=, eps=, reduce=, reduction=", [](Args& a) {
        return F::poisson_nll_loss(a.tensor(0), a.tensor(1), a.flag(2, true), a.flag(3),
                                   a.real(5, 1e-8), nn::parse_reduction(a.text(7, "mean")));
      });
  r.function("gaussian_nll_loss", "input, target, var, full=, eps=, reduction=", [](Args& a) {
    return F::gaussian_nll_loss(a.tensor(0), a.tensor(1), a.tensor(2), a.flag(3), a.real(4, 1e-6),
                                nn::parse_reduction(a.text(5, "mean")));
  });
  r.function("hinge_embedding_loss",
             "input, target, margin=, size_average=, reduce=, reduction=", [](Args& a) {
               return F::hinge_embedding_loss(a.tensor(0), a.tensor(1), a.real(2, 1),
                                              a.reduction(3));
             });
  r.function("margin_ranking_loss",
             "input1, input2, target, margin=, size_average=, reduce=, reduction=", [](Args& a) {
               return F::margin_ranking_loss(a.tensor(0), a.tensor(1), a.tensor(2), a.real(3, 0),
                                             a.reduction(4));
             });
  r.function("cosine_embedding_loss",
             "input1, input2, target, margin=, size_average=, reduce=, reduction=", [](Args& a) {
               return F::cosine_embedding_loss(a.tensor(0), a.tensor(1), a.tensor(2), a.real(3, 0),
                                               a.reduction(4));
             });
  r.function("soft_margin_loss", two,
             [](Args& a) { return F::soft_margin_loss(a.tensor(0), a.tensor(1), a.reduction(2)); });
  r.function(
      "multi_margin_loss",
      "input, target, p=, margin=, weight=, size_average=, reduce=, reduction=", [](Args& a) {
        return F::multi_margin_loss(a.tensor(0), a.tensor(1), a.integer(2, 1), a.real(3, 1),
                                    a.opt_tensor(4), a.reduction(5));
      });
  r.function("multilabel_margin_loss", two, [](Args& a) {
    return F::multilabel_margin_loss(a.tensor(0), a.tensor(1), a.reduction(2));
  });
  r.function("multilabel_soft_margin_loss",
             "input, target, weight=, size_average=, reduce=, reduction=", [](Args& a) {
               return F::multilabel_soft_margin_loss(a.tensor(0), a.tensor(1), a.opt_tensor(2),
                                                     a.reduction(3));
             });
  r.function("triplet_margin_loss",
             "anchor, positive, negative, margin=, p=, eps=, swap=, size_average=, reduce=, "
             "reduction=",
             [](Args& a) {
               return F::triplet_margin_loss(a.tensor(0), a.tensor(1), a.tensor(2), a.real(3, 1),
                                             a.real(4, 2), a.real(5, 1e-6), a.flag(6),
                                             a.reduction(7));
             });
  r.function("ctc_loss",
             "log_probs, targets, input_lengths, target_lengths, blank=, reduction=, "
             "zero_infinity=",
             [](Args& a) {
               const auto lengths = [&](int i) {
                 return a.is_tensor(i) ? a.tensor(i)
                                       : nn::tensor(a.integers(i), Dims(a.integers(i).size()));
               };
               return F::ctc_loss(a.tensor(0), a.tensor(1), lengths(2), lengths(3), a.integer(4, 0),
                                  nn::parse_reduction(a.text(5, "mean")), a.flag(6));
             });
}

}  // namespace trivium::python
