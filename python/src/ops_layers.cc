// torch.nn.functional, first half: linear maps, convolutions, pooling, normalisation, embedding,
// resampling, attention.
#include "python/src/args.h"
#include "trivium/notations/nn/functional.h"

namespace trivium::python {

namespace F = nn::functional;

namespace {

F::Padding padding(Args& a, int i) {
  if (!a.has(i)) return 0;
  if (PyUnicode_Check(a.raw(i))) return a.text(i);
  return a.dims(i);
}

/// Sizes where None keeps the input's.
Dims sizes_or_keep(Args& a, int i) {
  if (!a.is_sequence(i)) return a.has(i) ? a.dims(i) : Dims(F::kKeep);
  Dims d;
  for (Py_ssize_t k = 0; k < PySequence_Fast_GET_SIZE(a.raw(i)); ++k) {
    PyObject* o = PySequence_Fast_GET_ITEM(a.raw(i), k);
    d.push_back(o == Py_None ? F::kKeep : integer_of(o));
  }
  return d;
}

std::vector<double> factors(Args& a, int i) {
  if (!a.has(i)) return {};
  if (!a.is_sequence(i)) return {a.real(i)};
  std::vector<double> f;
  for (Py_ssize_t k = 0; k < PySequence_Fast_GET_SIZE(a.raw(i)); ++k)
    f.push_back(scalar_of(PySequence_Fast_GET_ITEM(a.raw(i), k)).real());
  return f;
}

std::optional<bool> opt_flag(Args& a, int i) {
  return a.has(i) ? std::optional<bool>(a.flag(i)) : std::nullopt;
}

PyObject* pooled(Args& a, int spatial) {
  const Dims stride = a.dims(2, {}), pad = a.dims(3, 0), dilation = a.dims(4, 1);
  if (a.flag(6)) {
    const nn::ValuesIndices v =
        F::max_pool_with_indices(spatial, a.tensor(0), a.dims(1), stride, pad, dilation, a.flag(5));
    return to_python(std::pair<Tensor, Tensor>(v.values, v.indices));
  }
  const auto f = spatial == 1 ? F::max_pool1d : spatial == 2 ? F::max_pool2d : F::max_pool3d;
  return wrap(f(a.tensor(0), a.dims(1), stride, pad, dilation, a.flag(5), true));
}

PyObject* adaptive_pooled(Args& a, int spatial) {
  const Dims size = sizes_or_keep(a, 1);
  if (a.flag(2)) {
    const nn::ValuesIndices v = F::adaptive_max_pool_with_indices(spatial, a.tensor(0), size);
    return to_python(std::pair<Tensor, Tensor>(v.values, v.indices));
  }
  const auto f = spatial == 1   ? F::adaptive_max_pool1d
                 : spatial == 2 ? F::adaptive_max_pool2d
                                : F::adaptive_max_pool3d;
  return wrap(f(a.tensor(0), size));
}

void define_pools(Registry& r) {
  constexpr auto max_pool =
      "input, kernel_size, stride=, padding=, dilation=, ceil_mode=, return_indices=";
  r.function("max_pool1d", max_pool, [](Args& a) { return pooled(a, 1); });
  r.function("max_pool2d", max_pool, [](Args& a) { return pooled(a, 2); });
  r.function("max_pool3d", max_pool, [](Args& a) { return pooled(a, 3); });
  r.function("_max_unpool",
             "spatial, input, indices, kernel_size, stride=, padding=, output_size=", [](Args& a) {
               return F::max_unpool(static_cast<int>(a.integer(0)), a.tensor(1), a.tensor(2),
                                    a.dims(3), a.dims(4, {}), a.dims(5, 0), a.dims(6, {}));
             });
  constexpr auto avg_pool =
      "input, kernel_size, stride=, padding=, ceil_mode=, count_include_pad=, divisor_override=";
  r.function("avg_pool1d", avg_pool, [](Args& a) {
    return F::avg_pool1d(a.tensor(0), a.dims(1), a.dims(2, {}), a.dims(3, 0), a.flag(4),
                         a.flag(5, true));
  });
  r.function("avg_pool2d", avg_pool, [](Args& a) {
    return F::avg_pool2d(a.tensor(0), a.dims(1), a.dims(2, {}), a.dims(3, 0), a.flag(4),
                         a.flag(5, true), a.opt_integer(6));
  });
  r.function("avg_pool3d", avg_pool, [](Args& a) {
    return F::avg_pool3d(a.tensor(0), a.dims(1), a.dims(2, {}), a.dims(3, 0), a.flag(4),
                         a.flag(5, true), a.opt_integer(6));
  });
  constexpr auto lp = "input, norm_type, kernel_size, stride=, ceil_mode=";
  r.function("lp_pool1d", lp, [](Args& a) {
    return F::lp_pool1d(a.tensor(0), a.real(1), a.dims(2), a.dims(3, {}), a.flag(4));
  });
  r.function("lp_pool2d", lp, [](Args& a) {
    return F::lp_pool2d(a.tensor(0), a.real(1), a.dims(2), a.dims(3, {}), a.flag(4));
  });
  constexpr auto adaptive = "input, output_size";
  r.function("adaptive_avg_pool1d", adaptive,
             [](Args& a) { return F::adaptive_avg_pool1d(a.tensor(0), sizes_or_keep(a, 1)); });
  r.function("adaptive_avg_pool2d", adaptive,
             [](Args& a) { return F::adaptive_avg_pool2d(a.tensor(0), sizes_or_keep(a, 1)); });
  r.function("adaptive_avg_pool3d", adaptive,
             [](Args& a) { return F::adaptive_avg_pool3d(a.tensor(0), sizes_or_keep(a, 1)); });
  constexpr auto adaptive_max = "input, output_size, return_indices=";
  r.function("adaptive_max_pool1d", adaptive_max, [](Args& a) { return adaptive_pooled(a, 1); });
  r.function("adaptive_max_pool2d", adaptive_max, [](Args& a) { return adaptive_pooled(a, 2); });
  r.function("adaptive_max_pool3d", adaptive_max, [](Args& a) { return adaptive_pooled(a, 3); });
}

void define_convolutions(Registry& r) {
  constexpr auto conv = "input, weight, bias=, stride=, padding=, dilation=, groups=";
#define TRIVIUM_CONV(name)                                                                 \
  r.function(#name, conv, [](Args& a) {                                                    \
    return F::name(a.tensor(0), a.tensor(1), a.opt_tensor(2), a.dims(3, 1), padding(a, 4), \
                   a.dims(5, 1), a.integer(6, 1));                                         \
  })
  TRIVIUM_CONV(conv1d);
  TRIVIUM_CONV(conv2d);
  TRIVIUM_CONV(conv3d);
#undef TRIVIUM_CONV
  r.function(
      "_conv_nd", "spatial, input, weight, bias, stride, padding, dilation, groups, padding_mode",
      [](Args& a) {
        return F::conv_nd(static_cast<int>(a.integer(0)), a.tensor(1), a.tensor(2), a.opt_tensor(3),
                          a.dims(4), padding(a, 5), a.dims(6), a.integer(7), a.text(8));
      });
  constexpr auto transposed =
      "input, weight, bias=, stride=, padding=, output_padding=, groups=, dilation=";
#define TRIVIUM_CONV(name)                                                                \
  r.function(#name, transposed, [](Args& a) {                                             \
    return F::name(a.tensor(0), a.tensor(1), a.opt_tensor(2), a.dims(3, 1), a.dims(4, 0), \
                   a.dims(5, 0), a.integer(6, 1), a.dims(7, 1));                          \
  })
  TRIVIUM_CONV(conv_transpose1d);
  TRIVIUM_CONV(conv_transpose2d);
  TRIVIUM_CONV(conv_transpose3d);
#undef TRIVIUM_CONV
  r.function("unfold", "input, kernel_size, dilation=, padding=, stride=", [](Args& a) {
    return F::unfold(a.tensor(0), a.dims(1), a.dims(2, 1), a.dims(3, 0), a.dims(4, 1));
  });
  r.function("fold", "input, output_size, kernel_size, dilation=, padding=, stride=", [](Args& a) {
    return F::fold(a.tensor(0), a.dims(1), a.dims(2), a.dims(3, 1), a.dims(4, 0), a.dims(5, 1));
  });
}

