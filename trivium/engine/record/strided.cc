#include "trivium/engine/record/strided.h"

namespace trivium::record {
namespace {

/// Strides of `to` over the same elements as (shape, strides), or nothing when a copy is needed:
/// axes are matched in groups of equal count; inside a group the old axes must lie end to end.
bool reshape_strides(const Layout& from, std::span<const int64_t> to, std::vector<int64_t>* out) {
  std::vector<int64_t> shape, strides;  // without axes of size 1
  for (size_t i = 0; i < from.shape.size(); ++i)
    if (from.shape[i] != 1) {
      shape.push_back(from.shape[i]);
      strides.push_back(from.strides[i]);
    }
  out->assign(to.size(), 1);
  int64_t count = 1;
  for (int64_t d : to) count *= d;
  if (count == 0) {
    int64_t stride = 1;
    for (size_t i = to.size(); i-- > 0;) {
      (*out)[i] = stride;
      stride *= to[i] > 0 ? to[i] : 1;
    }
    return true;
  }
  size_t a = shape.size(), b = to.size();
  while (a > 0) {
    int64_t old_count = shape[a - 1];
    size_t first = a - 1;
    const int64_t inner = strides[a - 1];
    while (first > 0 && strides[first - 1] == shape[first] * strides[first])
      old_count *= shape[--first];
    int64_t new_count = 1;
    while (b > 0 && new_count < old_count) {
      (*out)[b - 1] = inner * new_count;
      new_count *= to[--b];
    }
    if (new_count != old_count) return false;
    a = first;
  }
  for (size_t i = b; i-- > 0;) {
    if (to[i] != 1) return false;
    (*out)[i] = i + 1 < to.size() ? (*out)[i + 1] * to[i + 1] : 1;
  }
  return true;
}

}  // namespace

Layout Layout::row_major(const Shape& shape) {
  Layout l;
  l.shape = shape.vec();
  l.strides.assign(l.shape.size(), 1);
  for (size_t i = l.shape.size(); i-- > 1;)
    l.strides[i - 1] = l.strides[i] * std::max<int64_t>(l.shape[i], 1);
  return l;
}

bool Layout::apply(const Call& view) {
  const std::string& name = view.op->name();
  if (name == "reshape") {
    const std::vector<int64_t>& to = view.attrs->integers("shape");
    std::vector<int64_t> s;
    if (!reshape_strides(*this, to, &s)) return false;
    shape = to;
    strides = s;
    return true;
  }
  if (name == "permute") {
    const Layout before = *this;
    const std::vector<int64_t>& perm = view.attrs->integers("perm");
    for (size_t i = 0; i < perm.size(); ++i) {
      const size_t from =
          static_cast<size_t>(perm[i] < 0 ? perm[i] + static_cast<int64_t>(perm.size()) : perm[i]);
      shape[i] = before.shape[from];
      strides[i] = before.strides[from];
    }
    return true;
  }
  if (name == "slice") {
    const auto &starts = view.attrs->integers("starts"), &stops = view.attrs->integers("stops"),
               &steps = view.attrs->integers("steps");
    for (size_t i = 0; i < shape.size(); ++i) {
      const int64_t length = (stops[i] - starts[i] + steps[i] - 1) / steps[i];
      if (shape[i] != 0) offset += starts[i] * strides[i];
      strides[i] *= steps[i];
      shape[i] = std::max<int64_t>(length, 0);
    }
    return true;
  }
  if (name == "broadcast_to") {
    const std::vector<int64_t>& to = view.attrs->integers("shape");
    std::vector<int64_t> s(to.size(), 0);
    const size_t lead = to.size() - shape.size();
    for (size_t i = 0; i < shape.size(); ++i)
      s[lead + i] = shape[i] == to[lead + i] ? strides[i] : 0;
    shape = to;
    strides = s;
    return true;
  }
  if (name == "as_strided") {
    if (!is_row_major(Shape(shape), strides)) return false;
    shape = view.attrs->integers("shape");
    strides = view.attrs->integers("strides");
    offset += view.attrs->integer("offset");
    return true;
  }
  return false;
}

bool is_row_major(const Shape& shape, const std::vector<int64_t>& strides) {
  int64_t expected = 1;
  if (shape.count() == 0) return true;
  for (int i = shape.rank(); i-- > 0;) {
    if (shape[i] != 1 && strides[static_cast<size_t>(i)] != expected) return false;
    expected *= shape[i];
  }
  return true;
}

Array contiguous_copy(const Var::Exported& m) {
  Array out(m.shape, m.base.dtype());
  const size_t size = size_of(m.base.dtype());
  const char* from = static_cast<const char*>(m.base.raw()) + m.offset * static_cast<int64_t>(size);
  char* to = static_cast<char*>(out.raw());
  if (m.shape.count() == 0) return out;
  if (is_row_major(m.shape, m.strides)) {
    std::memcpy(to, from, out.bytes());
    return out;
  }
  const int rank = m.shape.rank();
  std::vector<int64_t> at(static_cast<size_t>(rank), 0);
  const int64_t inner = rank ? m.shape[rank - 1] : 1;
  const int64_t step = rank ? m.strides[static_cast<size_t>(rank) - 1] : 0;
  for (int64_t row = 0; row < m.shape.count() / std::max<int64_t>(inner, 1); ++row) {
    int64_t offset = 0;
    for (int i = 0; i + 1 < rank; ++i)
      offset += at[static_cast<size_t>(i)] * m.strides[static_cast<size_t>(i)];
    const char* line = from + offset * static_cast<int64_t>(size);
    if (step == 1) {
      std::memcpy(to, line, static_cast<size_t>(inner) * size);
      to += static_cast<size_t>(inner) * size;
    } else {
      for (int64_t i = 0; i < inner; ++i, to += size)
        std::memcpy(to, line + i * step * static_cast<int64_t>(size), size);
    }
    for (int i = rank - 2; i >= 0; --i) {
      if (++at[static_cast<size_t>(i)] < m.shape[i]) break;
      at[static_cast<size_t>(i)] = 0;
    }
  }
  return out;
}

}  // namespace trivium::record
