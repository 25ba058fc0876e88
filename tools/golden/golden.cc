// golden FOLDER [SECTION…]: runs every recorded case of a folder and prints what agrees. Exit
// status 1 when a case fails. -v lists what was mended.
#include "tools/golden/golden.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <sstream>

#include "trivium/engine/backends/cpu/backend.h"
#include "trivium/formats/file.h"

namespace trivium::golden {

void Report::fail(const std::string& group, const std::string& name, const std::string& why) {
  ++groups_[group].failed;
  failures_.push_back({group, name, why});
}

void Report::mended(const std::string& group, const std::string& name, const std::string& reason) {
  ++groups_[group].mended;
  mended_.push_back({group, name, reason});
}

void Report::unsupported(const std::string& group, const std::string& name) {
  ++groups_[group].unsupported;
  unsupported_.push_back({group, name, ""});
}

void Report::difference(const std::string& group, double relative) {
  groups_[group].worst = std::max(groups_[group].worst, relative);
}

int Report::print(const std::string& folder, bool verbose) const {
  Group all;
  fmt::print("{:<28}{:>6}{:>6}{:>8}{:>12}  {}\n", "", "pass", "fail", "mended", "unsupported",
             "largest relative difference");
  for (const auto& [name, g] : groups_) {
    fmt::print("{:<28}{:>6}{:>6}{:>8}{:>12}  {:.1e}\n", name, g.passed, g.failed, g.mended,
               g.unsupported, g.worst);
    all.passed += g.passed;
    all.failed += g.failed;
    all.mended += g.mended;
    all.unsupported += g.unsupported;
  }
  const size_t shown = verbose ? failures_.size() : std::min<size_t>(failures_.size(), 40);
  for (size_t i = 0; i < shown; ++i)
    fmt::print("FAIL {} {}: {}\n", failures_[i].group, failures_[i].name, failures_[i].text);
  if (shown < failures_.size()) fmt::print("… and {} more (-v)\n", failures_.size() - shown);
  if (verbose)
    for (const Note& n : mended_) fmt::print("mended {} {}: {}\n", n.group, n.name, n.text);
  fmt::print("{}: {} cases, {} pass, {} fail, {} mended, {} of unsupported layers\n", folder,
             all.passed + all.failed + all.mended + all.unsupported, all.passed, all.failed,
             all.mended, all.unsupported);
  return all.failed;
}

std::string compare(const Array& got, const Array& want, const Tolerance& tolerance,
                    double* worst) {
  if (got.shape() != want.shape())
    return fmt::format("shape {} received, {} expected", got.shape().text(), want.shape().text());
  double largest = 0;
  int64_t first = -1, wrong = 0;
  for (int64_t i = 0; i < want.count(); ++i) {
    const double a = got.at(i), b = want.at(i);
    double relative = 0;
    if (std::isnan(a) || std::isnan(b))
      relative = std::isnan(a) && std::isnan(b) ? 0 : INFINITY;
    else if (std::isinf(a) || std::isinf(b))
      relative = a == b ? 0 : INFINITY;
    else if (std::abs(a - b) > tolerance.absolute)
      relative = std::abs(a - b) / std::max(std::abs(b), tolerance.floor);
    largest = std::max(largest, relative);
    if (relative > tolerance.relative) {
      ++wrong;
      if (first < 0) first = i;
    }
  }
  if (worst) *worst = std::max(*worst, largest);
  if (first < 0) return "";
  return fmt::format(
      "{} of {} values differ, first at {}: {} received, {} expected; largest relative "
      "difference {:.2e}",
      wrong, want.count(), first, got.at(first), want.at(first), largest);
}

std::vector<Row> read_tsv(const std::string& path) {
  std::istringstream text(formats::read_file(path));
  const auto cells = [](const std::string& line) {
    std::vector<std::string> out(1);
    for (char c : line)
      if (c == '\t')
        out.emplace_back();
      else
        out.back() += c;
    return out;
  };
  std::string line;
  std::getline(text, line);
  const std::vector<std::string> header = cells(line);
  std::vector<Row> rows;
  while (std::getline(text, line)) {
    const std::vector<std::string> values = cells(line);
    Row row;
    for (size_t i = 0; i < header.size(); ++i) row[header[i]] = i < values.size() ? values[i] : "";
    rows.push_back(std::move(row));
  }
  return rows;
}

namespace {

const Section kSections[] = {
    {"layers", "layers.tsv", run_layers},
    {"refusals", "dies.json", run_layer_refusals},
    {"data", "data.tsv", run_data},
    {"nets", "nets.json", run_nets},
    {"repo_nets", "repo_nets.json", run_repo_nets},
    {"solvers", "solvers.tsv", run_solvers},
    {"training", "training.json", run_training},
};

int run(const std::vector<std::string>& arguments) {
  bool verbose = false;
  std::vector<std::string> words;
  for (const std::string& a : arguments)
    if (a == "-v")
      verbose = true;
    else
      words.push_back(a);
  if (words.empty()) {
    fmt::print("usage: golden FOLDER [SECTION...] [-v]\nsections:");
    for (const Section& s : kSections) fmt::print(" {}", s.name);
    fmt::print("\n");
    return 1;
  }
  const std::string folder = words[0];
  Report report;
  bool any = false;
  for (const Section& section : kSections) {
    const bool asked =
        words.size() == 1 || std::find(words.begin() + 1, words.end(), section.name) != words.end();
    if (!asked || !std::filesystem::exists(folder + "/" + section.sign)) continue;
    any = true;
    section.run(folder, report);
  }
  if (!any) {
    fmt::print("{}: expected recorded cases (layers.tsv, data.tsv, nets.json, …), found none\n",
               folder);
    return 1;
  }
  return report.print(folder, verbose) > 0;
}

}  // namespace
}  // namespace trivium::golden

int main(int argc, char** argv) {
  try {
    trivium::cpu::register_backend();
    return trivium::golden::run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
