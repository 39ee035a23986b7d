#include "cmd/smtpd/settings.h"

#include <array>
#include <utility>

#include "libcommon/base/text.h"
#include "libcommon/directory/directory.h"

namespace moat {
namespace {

constexpr Milliseconds second{1000};
constexpr Milliseconds day{86400000};
constexpr std::uint64_t max_count = 1000000;

// Takes the words of --without out of what EHLO offers. Returns the word that
// is none of them, or "".
std::string withdraw(const std::vector<std::string> &values, Offer &offer) {
  const std::array<std::pair<std::string_view, bool *>, 7> keywords{
      {{"PIPELINING", &offer.pipelining},
       {"SIZE", &offer.size},
       {"8BITMIME", &offer.eight_bit},
       {"SMTPUTF8", &offer.utf8},
       {"ENHANCEDSTATUSCODES", &offer.status_codes},
       {"CHUNKING", &offer.chunking},
       {"LIMITS", &offer.limits}}};
  for (std::string_view rest : values) {
    while (!rest.empty()) {
      const std::string_view word = take_until(rest, ',');
      bool known = false;
      for (const auto &[keyword, offered] : keywords) {
        if (!equal_nocase(word, keyword)) continue;
        *offered = false;
        known = true;
      }
      if (!known) return std::string(word);
    }
  }
  return "";
}

void declare_limits(Options &options, SmtpdSettings &settings) {
  SessionRules &rules = settings.rules;
  options.size("max-size", "SIZE", settings.max_size, 0, std::uint64_t{1} << 40U,
               "largest message; 0: no limit");
  options.number("max-recipients", "COUNT", rules.max_recipients, 1, max_count,
                 "recipients of one message");
  options.number("max-errors", "COUNT", rules.max_errors, 0, max_count,
                 "refused commands before the session ends");
  options.number("max-junk", "COUNT", rules.max_junk, 0, max_count,
                 "RSET, NOOP, VRFY and the like before the session ends");
  options.number("max-unknown", "COUNT", rules.max_unknown, 0, max_count,
                 "unknown recipients before the session ends");
  options.number("tarpit-after", "COUNT", rules.tarpit_after, 0, max_count,
                 "errors before each reply is delayed");
  options.duration("tarpit-delay", "TIME", rules.tarpit_delay, Milliseconds(0),
                   30 * second, "so long");
  options.duration("command-timeout", "TIME", rules.command_timeout, second, day,
                   "how long to wait for a client");
  options.duration("session-limit", "TIME", rules.session_limit, second, day,
                   "how long a session may be");
  options.number("hops", "COUNT", settings.hops, 1, 1000,
                 "Received or Delivered-To fields; more is a loop");
}

}  // namespace

std::optional<Confinement> SmtpdSettings::confinement() const {
  if (door.empty()) return std::nullopt;
  return Confinement{{places.dir + "/control"}, {spool}};
}

void SmtpdSettings::warm(Invocation &invocation) const {
  [[maybe_unused]] const auto opened = Directory::open(invocation, places);
}

Prepared<SmtpdSettings> smtpd_settings(const Argv &argv, const Environment &environment) {
  SmtpdSettings settings;
  std::string queue = "moat-queue";
  std::vector<std::string> without;
  Options options("moat-smtpd", {"OPTIONS"},
                  "Receive mail by SMTP on descriptors 0 and 1.");
  options.text("queue", "X", queue, "unix:PATH or PROGRAM ARG ...: takes the messages");
  options.command_line_only();
  options.also_from("QMAILQUEUE");
  declare_limits(options, settings);
  options.list("without", "KEYWORD,...", without, "do not offer these in EHLO");
  options.flag("complete-headers", settings.complete_headers,
               "add Date, Message-ID and From where a customer left them out");
  options.duration("queue-timeout", "TIME", settings.queue_timeout, second, day,
                   "how long the queue may take for a message");
  Argv operands;
  if (auto stop = options.parse(argv, environment, settings.common, operands)) {
    return std::move(*stop);
  }
  if (!operands.empty()) return misuse("takes no operand, not \"" + operands[0] + "\"");
  const std::string wrong = withdraw(without, settings.rules.offer);
  if (!wrong.empty())
    return misuse("--without takes keywords of EHLO, not \"" + wrong + "\"");

  if (queue.starts_with("unix:")) {
    settings.door = queue.substr(5);
    if (settings.door.empty()) return misuse("--queue takes unix:PATH or a program");
  } else {
    auto words = split_command(queue);
    if (!words || words->empty()) return misuse("--queue takes unix:PATH or a program");
    settings.program = std::move(*words);
  }
  auto me = server_name(environment);
  if (!me) return stop_for(me.error());
  settings.rules.me = std::move(*me);
  settings.places = Places::from(environment);
  settings.spool = environment.get_or("TMPDIR", "/var/tmp");
  return settings;
}

}  // namespace moat