void define_norms(Registry& r) {
  r.function(
      "batch_norm",
      "input, running_mean, running_var, weight=, bias=, training=, momentum=, eps=", [](Args& a) {
        return F::batch_norm(a.tensor(0), a.opt_tensor(1), a.opt_tensor(2), a.opt_tensor(3),
                             a.opt_tensor(4), a.flag(5), a.real(6, 0.1), a.real(7, 1e-5));
      });
  r.function(
      "instance_norm",
      "input, running_mean=, running_var=, weight=, bias=, use_input_stats=, momentum=, eps=",
      [](Args& a) {
        return F::instance_norm(a.tensor(0), a.opt_tensor(1), a.opt_tensor(2), a.opt_tensor(3),
                                a.opt_tensor(4), a.flag(5, true), a.real(6, 0.1), a.real(7, 1e-5));
      });
  r.function("layer_norm", "input, normalized_shape, weight=, bias=, eps=", [](Args& a) {
    return F::layer_norm(a.tensor(0), a.dims(1), a.opt_tensor(2), a.opt_tensor(3), a.real(4, 1e-5));
  });
  r.function("group_norm", "input, num_groups, weight=, bias=, eps=", [](Args& a) {
    return F::group_norm(a.tensor(0), a.integer(1), a.opt_tensor(2), a.opt_tensor(3),
                         a.real(4, 1e-5));
  });
  r.function("rms_norm", "input, normalized_shape, weight=, eps=", [](Args& a) {
    return F::rms_norm(a.tensor(0), a.dims(1), a.opt_tensor(2), a.opt_real(3));
  });
  r.function("local_response_norm", "input, size, alpha=, beta=, k=", [](Args& a) {
    return F::local_response_norm(a.tensor(0), a.integer(1), a.real(2, 1e-4), a.real(3, 0.75),
                                  a.real(4, 1));
  });
  r.function("normalize", "input, p=, dim=, eps=", [](Args& a) {
    return F::normalize(a.tensor(0), a.real(1, 2), a.dims(2, 1), a.real(3, 1e-12));
  });
}

}  // namespace

