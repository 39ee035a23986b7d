#include "libcommon/net/access_rule_line.h"

#include <algorithm>
#include <array>
#include <bit>

#include "libcommon/base/text.h"

namespace moat {
namespace {

constexpr std::size_t max_line = 8192;
constexpr unsigned octets_of_v4 = 4;

// 128 bits to count with.
__extension__ using Wide = unsigned __int128;

Wide wide_of(const IpAddress &address) {
  Wide number = 0;
  for (const std::uint8_t octet : address.bytes()) number = (number << 8U) | octet;
  return number;
}

IpAddress address_of(Wide number) {
  std::array<std::uint8_t, 16> bytes{};
  for (auto octet = bytes.rbegin(); octet != bytes.rend(); ++octet) {
    *octet = static_cast<std::uint8_t>(number & 0xffU);
    number >>= 8U;
  }
  return IpAddress::from_bytes(bytes);
}

// Returns the fewest networks that cover first..last, of one version.
std::vector<IpNetwork> cover(const IpAddress &first, const IpAddress &last) {
  const unsigned widest = first.is_v4() ? 32 : 128;
  std::vector<IpNetwork> networks;
  Wide at = wide_of(first);
  const Wide end = wide_of(last);
  for (;;) {
    unsigned bits = 0;  // of the block that begins here
    while (bits < widest && (at >> bits & 1U) == 0 &&
           (at | ((Wide{1} << bits << 1U) - 1)) <= end) {
      ++bits;
    }
    networks.push_back(IpNetwork::of(address_of(at), widest - bits));
    const Wide next = at + (Wide{1} << (bits & 127U));
    if (bits == 128 || next > end || next == 0) return networks;
    at = next;
  }
}

Error not_an_address(std::string_view text) {
  return permanent_error("not an address: " + std::string(text));
}

// Parses "192.0.2.1", and "192.0.2." as the network that begins so.
std::optional<IpNetwork> parse_dotted(std::string_view text) {
  std::string full(text);
  const auto dots = static_cast<unsigned>(std::count(text.begin(), text.end(), '.'));
  unsigned octets = octets_of_v4;
  if (text.ends_with('.') && dots < octets_of_v4) {
    octets = dots;
    full.pop_back();
    for (unsigned i = dots; i < octets_of_v4; ++i) full += ".0";
  }
  const auto address = IpAddress::parse(full);
  if (!address || full.find(':') != std::string::npos) return std::nullopt;
  return IpNetwork::of(*address, octets * 8);
}

// "192.0.2.10-20" stands for eleven addresses, "10.2-3." for two networks.
Result<std::vector<IpNetwork>> parse_short_range(std::string_view text) {
  const auto dash = text.find('-');
  const auto base_end = text.rfind('.', dash) + 1;  // npos + 1 is 0
  const auto low = parse_number(text.substr(base_end, dash - base_end), 0, 255);
  std::string_view rest = text.substr(dash + 1);
  const auto digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
  const auto high = parse_number(rest.substr(0, digits), 0, 255);
  if (!low || !high || *low > *high) return not_an_address(text);
  std::vector<IpNetwork> networks;
  for (auto number = *low; number <= *high; ++number) {
    std::string one(text.substr(0, base_end));
    one.append(std::to_string(number)).append(rest.substr(digits));
    const auto network = parse_dotted(one);
    if (!network) return not_an_address(text);
    networks.push_back(*network);
  }
  return networks;
}

Result<std::vector<IpNetwork>> parse_range(std::string_view text) {
  const auto dash = text.find('-');
  const auto first = IpAddress::parse(text.substr(0, dash));
  const auto last = IpAddress::parse(text.substr(dash + 1));
  if (!first || !last) return parse_short_range(text);
  if (first->is_v4() != last->is_v4() || *last < *first) return not_an_address(text);
  return cover(*first, *last);
}

bool is_variable_name(std::string_view name) {
  const auto fits = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           c == '_';
  };
  return !name.empty() && !(name[0] >= '0' && name[0] <= '9') &&
         std::all_of(name.begin(), name.end(), fits);
}

// Takes `,NAME="value"` off the front.
Status take_variable(std::string_view &text, AccessRule &rule) {
  if (text.front() != ',') return permanent_error("no comma before a variable");
  text.remove_prefix(1);
  const auto equals = text.find('=');
  const std::string_view name = text.substr(0, equals);
  if (equals == std::string_view::npos || !is_variable_name(name)) {
    return permanent_error("not NAME=\"value\": " + std::string(text));
  }
  if (!rule_may_set(name)) {
    return permanent_error("no access rule may set " + std::string(name));
  }
  text.remove_prefix(equals + 1);
  if (text.empty()) return permanent_error("no value for " + std::string(name));
  const char quote = text.front();
  text.remove_prefix(1);
  const auto end = text.find(quote);
  if (end == std::string_view::npos) {
    return permanent_error("no closing quote for " + std::string(name));
  }
  rule.variables.emplace_back(name, text.substr(0, end));
  text.remove_prefix(end + 1);
  return done;
}

// What says where programs and files are, and how the loader and a shell find
// theirs; what an acceptor found out; what follows is by prefix and by suffix.
constexpr auto forbidden = std::to_array<std::string_view>({"PATH",
                                                            "IFS",
                                                            "ENV",
                                                            "BASH_ENV",
                                                            "SHELLOPTS",
                                                            "BASHOPTS",
                                                            "PS4",
                                                            "CDPATH",
                                                            "GLOBIGNORE",
                                                            "HOME",
                                                            "SHELL",
                                                            "TMPDIR",
                                                            "GCONV_PATH",
                                                            "GETCONF_DIR",
                                                            "LOCPATH",
                                                            "NLSPATH",
                                                            "HOSTALIASES",
                                                            "RES_OPTIONS",
                                                            "LOCALDOMAIN",
                                                            "GLIBC_TUNABLES",
                                                            "MOAT_DIR",
                                                            "MOAT_ETC",
                                                            "MOAT_SPOOL",
                                                            "MOAT_RUN",
                                                            "MOAT_MAIL",
                                                            "MOAT_RESOLVER",
                                                            "MOAT_STATE_MAX",
                                                            "MOAT_CLOCK_OFFSET",
                                                            "QMAILQUEUE",
                                                            "PROTO",
                                                            "TCPREMOTEIP",
                                                            "TCPREMOTEPORT",
                                                            "TCPCONNNUM",
                                                            "TCPSYN",
                                                            "MOAT_SESSION",
                                                            "MOAT_HANDOVER",
                                                            "MOAT_DEADLINE",
                                                            "ERROR_FD",
                                                            "SSLCTLFD",
                                                            "SSLREADFD",
                                                            "SSLWRITEFD"});
// Programs that no chain holds, and acceptors, which have read their own already.
constexpr auto forbidden_prefixes = std::to_array<std::string_view>(
    {"LD_", "MALLOC_", "PYTHON", "PERL", "RUBY", "OPENSSL_", "BASH_FUNC_", "TCPLOCAL",
     "UNIX", "MOAT_TCPD_", "MOAT_LOBBY_", "MOAT_USERCTL_", "MOAT_STATECTL_",
     "MOAT_QUEUECTL_"});
// Options of whatever program: a user, a program, a network, a key, a file.
constexpr std::array<std::string_view, 28> forbidden_options = {"NEXT",
                                                                "USER",
                                                                "QUEUE",
                                                                "AUTH",
                                                                "POLICY",
                                                                "SERVE",
                                                                "FROM",
                                                                "VIA",
                                                                "TO",
                                                                "CERT",
                                                                "KEY",
                                                                "KEYS",
                                                                "PASSWORDS",
                                                                "RECIPIENTS",
                                                                "ROUTE",
                                                                "LOCAL",
                                                                "REMOTE",
                                                                "FINGERPRINTS",
                                                                "GENERIC_PATTERNS",
                                                                "QUARANTINE",
                                                                "REPLAY",
                                                                "RULES",
                                                                "SHOW_OPTIONS",
                                                                "VERSION",
                                                                "HELP",
                                                                "TEST",
                                                                "IP",
                                                                "EXPORT"};

// Returns "MAX_SIZE" of "MOAT_SMTPD_MAX_SIZE", "" of what is no option.
std::string_view option_of(std::string_view variable) {
  std::string_view rest = variable;
  if (take_until(rest, '_') != "MOAT") return "";
  take_until(rest, '_');
  return rest;
}

}  // namespace

