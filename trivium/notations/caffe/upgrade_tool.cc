// Read, upgrade, write, with the log lines of Caffe's upgrade programs.
#include "trivium/notations/caffe/upgrade_tool.h"

#include <fmt/format.h>

#include <utility>

#include "trivium/engine/core/error.h"
#include "trivium/formats/file.h"
#include "trivium/notations/caffe/net_file.h"
#include "trivium/notations/caffe/print.h"
#include "trivium/notations/caffe/prototxt.h"
#include "trivium/notations/caffe/upgrade.h"

namespace trivium::caffe {
namespace {

enum class Form { text, binary };

const char* form_name(Form form) { return form == Form::text ? "text" : "binary"; }

// False, with the reasons logged, when the content is not a message of this type.
bool read(Form form, const std::string& in, google::protobuf::Message* message, SourceMap* lines,
          LogLines* log) {
  const std::string bytes = formats::read_file(in, kMaxMessageBytes);
  try {
    if (form == Form::binary) {
      parse_binary(bytes, in, message);
    } else {
      NetLines nets;
      parse_prototxt(bytes, in, message, &nets);
      if (lines) *lines = std::move(nets[""]);
    }
    return true;
  } catch (const UserError& error) {
    add_line(log, LogLevel::error, error.what());
    add_line(log, LogLevel::error,
             fmt::format("Failed to parse input {} file as {}: {}", form_name(form),
                         std::string(message->GetDescriptor()->name()), in));
    return false;
  }
}

void write(Form form, const std::string& out, const google::protobuf::Message& message,
           LogLines* log) {
  formats::write_file_atomically(
      out, form == Form::text ? to_prototxt(message) : message.SerializeAsString());
  add_line(log, LogLevel::info,
           fmt::format("Wrote upgraded {} {} proto to {}",
                       std::string(message.GetDescriptor()->name()), form_name(form), out));
}

void log_newest(const std::string& in, LogLines* log) {
  add_line(log, LogLevel::error, fmt::format("File already in latest proto format: {}", in));
}

int upgrade_net_file(Form form, const std::string& in, const std::string& out, LogLines* log) {
  proto::NetParameter net;
  SourceMap lines;
  if (!read(form, in, &net, &lines, log)) return 2;
  UpgradedNet upgraded;
  if (net_needs_upgrade(net)) {
    upgraded = upgrade_net(std::move(net), in, log, &lines);
  } else {
    log_newest(in, log);
    upgraded.net = std::move(net);
  }
  if (!upgraded.complete) {
    add_line(log, LogLevel::error,
             "Encountered error(s) while upgrading prototxt; see details above.");
  }
  write(form, out, upgraded.net, log);
  return upgraded.complete ? 0 : 1;
}

}  // namespace

int upgrade_net_text(const std::string& in, const std::string& out, LogLines* log) {
  return upgrade_net_file(Form::text, in, out, log);
}

int upgrade_net_binary(const std::string& in, const std::string& out, LogLines* log) {
  return upgrade_net_file(Form::binary, in, out, log);
}

int upgrade_solver_text(const std::string& in, const std::string& out, LogLines* log) {
  proto::SolverParameter solver;
  if (!read(Form::text, in, &solver, nullptr, log)) return 2;
  if (solver_needs_upgrade(solver)) {
    solver = upgrade_solver(std::move(solver), in, log);
  } else {
    log_newest(in, log);
  }
  write(Form::text, out, solver, log);
  return 0;
}

}  // namespace trivium::caffe
