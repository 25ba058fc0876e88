// Cuts protobuf text format into tokens and keeps the position of each one.
// The lexer also raises every error of the parser, so that all of them start with file:line:column.
#pragma once

#include <string>
#include <string_view>

namespace trivium::caffe {

enum class TokenKind { identifier, integer, decimal, string, symbol, end };

struct Token {
  TokenKind kind = TokenKind::end;
  std::string_view text;  ///< as written, quotes included; points into the parsed text
  int line = 1;
  int column = 1;  ///< in bytes, from 1
};

class PrototxtLexer {
 public:
  /// `text` must outlive the lexer.
  PrototxtLexer(std::string_view text, std::string file);

  const Token& peek() const { return token_; }
  /// Returns the current token and moves to the next one.
  Token take();
  bool at_symbol(char symbol) const;
  /// Moves on when the current token is `symbol`.
  bool accept(char symbol);

  /// The value of a string token: quotes removed, C escapes and \u, \U replaced.
  std::string unquote(const Token& token) const;

  [[noreturn]] void fail(const Token& at, const std::string& message) const;

 private:
  char at(size_t offset) const;
  void advance(size_t bytes);
  void skip_blank();
  void next();
  void finish(TokenKind kind, size_t length);
  size_t number_length(TokenKind* kind) const;
  size_t string_length() const;
  [[noreturn]] void fail_character() const;

  std::string_view text_;
  std::string file_;
  size_t offset_ = 0;
  int line_ = 1;
  size_t line_start_ = 0;
  Token token_;
};

/// How an error speaks of a token: `the number 3`, `the word LMDB`, `the text "x"`, `"}"`, `the end
/// of the file`.
std::string describe_token(const Token& token);

}  // namespace trivium::caffe
