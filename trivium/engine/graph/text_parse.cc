// Reading graphs from text: one pass over lines, each re-recorded through Graph::op, so that
// everything a user's program must obey is checked here too.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "trivium/engine/graph/op.h"
#include "trivium/engine/graph/text.h"

namespace trivium {
namespace {

/// Bounds for text from anywhere: sizes of axes, and bytes of all Cells together (they are
/// allocated).
constexpr int64_t kMostAxisSize = int64_t{1} << 31;
constexpr int64_t kMostCellBytes = int64_t{1} << 32;

/// The characters of the text with line and column.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_(text) {}

  bool at_end() const { return at_ == text_.size(); }
  char peek() const { return at_end() ? '\0' : text_[at_]; }
  char next() {
    if (at_end()) return '\0';
    const char c = text_[at_++];
    if (c == '\n') ++line_, line_start_ = at_;
    return c;
  }
  void skip_blanks() {
    while (!at_end() && (peek() == ' ' || peek() == '\t' || peek() == '\r')) ++at_;
  }
  bool try_char(char c) {
    skip_blanks();
    if (at_end() || peek() != c) return false;
    next();
    return true;
  }
  void expect(char c) {
    if (!try_char(c)) fail(fmt::format("'{}' expected", c));
  }
  void end_of_line() {
    skip_blanks();
    if (!at_end() && next() != '\n') fail("the end of the line expected");
  }
  template <typename Accept>
  std::string_view take_while(Accept accept) {
    const size_t start = at_;
    while (!at_end() && accept(peek())) ++at_;
    return text_.substr(start, at_ - start);
  }
  std::string word() {
    skip_blanks();
    const auto w =
        take_while([](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; });
    if (w.empty()) fail("a name expected");
    return std::string(w);
  }
  [[noreturn]] void fail(const std::string& message) const { fail_at(line_, column(), message); }
  [[noreturn]] static void fail_at(int line, size_t column, const std::string& message) {
    user_error("graph text:{}:{}: {}", line, column, message);
  }
  int line() const { return line_; }
  size_t column() const {
    return std::min(at_, text_.size()) - std::min(line_start_, text_.size()) + 1;
  }

 private:
  std::string_view text_;
  size_t at_ = 0, line_start_ = 0;
  int line_ = 1;
};

bool number_char(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '+' || c == '-' || c == '.';
}

class Parser {
 public:
  explicit Parser(std::string_view text) : cursor_(text), graph_(std::make_unique<Graph>()) {}

  /// With `results`, lines "fetch %n" are taken too.
  std::unique_ptr<Graph> run(std::vector<Value>* results = nullptr) {
    results_ = results;
    for (;;) {
      cursor_.skip_blanks();
      if (cursor_.at_end()) return std::move(graph_);
      if (cursor_.peek() == '\n') {
        cursor_.next();
      } else if (cursor_.peek() == '%') {
        node_line();
      } else {
        assign_line();
      }
    }
  }

