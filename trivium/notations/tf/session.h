// A Session runs parts of a graph and holds what lasts between runs: the values of variables and
// the positions of random streams. What one set of fetches needs becomes one plan per shapes fed;
// later runs of the same kind only bind and execute.
//
//   tf::Session session;
//   session.run(tf::global_variables_initializer());
//   auto out = session.run({loss, train}, {{x, x_values}, {y, y_values}});   // out[0].item()
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "trivium/notations/tf/translator.h"
#include "trivium/notations/tf/variables.h"

namespace trivium::run {
class Profile;
}

namespace trivium::tf {

/// Something to fetch: a tensor, an operation (run for its effect), or the name of either.
class Fetch {
 public:
  Fetch(Tensor tensor) : tensor_(std::move(tensor)) {}
  Fetch(std::shared_ptr<Operation> op) : op_(std::move(op)) {}
  Fetch(const Variable& variable);
  Fetch(std::string name) : name_(std::move(name)) {}
  Fetch(const char* name) : name_(name) {}

 private:
  friend class Session;
  Tensor tensor_;
  std::shared_ptr<Operation> op_;
  std::string name_;
};

class Session {
 public:
  /// Of the default graph when none is given.
  explicit Session(std::shared_ptr<Graph> graph = nullptr);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// Values of the fetches, in order; an undefined Array for an operation. Values fed are converted
  /// to the tensor's dtype; any tensor can be fed. ValueError when a shape does not fit; OpError
  /// for what goes wrong in the run (unfed placeholder, uninitialized variable, bad label, …).
  std::vector<Array> run(const std::vector<Fetch>& fetches, const std::vector<Feed>& feeds = {});
  Array run(const Fetch& fetch, const std::vector<Feed>& feeds = {});
  /// The same with strings among the results.
  std::vector<Data> run_data(const std::vector<Fetch>& fetches,
                             const std::vector<Feed>& feeds = {});

  const std::shared_ptr<Graph>& graph() const { return graph_; }
  /// Further runs are RuntimeErrors. Variables are given back.
  void close();
  bool closed() const { return closed_; }

  /// A copy of a variable's value here; undefined when it has none.
  Array value_of(const Variable& variable);
  /// Puts a value in; ValueError when the shape does not fit.
  void load(const Variable& variable, const Array& value);

  /// Each run adds what its steps took; null: no more. The profile must outlive the runs, and be
  /// read before the session ends.
  void set_profile(run::Profile* profile) { profile_ = profile; }

  /// Plans made so far by this session (steady state makes none).
  int64_t plans_made() const { return plans_made_; }

  /// Where a host operation keeps what lasts between runs.
  std::shared_ptr<void>& state_of(const Operation* op) { return host_states_[op]; }

 private:
  struct Program;
  struct Executable;
  struct Target {
    Operation* op;
    int index;  // -1: the operation itself
  };

  /// The numbers drawn in one run, kept while host operations make it several.
  using Drawn = std::map<RandomStream*, Array>;

  std::vector<Target> resolve(const std::vector<Fetch>& fetches);
  std::vector<Data> run_targets(const std::vector<Target>& targets, std::vector<Feed> feeds,
                                Drawn* drawn, Operation* wanted_by);
  Program& program_of(const std::vector<Target>& targets, const std::vector<Feed>& feeds);
  std::shared_ptr<Executable> executable_of(Program& program, const std::vector<Feed>& feeds);
  std::unique_ptr<Executable> translate(const Program& program, const std::vector<Feed>& feeds);
  std::vector<Array> compute(Executable& executable, const std::vector<Feed>& feeds, Drawn* drawn);
  std::vector<Data> finish(const Executable& executable, const std::vector<Array>& outputs,
                           const std::vector<Feed>& feeds);
  void run_before(const Program& program, std::vector<Feed>& feeds, Drawn* drawn);

  std::shared_ptr<Graph> graph_;
  std::mutex mutex_;  // held while plans are looked up and run, not while the host works
  Store store_;
  std::map<std::vector<int64_t>, std::unique_ptr<Program>> programs_;
  std::map<const Operation*, std::shared_ptr<void>> host_states_;
  bool closed_ = false;
  int64_t plans_made_ = 0;
  run::Profile* profile_ = nullptr;
};

}  // namespace trivium::tf
