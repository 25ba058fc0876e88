// einsum: operands are brought together two at a time, each time as one batched matrix product.
#include <algorithm>
#include <map>

#include "trivium/notations/nn/tensor_detail.h"

namespace trivium::nn {
namespace {

/// A tensor whose axes have labels, one each. Labels below 0 stand for axes of the ellipsis,
/// counted from its end.
struct Labelled {
  Tensor x;
  std::vector<int> labels;
};

bool has(const std::vector<int>& labels, int label) {
  return std::find(labels.begin(), labels.end(), label) != labels.end();
}
int place(const std::vector<int>& labels, int label) {
  return static_cast<int>(std::find(labels.begin(), labels.end(), label) - labels.begin());
}

[[noreturn]] void malformed(const std::string& equation, const std::string& why) {
  user_error("einsum: \"{}\": {}", equation, why);
}

/// The labels of one term for a tensor of `rank` axes (or for the result: rank < 0, `ellipsis`
/// axes).
std::vector<int> parse_term(const std::string& equation, const std::string& term, int rank,
                            int ellipsis) {
  int letters = 0, dots = 0;
  for (char c : term) {
    if (c == '.')
      ++dots;
    else if (std::isalpha(static_cast<unsigned char>(c)))
      ++letters;
    else
      malformed(equation, fmt::format("'{}' is not a letter", c));
  }
  const size_t at = term.find("...");
  if (dots != 0 && (dots != 3 || at == std::string::npos))
    malformed(equation, "dots come in one group of three");
  if (rank >= 0) ellipsis = rank - letters;
  if (ellipsis < 0 || (rank >= 0 && dots == 0 && ellipsis != 0))
    malformed(equation,
              fmt::format("\"{}\" names {} axes, the tensor has {}", term, letters, rank));
  std::vector<int> labels;
  for (size_t i = 0; i < term.size(); ++i) {
    if (i == at) {
      for (int k = ellipsis; k > 0; --k) labels.push_back(-k);
      i += 2;
    } else {
      labels.push_back(term[i]);
    }
  }
  return labels;
}

/// Repeated labels of one operand become its diagonal.
Labelled diagonals(Labelled t) {
  for (size_t i = 0; i < t.labels.size(); ++i)
    for (size_t k = i + 1; k < t.labels.size(); ++k)
      if (t.labels[i] == t.labels[k]) {
        const int label = t.labels[i];
        t.x = t.x.diagonal(0, static_cast<int64_t>(i), static_cast<int64_t>(k));
        t.labels.erase(t.labels.begin() + static_cast<int64_t>(k));
        t.labels.erase(t.labels.begin() + static_cast<int64_t>(i));
        t.labels.push_back(label);
        return diagonals(std::move(t));
      }
  return t;
}

/// Sums axes whose label nobody needs any more.
Labelled without(Labelled t, const std::vector<int>& needed) {
  Dims gone;
  std::vector<int> left;
  for (size_t i = 0; i < t.labels.size(); ++i) {
    if (has(needed, t.labels[i]))
      left.push_back(t.labels[i]);
    else
      gone.push_back(static_cast<int64_t>(i));
  }
  if (!gone.empty()) t.x = t.x.sum(gone);
  t.labels = left;
  return t;
}

/// The tensor with its axes in the order of `labels`; axes it lacks have size 1.
Tensor arranged(const Labelled& t, const std::vector<int>& labels) {
  Dims perm;
  for (int label : labels)
    if (has(t.labels, label)) perm.push_back(place(t.labels, label));
  Tensor x = t.x;
  if (perm.size() > 0) x = x.permute(perm);
  for (size_t i = 0; i < labels.size(); ++i)
    if (!has(t.labels, labels[i])) x = x.unsqueeze(static_cast<int64_t>(i));
  return x;
}

int64_t size_of_label(const Labelled& t, int label) {
  return has(t.labels, label) ? t.x.shape()[place(t.labels, label)] : 1;
}

struct Sizes {
  std::vector<int> labels;
  int64_t count = 1;
};

/// The product of two, keeping the labels in `needed`.
Labelled joined(const Labelled& given_a, const Labelled& given_b, const std::vector<int>& needed) {
  std::vector<int> for_a = needed, for_b = needed;
  for_a.insert(for_a.end(), given_b.labels.begin(), given_b.labels.end());
  for_b.insert(for_b.end(), given_a.labels.begin(), given_a.labels.end());
  const Labelled a = without(given_a, for_a), b = without(given_b, for_b);
  std::vector<int> batch, inner, rows, columns;
  bool stretched = false;  // an axis of size 1 in one operand only
  for (int l : a.labels) {
    if (!has(b.labels, l))
      rows.push_back(l);
    else
      (has(needed, l) ? batch : inner).push_back(l);
    if (has(b.labels, l) && size_of_label(a, l) != size_of_label(b, l)) stretched = true;
  }
  for (int l : b.labels)
    if (!has(a.labels, l)) columns.push_back(l);
  std::vector<int> result = batch;
  result.insert(result.end(), rows.begin(), rows.end());
  result.insert(result.end(), columns.begin(), columns.end());
  if (stretched || inner.empty() || !is_floating(a.x.dtype())) {
    std::vector<int> all = result;
    all.insert(all.end(), inner.begin(), inner.end());
    return without({arranged(a, all) * arranged(b, all), all}, result);
  }
  std::vector<int> left = batch, right = batch;
  left.insert(left.end(), rows.begin(), rows.end());
  left.insert(left.end(), inner.begin(), inner.end());
  right.insert(right.end(), inner.begin(), inner.end());
  right.insert(right.end(), columns.begin(), columns.end());
  Shape out;
  const auto count = [&](const std::vector<int>& labels, const Labelled& t, bool keep) {
    int64_t n = 1;
    for (int l : labels) {
      n *= size_of_label(t, l);
      if (keep) out.push_back(size_of_label(t, l));
    }
    return n;
  };
  const int64_t g = count(batch, a, true), m = count(rows, a, true), n = count(columns, b, true),
                k = count(inner, a, false);
  const Tensor x = reshaped(arranged(a, left), Shape{g, m, k}),
               y = reshaped(arranged(b, right), Shape{g, k, n});
  return {reshape_view(x.matmul(y), out), result};
}

std::string without_spaces(const std::string& text) {
  std::string out;
  for (char c : text)
    if (c != ' ') out += c;
  return out;
}

/// Letters that occur once, in alphabetical order, behind the ellipsis.
std::vector<int> implicit_result(const std::vector<Labelled>& operands) {
  std::map<int, int> seen;
  for (const Labelled& t : operands)
    for (int l : t.labels) ++seen[l];
  std::vector<int> out;
  for (const auto& [label, times] : seen)
    if (label < 0 || times == 1) out.push_back(label);
  return out;
}

}  // namespace

Tensor einsum(const std::string& equation, const std::vector<Tensor>& operands) {
  const std::string text = without_spaces(equation);
  const size_t arrow = text.find("->");
  const std::string left = text.substr(0, arrow);
  std::vector<Labelled> terms;
  int ellipsis = 0;
  size_t from = 0;
  for (size_t i = 0; i < operands.size(); ++i) {
    if (from > left.size()) malformed(equation, fmt::format("{} operands given", operands.size()));
    const size_t comma = std::min(left.find(',', from), left.size());
    std::vector<int> labels =
        parse_term(equation, left.substr(from, comma - from), operands[i].shape().rank(), 0);
    for (int l : labels) ellipsis = std::max(ellipsis, -l);
    terms.push_back({operands[i], std::move(labels)});
    from = comma + 1;
  }
  if (from <= left.size()) malformed(equation, fmt::format("{} operands given", operands.size()));
  const std::vector<int> implicit = implicit_result(terms);
  const std::vector<int> result = arrow == std::string::npos
                                      ? implicit
                                      : parse_term(equation, text.substr(arrow + 2), -1, ellipsis);
  std::map<int, int64_t> sizes;
  for (Labelled& t : terms) {
    t = diagonals(std::move(t));
    for (size_t i = 0; i < t.labels.size(); ++i) {
      int64_t& size = sizes.emplace(t.labels[i], 1).first->second;
      const int64_t own = t.x.shape()[static_cast<int>(i)];
      if (size != 1 && own != 1 && size != own)
        malformed(equation, fmt::format("axis '{}' has sizes {} and {}",
                                        static_cast<char>(t.labels[i]), size, own));
      size = std::max(size, own);
    }
  }
  for (int l : result)
    if (!sizes.count(l)) malformed(equation, "the result names an axis no operand has");
  Labelled all = terms.at(0);
  for (size_t i = 1; i < terms.size(); ++i) {
    std::vector<int> needed = result;
    for (size_t k = i + 1; k < terms.size(); ++k)
      needed.insert(needed.end(), terms[k].labels.begin(), terms[k].labels.end());
    all = joined(all, terms[i], needed);
  }
  all = without(all, result);
  return arranged(all, result);
}

}  // namespace trivium::nn
