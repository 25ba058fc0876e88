#include "trivium/notations/nn/print.h"

#include <algorithm>
#include <cmath>
#include <ostream>

#include "trivium/notations/nn/tensor_detail.h"

namespace trivium::nn {
namespace {

PrintOptions& options() {
  static PrintOptions o;
  return o;
}

/// How the elements of one tensor are written: all in one style and width.
struct Style {
  enum Kind { real, integer, truth } kind = real;
  bool whole = false;  // floats that are integers: "1."
  bool scientific = false;
  int precision = 4;
  int width = 1;

  std::string bare(double v) const {
    if (kind == truth) return v != 0 ? "True" : "False";
    if (std::isnan(v)) return "nan";
    if (std::isinf(v)) return v > 0 ? "inf" : "-inf";
    if (kind == integer) return fmt::format("{}", static_cast<int64_t>(v));
    if (scientific) return fmt::format("{:.{}e}", v, precision);
    if (whole) return fmt::format("{:.0f}.", v);
    return fmt::format("{:.{}f}", v, precision);
  }
};

/// Elements by flat index; integers keep all their digits.
struct Elements {
  Array array;
  std::string text(const Style& style, int64_t i) const {
    if (style.kind == Style::integer && array.dtype() == DType::i64)
      return fmt::format("{}", array.data<int64_t>()[i]);
    return style.bare(array.at(i));
  }
};

/// The indices shown along each axis; -1 stands for "...".
std::vector<int64_t> shown(int64_t size, bool summarise) {
  const int64_t edge = options().edgeitems;
  std::vector<int64_t> at;
  for (int64_t i = 0; i < size; ++i) {
    if (summarise && size > 2 * edge && i == edge) {
      at.push_back(-1);
      i = size - edge;
    }
    at.push_back(i);
  }
  return at;
}

struct Printer {
  Elements elements;
  Shape shape;
  bool summarise = false;
  Style style;

  /// Calls body(flat index) for every element that is shown.
  template <typename Body>
  void for_each(int axis, int64_t first, Body&& body) const {
    if (axis == shape.rank()) return body(first);
    const int64_t stride = shape.count(axis + 1);
    for (int64_t i : shown(shape[axis], summarise))
      if (i >= 0) for_each(axis + 1, first + i * stride, body);
  }

  void choose_style() {
    const DType d = elements.array.dtype();
    style.precision = options().precision;
    style.kind = d == DType::bool_ ? Style::truth : is_integer(d) ? Style::integer : Style::real;
    if (style.kind != Style::real) {
      for_each(0, 0, [&](int64_t i) { widen(elements.text(style, i)); });
      return;
    }
    double least = 0, most = 0;
    bool any = false, whole = true;
    for_each(0, 0, [&](int64_t i) {
      const double v = elements.array.at(i);
      if (!std::isfinite(v) || v == 0) return;
      const double a = std::abs(v);
      least = any ? std::min(least, a) : a;
      most = any ? std::max(most, a) : a;
      whole = whole && std::ceil(v) == v;
      any = true;
    });
    // Zeros, infinities and NaN take the style of the others.
    style.whole = whole;
    if (any) {
      style.scientific = most / least > 1000 || most > 1e8 || (!whole && least < 1e-4);
      if (options().sci_mode) style.scientific = *options().sci_mode;
      for_each(0, 0, [&](int64_t i) {
        const double v = elements.array.at(i);
        if (std::isfinite(v) && v != 0) widen(style.bare(v));
      });
    } else if (options().sci_mode) {
      style.scientific = *options().sci_mode;
    }
  }
  void widen(const std::string& text) {
    style.width = std::max(style.width, static_cast<int>(text.size()));
  }

  std::string cell(int64_t i) const {
    const std::string text = elements.text(style, i);
    return std::string(
               std::max<size_t>(static_cast<size_t>(style.width), text.size()) - text.size(), ' ') +
           text;
  }

  /// One axis of numbers, wrapped to the line width; continuation lines start behind the bracket.
  std::string row(int64_t first, int indent) const {
    const int length = style.width + 2;
    const int64_t on_a_line = std::max<int64_t>(1, (options().linewidth - indent) / length);
    std::vector<std::string> cells;
    for (int64_t i : shown(shape[-1], summarise)) cells.push_back(i < 0 ? " ..." : cell(first + i));
    std::string out = "[";
    for (size_t i = 0; i < cells.size(); ++i) {
      if (i > 0) {
        out += ",";
        out += static_cast<int64_t>(i) % on_a_line == 0
                   ? "\n" + std::string(static_cast<size_t>(indent) + 1, ' ')
                   : " ";
      }
      out += cells[i];
    }
    return out + "]";
  }

