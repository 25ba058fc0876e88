// The list of backends by name. Registered explicitly, before any plan is made; read by the
// compiler.
#include "trivium/engine/run/backend.h"

#include <map>
#include <mutex>

#include "trivium/engine/core/error.h"

namespace trivium::run {
namespace {

struct Registry {
  std::mutex lock;  // guards `by_name`
  std::map<std::string, Backend*> by_name;
};

Registry& registry() {
  static Registry instance;
  return instance;
}

}  // namespace

Backend& backend(const std::string& name) {
  Registry& r = registry();
  std::lock_guard<std::mutex> hold(r.lock);
  const auto at = r.by_name.find(name);
  if (at != r.by_name.end()) return *at->second;
  std::vector<std::string> names;
  for (const auto& [known, unused] : r.by_name) names.push_back(known);
  environment_error("backend \"{}\": this program has {}; name one of them or register it first",
                    name, names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", ")));
}

void register_backend(Backend* backend) {
  Registry& r = registry();
  std::lock_guard<std::mutex> hold(r.lock);
  const auto [at, added] = r.by_name.emplace(backend->name(), backend);
  if (!added && at->second != backend)
    internal_error("backend \"{}\" is registered twice with different objects", backend->name());
}

}  // namespace trivium::run