void define_layers(Registry& r) {
  r.function("linear", "input, weight, bias=", [](Args& a) {
    return F::linear(a.tensor(0), a.tensor(1), a.opt_tensor(2));
  });
  r.function("bilinear", "input1, input2, weight, bias=", [](Args& a) {
    return F::bilinear(a.tensor(0), a.tensor(1), a.tensor(2), a.opt_tensor(3));
  });
  define_convolutions(r);
  define_pools(r);
  define_norms(r);
  r.function("embedding",
             "input, weight, padding_idx=, max_norm=, norm_type=, scale_grad_by_freq=, sparse=",
             [](Args& a) {
               return F::embedding(a.tensor(0), a.tensor(1), a.opt_integer(2), a.opt_real(3),
                                   a.real(4, 2), a.flag(5), a.flag(6));
             });
  r.function("embedding_bag",
             "input, weight, offsets=, max_norm=, norm_type=, scale_grad_by_freq=, mode=, sparse=, "
             "per_sample_weights=, include_last_offset=, padding_idx=",
             [](Args& a) {
               return F::embedding_bag(a.tensor(0), a.tensor(1), a.opt_tensor(2), a.text(6, "mean"),
                                       a.opt_tensor(8), a.opt_integer(10));
             });
  r.function("one_hot", "input, num_classes=", [](Args& a) {
    return F::one_hot(a.tensor(0), a.integer(1, -1));
  });
  r.function("pad", "input, pad, mode=, value=", [](Args& a) {
    return F::pad(a.tensor(0), a.dims(1), a.text(2, "constant"), a.real(3, 0));
  });
  r.function("interpolate",
             "input, size=, scale_factor=, mode=, align_corners=, recompute_scale_factor=, "
             "antialias=",
             [](Args& a) {
               return F::interpolate(a.tensor(0), a.dims(1, {}), factors(a, 2),
                                     a.text(3, "nearest"), opt_flag(a, 4), a.flag(5), a.flag(6));
             });
  r.function("affine_grid", "theta, size, align_corners=", [](Args& a) {
    return F::affine_grid(a.tensor(0), a.dims(1), a.flag(2));
  });
  r.function("grid_sample", "input, grid, mode=, padding_mode=, align_corners=", [](Args& a) {
    return F::grid_sample(a.tensor(0), a.tensor(1), a.text(2, "bilinear"), a.text(3, "zeros"),
                          a.flag(4));
  });
  r.function("pixel_shuffle", "input, upscale_factor",
             [](Args& a) { return F::pixel_shuffle(a.tensor(0), a.integer(1)); });
  r.function("pixel_unshuffle", "input, downscale_factor",
             [](Args& a) { return F::pixel_unshuffle(a.tensor(0), a.integer(1)); });
  r.function("channel_shuffle", "input, groups",
             [](Args& a) { return F::channel_shuffle(a.tensor(0), a.integer(1)); });
  r.function("cosine_similarity", "x1, x2, dim=, eps=", [](Args& a) {
    return F::cosine_similarity(a.tensor(0), a.tensor(1), a.integer(2, 1), a.real(3, 1e-8));
  });
  r.function("pairwise_distance", "x1, x2, p=, eps=, keepdim=", [](Args& a) {
    return F::pairwise_distance(a.tensor(0), a.tensor(1), a.real(2, 2), a.real(3, 1e-6), a.flag(4));
  });
  r.function(
      "scaled_dot_product_attention",
      "query, key, value, attn_mask=, dropout_p=, is_causal=, scale=, enable_gqa=", [](Args& a) {
        return F::scaled_dot_product_attention(a.tensor(0), a.tensor(1), a.tensor(2),
                                               a.opt_tensor(3), a.real(4, 0), a.flag(5),
                                               a.opt_real(6), a.flag(7));
      });
}

}  // namespace trivium::python