  std::string body(int axis, int64_t first, int indent) const {
    if (shape.rank() == 0) return elements.text(style, first);
    if (axis == shape.rank() - 1) return row(first, indent);
    const int64_t stride = shape.count(axis + 1);
    std::string out = "[";
    const std::string gap = "," + std::string(static_cast<size_t>(shape.rank() - axis - 1), '\n') +
                            std::string(static_cast<size_t>(indent) + 1, ' ');
    bool next = false;
    for (int64_t i : shown(shape[axis], summarise)) {
      if (next) out += gap;
      next = true;
      out += i < 0 ? "..." : body(axis + 1, first + i * stride, indent + 1);
    }
    return out + "]";
  }
};

/// "MulBackward0" of the op "mul".
std::string backward_name(const std::string& op) {
  static const std::pair<const char*, const char*> renamed[] = {
      {"reshape", "View"},
      {"matmul", "Mm"},
      {"as_strided", "AsStrided"},
      {"broadcast_to", "Expand"},
      {"reduce_max", "Max"},
      {"reduce_min", "Min"},
      {"select", "Where"},
      {"conv", "Convolution"},
      {"concat", "Cat"},
      {"square", "Pow"},
      {"gather", "IndexSelect"},
      {"gather_elements", "Gather"},
      {"scatter_elements", "Scatter"},
      {"cast", "ToCopy"},
      {"max_pool", "MaxPool2DWithIndices"},
      {"avg_pool", "AvgPool2D"},
      {"batch_norm", "NativeBatchNorm"},
      {"layer_norm", "NativeLayerNorm"},
      {"softmax_cross_entropy", "NllLoss"},
      {"reduce_sum", "Sum"},
      {"clip", "Clamp"}};
  for (const auto& [ours, theirs] : renamed)
    if (op == ours) return std::string(theirs) + "Backward0";
  std::string name;
  bool capital = true;
  for (char c : op) {
    if (c == '_') {
      capital = true;
      continue;
    }
    name += capital ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : c;
    capital = false;
  }
  return name + "Backward0";
}

std::string size_text(const Shape& shape) {
  std::string out = "(";
  for (int i = 0; i < shape.rank(); ++i) out += (i ? ", " : "") + std::to_string(shape[i]);
  return out + (shape.rank() == 1 ? ",)" : ")");
}

std::vector<std::string> suffixes(const Tensor& x) {
  std::vector<std::string> out;
  const DType d = x.dtype();
  const bool usual = d == default_dtype() || d == DType::bool_ || (d == DType::i64);
  if (x.count() == 0 && x.shape().rank() != 1) out.push_back("size=" + size_text(x.shape()));
  if (x.count() == 0 ? d != default_dtype() : !usual)
    out.push_back(std::string("dtype=torch.") + name_of(d));
  if (x.requires_grad()) {
    if (x.is_leaf())
      out.push_back("requires_grad=True");
    else
      out.push_back("grad_fn=<" + backward_name(x.grad_op()) + ">");
  }
  return out;
}

}  // namespace

PrintOptions print_options() { return options(); }
void set_print_options(const PrintOptions& given) { options() = given; }

std::string data_text(const Tensor& x, int indent) {
  if (x.count() == 0) return "[]";
  Printer p;
  p.elements = {x.array()};
  p.shape = x.shape();
  p.summarise = x.count() > options().threshold;
  p.choose_style();
  return p.body(0, 0, indent);
}

std::string to_string(const Tensor& x) {
  if (!x.defined()) return "tensor(undefined)";
  constexpr int kIndent = 7;  // behind "tensor("
  std::string out = "tensor(" + data_text(x, kIndent);
  const size_t ends = out.rfind('\n');
  size_t line = out.size() + 1 - (ends == std::string::npos ? size_t(-1) : ends);
  for (const std::string& suffix : suffixes(x)) {
    const size_t length = suffix.size();
    if (line + length + 2 > static_cast<size_t>(options().linewidth)) {
      out += ",\n" + std::string(kIndent, ' ') + suffix;
      line = kIndent + length;
    } else {
      out += ", " + suffix;
      line += length + 2;
    }
  }
  return out + ")";
}

std::ostream& operator<<(std::ostream& out, const Tensor& x) { return out << to_string(x); }

}  // namespace trivium::nn
