#include "cmd/userctl/transfer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "cmd/userctl/edit.h"
#include "cmd/userctl/maildir.h"
#include "cmd/userctl/progress.h"
#include "libcommon/base/io.h"
#include "libcommon/base/text.h"
#include "libcommon/directory/address.h"

namespace moat {
namespace {

constexpr std::size_t max_line = std::size_t{1} << 20U;  // octets
constexpr std::size_t max_entries = 20'000'000;
constexpr std::size_t output_piece = std::size_t{1} << 16U;

// Takes the value of an option off the words.
Result<std::string> take_value(const std::vector<std::string> &words, std::size_t &i) {
  if (i + 1 >= words.size()) return permanent_error(words[i] + " takes a value");
  return words[++i];
}

Status read_option(const std::vector<std::string> &words, std::size_t &i, Wish &wish) {
  const std::string &word = words[i];
  if (word == "--trap") {
    wish.trap = true;
    return done;
  }
  const auto value = take_value(words, i);
  if (!value) return value.error();
  if (word == "--greylist") {
    if (*value != "on" && *value != "off")
      return permanent_error("--greylist takes on, off");
    wish.greylist = *value == "on";
    return done;
  }
  const std::array<std::pair<std::string_view, std::optional<std::string> *>, 6> texts{
      {{"--route", &wish.route},
       {"--recipients", &wish.recipients},
       {"--catch-all", &wish.catch_all},
       {"--maildir", &wish.maildir},
       {"--owner", &wish.owner},
       {"--members", &wish.members}}};
  for (const auto &[name, target] : texts) {
    if (word != name) continue;
    *target = *value;
    return done;
  }
  return permanent_error("no such option: " + word);
}

Result<EntryKind> kind_of(const std::string &word) {
  for (const auto kind : {EntryKind::account, EntryKind::alias, EntryKind::list}) {
    if (word == word_of(kind)) return kind;
  }
  return permanent_error("takes domain, user, alias or list, not \"" + word + "\"");
}

Status add_entry_line(EntryKind kind, const std::vector<std::string> &plain,
                      const Wish &wish, const Places &places, ImportText &text) {
  auto entry = new_entry(kind, plain[1], places);
  if (!entry) return entry.error();
  auto status = apply(wish, places, *entry);
  if (status && kind == EntryKind::alias) {
    status = set_targets(*entry, {plain.begin() + 2, plain.end()});
  }
  if (!status) return status;
  if (kind != EntryKind::alias && plain.size() > 2) {
    return permanent_error("one address a line");
  }
  text.entries.push_back(std::move(*entry));
  return done;
}

Result<ImportText> read_import(int fd, const Places &places) {
  struct stat status{};
  const bool sized = ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
  Progress progress("reading", sized ? static_cast<std::uint64_t>(status.st_size) : 0);
  LineReader lines(fd, max_line);
  ImportText text;
  std::uint64_t octets = 0;
  for (std::uint64_t number = 1;; ++number) {
    const auto line = lines.next(Deadline::never());
    const std::string place = "line " + std::to_string(number) + ": ";
    if (!line) return Error{line.error().temporary, place + line.error().what};
    if (line->end) break;
    const auto parsed = parse_import_line(line->text, places, text);
    if (!parsed) return permanent_error(place + parsed.error().what);
    if (text.entries.size() > max_entries) return permanent_error("too many entries");
    octets += line->text.size() + 1;
    progress.at(sized ? octets : number);
  }
  const auto whole = check_whole(text);
  if (!whole) return whole.error();
  return text;
}

// Which domain a bare <postmaster> means stays the same if it still is one.
Status put_all(Writer &writer, const ImportText &text) {
  std::vector<std::pair<std::string, std::string>> kept;
  auto walked = writer.each("", [&](const Entry &entry) {
    if (!entry.key.starts_with(domain_prefix) && !entry.key.starts_with(entry_prefix)) {
      kept.emplace_back(entry.key, entry.value);
    }
    return true;
  });
  if (!walked) return walked;
  auto status = writer.clear();
  for (const auto &[key, value] : kept) {
    if (status) status = writer.put(key, value);
  }
  Progress progress("writing", text.entries.size());
  std::uint64_t count = 0;
  for (const DirectoryEntry &entry : text.entries) {
    if (!status) return status;
    status = replace_entry(writer, entry);
    progress.at(++count);
  }
  for (const Domain &domain : text.domains) {
    if (status) status = replace_domain(writer, domain);
  }
  return status ? settle_default_domain(writer) : status;
}

// A million syncs would take an hour; one of the whole file system takes seconds.
// Those of --from are their users' own and there already: a path that a user
// wrote into his .qmail must not be made by root.
Status make_maildirs(const Call &call, const ImportText &text, const Places &places) {
  const auto make = [&](const DirectoryEntry &entry) {
    return make_maildir(places, entry, !entry.maildir.starts_with(places.mail + "/"));
  };
  Progress progress("making Maildirs", text.entries.size());
  std::uint64_t count = 0;
  for (const DirectoryEntry &entry : text.entries) {
    progress.at(++count);
    if (entry.kind != EntryKind::account || !call.from.empty()) continue;
    auto made = make(entry);
    if (!made) return made;
  }
  for (const Domain &domain : text.domains) {
    if (!domain.route.empty()) continue;
    DirectoryEntry postmaster;
    postmaster.maildir = domain.postmaster;
    auto made = make(postmaster);
    if (!made) return made;
  }
  return sync_maildirs(places);
}

Status print_lines(const std::vector<std::string> &lines) {
  std::string text = "# moat-userctl export, format 1\n";
  for (const std::string &line : lines) {
    text += line + "\n";
    if (text.size() < output_piece) continue;
    const auto written = write_all(STDOUT_FILENO, text);
    if (!written) return written;
    text.clear();
  }
  return write_all(STDOUT_FILENO, text);
}

}  // namespace

Status parse_import_line(std::string_view line, const Places &places, ImportText &text) {
  const std::string_view content = trim(line);
  if (content.empty() || content.starts_with('#')) return done;
  const auto words = split_command(content);
  if (!words) return permanent_error("a quote is not closed");
  std::vector<std::string> plain;
  Wish wish;
  for (std::size_t i = 0; i < words->size(); ++i) {
    // An address may begin so too: no option has an '@'.
    if (!(*words)[i].starts_with("--") || (*words)[i].find('@') != std::string::npos) {
      plain.push_back((*words)[i]);
      continue;
    }
    auto read = read_option(*words, i, wish);
    if (!read) return read;
  }
  if (plain.size() < 2) return permanent_error("takes a word and a name");
  if (plain[0] != "domain") {
    const auto kind = kind_of(plain[0]);
    if (!kind) return kind.error();
    return add_entry_line(*kind, plain, wish, places, text);
  }
  if (plain.size() > 2) return permanent_error("one domain a line");
  auto domain = new_domain(plain[1], places);
  if (!domain) return domain.error();
  auto applied = apply(wish, places, *domain);
  if (!applied) return applied;
  text.domains.push_back(std::move(*domain));
  return done;
}

Status check_whole(ImportText &text) {
  auto &domains = text.domains;
  auto &entries = text.entries;
  std::sort(domains.begin(), domains.end(),
            [](const Domain &a, const Domain &b) { return a.name < b.name; });
  std::sort(entries.begin(), entries.end(),
            [](const DirectoryEntry &a, const DirectoryEntry &b) {
              return a.address < b.address;
            });
  for (std::size_t i = 1; i < domains.size(); ++i) {
    if (domains[i].name == domains[i - 1].name) {
      return permanent_error(domains[i].name + " comes twice");
    }
  }
  for (std::size_t i = 1; i < entries.size(); ++i) {
    if (entries[i].address == entries[i - 1].address) {
      return permanent_error(entries[i].address + " comes twice");
    }
  }
  for (const DirectoryEntry &entry : entries) {
    const std::string_view name = domain_of(entry.address);
    const auto found =
        std::lower_bound(domains.begin(), domains.end(), name,
                         [](const Domain &domain, std::string_view wanted) {
                           return domain.name < wanted;
                         });
    if (found == domains.end() || found->name != name) {
      return permanent_error(entry.address + " is in a domain that is not there");
    }
  }
  return done;
}

Status export_all(const Master &master, const Places &places) {
  // Into memory first: no view of the store is held while a reader of the
  // output takes his time.
  std::vector<std::string> lines;
  auto read = master.read([&](Reader &reader) -> Status {
    auto domains = each_domain(reader, [&](const Domain &domain) {
      lines.push_back(export_line(domain, places));
      return true;
    });
    if (!domains) return domains;
    return each_entry(reader, [&](const DirectoryEntry &entry) {
      lines.push_back(export_line(entry, places));
      return true;
    });
  });
  return read ? print_lines(lines) : read;
}

Status print_import(const ImportText &text, const Places &places) {
  std::vector<std::string> lines;
  for (const Domain &domain : text.domains) lines.push_back(export_line(domain, places));
  for (const DirectoryEntry &entry : text.entries) {
    lines.push_back(export_line(entry, places));
  }
  return print_lines(lines);
}

Status import_all(const Call &call, const Master &master, const Places &places,
                  Invocation &invocation) {
  Fd file;
  int fd = STDIN_FILENO;
  if (call.words.size() > 1) {
    file.reset(::open(call.words[1].c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) return system_error(call.words[1]);
    fd = file.get();
  }
  const auto text = read_import(fd, places);
  if (!text) return text.error();
  if (!call.dry_run) return put_import(call, *text, master, places, invocation);
  invocation.log.event(
      "checked", {{"domains", text->domains.size()}, {"entries", text->entries.size()}});
  return done;
}

Status put_import(const Call &call, const ImportText &text, const Master &master,
                  const Places &places, Invocation &invocation) {
  if (call.maildirs) {
    auto made = make_maildirs(call, text, places);
    if (!made) return made;
  }
  auto changed = master.change([&](Writer &writer) { return put_all(writer, text); });
  if (!changed) return changed;
  invocation.log.event(
      "imported", {{"domains", text.domains.size()}, {"entries", text.entries.size()}});
  return done;
}

}  // namespace moat