bool rule_may_set(std::string_view variable) {
  const auto is = [&](std::string_view name) { return variable == name; };
  const auto begins = [&](std::string_view with) { return variable.starts_with(with); };
  const auto names = [&](std::string_view option) {
    return option_of(variable) == option;
  };
  return std::none_of(forbidden.begin(), forbidden.end(), is) &&
         std::none_of(forbidden_prefixes.begin(), forbidden_prefixes.end(), begins) &&
         std::none_of(forbidden_options.begin(), forbidden_options.end(), names);
}

Result<RuleLine> parse_rule_line(std::string_view line) {
  if (line.size() > max_line) return permanent_error("line too long");
  if (line.find('\0') != std::string_view::npos) return permanent_error("a NUL in it");
  const std::string_view head = line.substr(0, line.find(','));
  RuleLine parsed;
  if (head.ends_with(":allow")) {
    parsed.rule.allow = true;
    parsed.address = head.substr(0, head.size() - 6);
  } else if (head.ends_with(":deny")) {
    parsed.rule.allow = false;
    parsed.address = head.substr(0, head.size() - 5);
  } else {
    return permanent_error("takes ADDRESS:allow or ADDRESS:deny");
  }
  std::string_view rest = line.substr(head.size());
  while (!rest.empty()) {
    const auto taken = take_variable(rest, parsed.rule);
    if (!taken) return taken.error();
  }
  parsed.rule.text = line;
  return parsed;
}

Result<std::vector<IpNetwork>> parse_rule_address(std::string_view text) {
  std::string plain(text);
  if (text.find('@') != std::string_view::npos) {
    return permanent_error("no ident here: " + plain);
  }
  if (text.starts_with('[')) {
    const auto bracket = plain.find(']');
    if (bracket == std::string::npos) return not_an_address(text);
    plain.erase(bracket, 1);
    plain.erase(0, 1);
  }
  if (plain.find('-') != std::string::npos) return parse_range(plain);
  if (const auto network = parse_dotted(plain)) return std::vector{*network};
  if (const auto network = IpNetwork::parse(plain)) return std::vector{*network};
  return not_an_address(text);
}

}  // namespace moat