 private:
  // Numbers.
  int64_t integer() {
    cursor_.skip_blanks();
    const auto digits = cursor_.take_while(number_char);
    int64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size())
      cursor_.fail("an integer expected");
    return value;
  }
  template <typename T>
  T real_of(std::string_view digits) {
    T value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size())
      cursor_.fail("a number expected");
    return value;
  }
  std::string_view number_text() {
    cursor_.skip_blanks();
    return cursor_.take_while(number_char);
  }
  int index(size_t count, const char* what) {
    const int64_t i = integer();
    if (i < 0 || static_cast<size_t>(i) >= count)
      cursor_.fail(fmt::format("{} {} does not exist (yet)", what, i));
    return static_cast<int>(i);
  }

  // Pieces of a line.
  std::string string() {
    cursor_.expect('"');
    std::string out;
    for (;;) {
      if (cursor_.at_end() || cursor_.peek() == '\n') cursor_.fail("the string is not closed");
      char c = cursor_.next();
      if (c == '"') return out;
      if (c == '\\') c = escaped();
      out += c;
    }
  }
  char escaped() {
    const char c = cursor_.next();
    if (c == 'n') return '\n';
    if (c == '"' || c == '\\') return c;
    if (c != 'x') cursor_.fail("unknown escape; \\\" \\\\ \\n \\xNN expected");
    const int high = hex_digit(), low = hex_digit();
    return static_cast<char>(high * 16 + low);
  }
  int hex_digit() {
    const char c = cursor_.peek();
    const bool letter = c >= 'a' && c <= 'f';
    if (!letter && !(c >= '0' && c <= '9')) cursor_.fail("a digit 0 to 9 or a to f expected");
    cursor_.next();
    return letter ? c - 'a' + 10 : c - '0';
  }
  Value value() {
    cursor_.expect('%');
    const auto digits = [](char c) { return c >= '0' && c <= '9'; };
    const auto number = [&](size_t count, const char* what) {
      const auto text = cursor_.take_while(digits);
      size_t i = 0;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), i);
      if (text.empty() || error != std::errc() || i >= count)
        cursor_.fail(fmt::format("{} %{} is not defined before this line", what, text));
      return static_cast<int>(i);
    };
    const int node = number(static_cast<size_t>(graph_->size()), "value");
    if (cursor_.peek() != '.') return {graph_.get(), node, 0};
    cursor_.next();
    return {graph_.get(), node, number(static_cast<size_t>(graph_->node(node).outputs), "output")};
  }
  std::vector<int64_t> integers() {
    std::vector<int64_t> out;
    cursor_.expect('[');
    if (cursor_.try_char(']')) return out;
    do out.push_back(integer());
    while (cursor_.try_char(','));
    cursor_.expect(']');
    return out;
  }
  std::vector<double> reals() {
    std::vector<double> out;
    cursor_.expect('<');
    if (cursor_.try_char('>')) return out;
    do out.push_back(real_of<double>(number_text()));
    while (cursor_.try_char(','));
    cursor_.expect('>');
    return out;
  }
  AttrValue attr_value() {
    cursor_.skip_blanks();
    if (cursor_.peek() == '"') return string();
    if (cursor_.peek() == '[') return integers();
    if (cursor_.peek() == '<') return reals();
    const std::string_view text = number_text();
    if (text == "true" || text == "false") return text == "true";
    if (text.find_first_of(".eni") != std::string_view::npos) return real_of<double>(text);
    int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc() || end != text.data() + text.size())
      cursor_.fail("an attribute's value expected");
    return value;
  }
  Attrs attrs() {
    Attrs out;
    if (!cursor_.try_char('{')) return out;
    do {
      const std::string name = cursor_.word();
      if (out.has(name)) cursor_.fail("attribute \"" + name + "\" is given twice");
      cursor_.expect('=');
      out.set(name, attr_value());
    } while (cursor_.try_char(','));
    cursor_.expect('}');
    return out;
  }
  ValueMeta meta() {
    const std::string name = cursor_.word();
    ValueMeta m;
    try {
      m.dtype = parse_dtype(name);
    } catch (const UserError& e) {
      cursor_.fail(e.what());
    }
    const std::vector<int64_t> sizes = integers();
    if (sizes.size() > Shape::kMaxRank)
      cursor_.fail(fmt::format("rank {}, at most {} supported", sizes.size(), Shape::kMaxRank));
    for (int64_t size : sizes)
      if (size < 0 || size > kMostAxisSize)
        cursor_.fail(fmt::format("size {}: 0 to {} expected", size, kMostAxisSize));
    m.shape = Shape(sizes);
    int64_t bytes = 0;
    if (__builtin_mul_overflow(checked_count(m.shape), static_cast<int64_t>(size_of(m.dtype)),
                               &bytes))
      cursor_.fail("the value does not fit in 64 bits of bytes");
    return m;
  }
  int64_t checked_count(const Shape& shape) {
    int64_t count = 1;
    for (int64_t size : shape)
      if (__builtin_mul_overflow(count, size, &count))
        cursor_.fail("the number of elements does not fit in 64 bits");
    return count;
  }
  /// "@0" and, unless absent, the name.
  std::pair<int64_t, std::string> cell_label() {
    cursor_.expect('@');
    const int64_t index = integer();
    cursor_.skip_blanks();
    return {index, cursor_.peek() == '"' ? string() : std::string()};
  }
  CellRef make_cell(int64_t index, const std::string& name, const ValueMeta& m) {
    if (index != static_cast<int64_t>(cells_.size()))
      cursor_.fail(
          fmt::format("cell @{} expected, the cells are numbered in order", cells_.size()));
    cell_bytes_ += checked_count(m.shape) * static_cast<int64_t>(size_of(m.dtype));
    if (cell_bytes_ < 0 || cell_bytes_ > kMostCellBytes)
      cursor_.fail(fmt::format("the cells take more than {} bytes", kMostCellBytes));
    cells_.push_back(std::make_shared<Cell>(name, Array::zeros(m.shape, m.dtype)));
    return cells_.back();
  }

  // Lines.
  void assign_line() {
    const std::string word = cursor_.word();
    if (word == "fetch" && results_) {
      results_->push_back(value());
      return cursor_.end_of_line();
    }
    if (word != "assign") cursor_.fail("'%', or assign, expected at the start of a line");
    const auto [index, name] = cell_label();
    cursor_.expect('=');
    const Value v = value();
    const bool known = index >= 0 && index < static_cast<int64_t>(cells_.size());
    const CellRef cell = known ? cells_[index] : make_cell(index, name, {v.shape(), v.dtype()});
    assigning_ = true;
    checked([&] { graph_->assign(cell, v); });
    cursor_.end_of_line();
  }
  void node_line() {
    if (assigning_) cursor_.fail("assignments come last");
    cursor_.expect('%');
    if (integer() != graph_->size())
      cursor_.fail(fmt::format("node %{} expected: lines are numbered in order", graph_->size()));
    cursor_.expect('=');
    const std::string op = cursor_.word();
    if (op == "input" || op == "scalar" || op == "constant" || op == "cell") return leaf_line(op);
    std::vector<Value> operands;
    cursor_.expect('(');
    if (!cursor_.try_char(')')) {
      do operands.push_back(value());
      while (cursor_.try_char(','));
      cursor_.expect(')');
    }
    const Attrs given = attrs();
    const int line = cursor_.line();
    const size_t column = cursor_.column();
    const std::vector<ValueMeta> written = metas();
    const std::string scope = scope_comment();
    graph_->set_scope(scope);
    Value first;
    checked([&] { first = graph_->op(op, operands, given); });
    compare(first, written, line, column);
    cursor_.end_of_line();
  }
  std::vector<ValueMeta> metas() {
    std::vector<ValueMeta> out;
    cursor_.expect(':');
    do out.push_back(meta());
    while (cursor_.try_char(','));
    return out;
  }
  std::string scope_comment() {
    if (!cursor_.try_char('#')) return "";
    cursor_.skip_blanks();
    if (cursor_.peek() == '"') return string();
    return std::string(
        cursor_.take_while([](char c) { return c != '\n' && c != ' ' && c != '\r'; }));
  }
  void compare(Value first, const std::vector<ValueMeta>& written, int line, size_t column) {
    const int outputs = graph_->node(first.node).outputs;
    bool same = outputs == static_cast<int>(written.size());
    for (int o = 0; same && o < outputs; ++o) {
      const ValueMeta& given = graph_->meta({first.node, o});
      same = given.shape == written[o].shape && given.dtype == written[o].dtype;
    }
    if (same) return;
    std::string rule;
    for (int o = 0; o < outputs; ++o) {
      const ValueMeta& given = graph_->meta({first.node, o});
      rule += (o ? ", " : "") + std::string(name_of(given.dtype)) + given.shape.text();
    }
    Cursor::fail_at(line, column, "the op gives " + rule);
  }
  void leaf_line(const std::string& op) {
    std::string name;
    std::vector<double> numbers;
    std::pair<int64_t, std::string> label;
    if (op == "constant") {
      pending_constant();
    } else if (op == "cell") {
      label = cell_label();
    } else {
      cursor_.skip_blanks();
      if (cursor_.peek() == '"') name = string();
    }
    cursor_.expect(':');
    const ValueMeta m = meta();
    graph_->set_scope(scope_comment());
    checked([&] {
      if (op == "input") graph_->input(name, m.shape, m.dtype);
      if (op == "scalar") {
        if (!m.shape.is_scalar()) user_error("a scalar has rank 0");
        graph_->scalar(name, m.dtype);
      }
      if (op == "constant") graph_->constant(constant_of(m));
      if (op == "cell") graph_->read(make_cell(label.first, label.second, m));
    });
    cursor_.end_of_line();
  }

  // Constants: the elements come before the dtype that says how to read them.
  void pending_constant() {
    elements_.clear();
    hex_ = {};
    cursor_.skip_blanks();
    if (cursor_.peek() == '0') {
      cursor_.next();
      if (cursor_.next() != 'x') cursor_.fail("0x and hex digits, or [numbers], expected");
      hex_ = cursor_.take_while(
          [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
      is_hex_ = true;
      return;
    }
    is_hex_ = false;
    cursor_.expect('[');
    if (cursor_.try_char(']')) return;
    do elements_.push_back(number_text());
    while (cursor_.try_char(','));
    cursor_.expect(']');
  }
  Array constant_of(const ValueMeta& m) {
    const int64_t count = checked_count(m.shape);
    const size_t given = is_hex_ ? hex_.size() / 2 / size_of(m.dtype) : elements_.size();
    const bool whole = !is_hex_ || hex_.size() % (2 * size_of(m.dtype)) == 0;
    if (!whole || static_cast<int64_t>(given) != count)
      user_error("the constant has {} elements, {} expected", given, count);
    Array a(m.shape, m.dtype);
    for (int64_t i = 0; !is_hex_ && i < count; ++i) store(a, i, elements_[i]);
    auto* bytes = static_cast<unsigned char*>(a.raw());
    for (size_t i = 0; is_hex_ && i < a.bytes(); ++i)
      std::from_chars(hex_.data() + 2 * i, hex_.data() + 2 * i + 2, bytes[i], 16);
    if (m.dtype == DType::bool_)
      for (size_t i = 0; i < a.bytes(); ++i)
        if (bytes[i] > 1) user_error("a bool is 0 or 1");
    return a;
  }
  void store(Array& a, int64_t i, std::string_view text) {
    if (a.dtype() == DType::f32) {
      a.data<float>()[i] = real_of<float>(text);
    } else if (a.dtype() == DType::f64) {
      a.data<double>()[i] = real_of<double>(text);
    } else if (is_floating(a.dtype())) {
      user_error("{} constants are written as 0x and hex digits", name_of(a.dtype()));
    } else {
      store_integer(a, i, text);
    }
  }
  void store_integer(Array& a, int64_t i, std::string_view text) {
    int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size())
      user_error("an integer expected, {} received", text);
    if (a.dtype() == DType::i64) {
      a.data<int64_t>()[i] = value;
      return;
    }
    const bool is_signed = a.dtype() != DType::u8 && a.dtype() != DType::bool_;
    const int bits = a.dtype() == DType::bool_ ? 1 : 8 * static_cast<int>(size_of(a.dtype()));
    const int64_t most = (int64_t{1} << (bits - is_signed)) - 1, least = is_signed ? -most - 1 : 0;
    if (value < least || value > most) user_error("{} does not fit {}", value, name_of(a.dtype()));
    a.set(i, static_cast<double>(value));
  }

  /// Adds line and column to what the graph complains about.
  template <typename Body>
  void checked(Body&& body) {
    const int line = cursor_.line();
    const size_t column = cursor_.column();
    try {
      body();
    } catch (const UserError& e) {
      const std::string text = e.what();
      if (text.rfind("graph text:", 0) == 0) throw;
      Cursor::fail_at(line, column, text);
    }
  }

  Cursor cursor_;
  std::unique_ptr<Graph> graph_;
  std::vector<CellRef> cells_;
  int64_t cell_bytes_ = 0;
  bool assigning_ = false, is_hex_ = false;
  std::vector<Value>* results_ = nullptr;
  std::vector<std::string_view> elements_;
  std::string_view hex_;
};

}  // namespace

std::unique_ptr<Graph> parse_text(std::string_view text) { return Parser(text).run(); }

std::unique_ptr<Graph> parse_region_text(std::string_view text, std::vector<Value>* results) {
  return Parser(text).run(results);
}

}  // namespace trivium
