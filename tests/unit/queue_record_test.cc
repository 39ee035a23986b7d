// The records of queue.mdb and the packets of its door.

#include "libcommon/queue/queue_record.h"

#include "libcommon/queue/door_request.h"
#include "libcommon/state/record.h"
#include "tests/unit/check.h"

using namespace moat;

namespace {

MessageRecord a_message() {
  MessageRecord record;
  record.message.id = {1'795'300'000'000'000};
  record.message.sender = "a@b.example";
  record.message.time = 1'795'300'000;
  record.message.size = 4096;
  record.message.session.set("TCPREMOTEIP", "192.0.2.1");
  record.message.session.set("MOAT_HELO", "mx.example");
  record.message.file = "0123456789abcdef01234567";
  record.body_sum = 0xfedcba9876543210;
  return record;
}

QueueRecipient a_recipient() {
  QueueRecipient recipient;
  recipient.number = 7;
  recipient.address = "c@d.example";
  recipient.origin = "list@d.example";
  recipient.held = true;
  recipient.attempts = 3;
  recipient.due = 1'795'300'900;
  recipient.text = "451 4.2.0 later";
  return recipient;
}

void ids_sort_as_numbers_and_as_text() {
  const QueueId a{1};
  const QueueId b{61};
  const QueueId c{62};
  const QueueId d{1'795'300'000'000'000};
  CHECK(a.text() == "000000001");
  CHECK(a.text() < b.text() && b.text() < c.text() && c.text() < d.text());
  CHECK(message_key(a) < message_key(b) && message_key(c) < message_key(d));
  for (const QueueId id : {a, b, c, d}) CHECK(QueueId::parse(id.text()) == id);
  for (const char *text :
       {"", "all", "00000000", "0000000001", "00000000-", "0000 0001"}) {
    CHECK(!QueueId::parse(text));
  }
}

void keys_come_back() {
  const QueueId id{0x0102030405060708};
  CHECK(parse_message_key(message_key(id)) == id);
  CHECK(parse_body_key(body_key(id)) == id);
  CHECK(!parse_message_key(body_key(id)) && !parse_body_key(message_key(id)));
  const auto place = parse_recipient_key(recipient_key(id, 77));
  CHECK(place && place->id == id && place->number == 77);
  CHECK(recipient_key(id, 77).starts_with(recipients_key(id)));
  const auto due = parse_due_key(due_key({42, id, 77}));
  CHECK(due && due->due == 42 && due->id == id && due->number == 77);
  CHECK(due_key({41, {9}, 9}) < due_key({42, {1}, 0}));
  CHECK(!parse_due_key("d") && !parse_recipient_key("r") && !parse_message_key("m"));
}

void a_message_comes_back() {
  const MessageRecord record = a_message();
  const auto back = read_message(message_key(record.message.id), write_message(record));
  CHECK(back);
  CHECK(back->message.id == record.message.id);
  CHECK(back->message.sender == record.message.sender);
  CHECK(back->message.time == record.message.time);
  CHECK(back->message.size == record.message.size);
  CHECK(back->message.session == record.message.session);
  CHECK(back->message.file == record.message.file);
  CHECK(back->body_sum == record.body_sum);
}

void a_recipient_comes_back() {
  const QueueRecipient recipient = a_recipient();
  const QueueId id{5};
  const auto back =
      read_recipient(recipient_key(id, recipient.number), write_recipient(id, recipient));
  CHECK(back);
  CHECK(back->number == 7 && back->address == recipient.address);
  CHECK(back->origin == recipient.origin && back->held && back->attempts == 3);
  CHECK(back->state == RecipientState::pending && back->due == recipient.due);
  CHECK(back->text == recipient.text);
}

void a_last_answer_is_cut_to_its_bound() {
  QueueRecipient recipient = a_recipient();
  recipient.text.assign(5000, 'x');
  const auto back =
      read_recipient(recipient_key({5}, 7), write_recipient({5}, recipient));
  CHECK(back && back->text.size() == max_recipient_text);
}

void any_flipped_bit_and_any_missing_octet_is_damage() {
  const std::string key = message_key(a_message().message.id);
  const std::string whole = write_message(a_message());
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      std::string record = whole;
      record[at] = static_cast<char>(record[at] ^ (1 << bit));
      const auto read = read_message(key, record);
      CHECK(!read && read.error().cause == Cause::damaged);
    }
    CHECK(!read_message(key, std::string_view(whole).substr(0, at)));
  }
}

void a_record_under_the_key_of_another_is_damage() {
  CHECK(!read_message(message_key({1}), write_message(a_message())));
  CHECK(!read_recipient(recipient_key({5}, 8), write_recipient({5}, a_recipient())));
  CHECK(!read_recipient(recipient_key({6}, 7), write_recipient({5}, a_recipient())));
}

void what_a_newer_version_wrote_is_refused_for_good() {
  RecordWriter writer;
  writer.text("what we do not know");
  const std::string key = message_key({1});
  const auto read = read_message(key, writer.seal(key, queue_format + 1));
  CHECK(!read && read.error().cause == Cause::newer && !read.error().temporary);
  CHECK(!read && read.error().what.find("newer version") != std::string::npos);
  const auto head = read_head(writer.seal(head_key, queue_format + 1));
  CHECK(!head && head.error().cause == Cause::newer);
}

void a_files_name_never_leaves_its_folder() {
  for (const char *name : {"../queue.mdb", "a/b", ".", "..", "/etc/passwd"}) {
    MessageRecord record = a_message();
    record.message.file = name;
    CHECK(!read_message(message_key(record.message.id), write_message(record)));
  }
}

void a_request_comes_back() {
  DoorRequest request;
  request.message = "Subject: x\n\nhello\n";
  request.envelope = std::string_view("Fa\0Tb\0\0", 7);
  request.session.set("TCPREMOTEIP", "192.0.2.1");
  request.session.set("RELAYCLIENT", "");
  request.session.set("PATH", "/tmp");
  const std::string packet = request_packet(request);
  const auto back = parse_request(packet);
  CHECK(back && !back->with_descriptors);
  CHECK(back->message == request.message && back->envelope == request.envelope);
  CHECK(back->session.get("TCPREMOTEIP") == "192.0.2.1");
  CHECK(back->session.get("RELAYCLIENT") == "");
  CHECK(!back->session.get("PATH"));
  for (std::size_t size = 0; size < packet.size(); ++size) {
    CHECK(!parse_request(std::string_view(packet).substr(0, size)));
  }
  CHECK(!parse_request(packet + "x"));

  request.with_descriptors = true;
  request.message_size = 1000;
  request.envelope_size = 7;
  const std::string files = request_packet(request);
  const auto told = parse_request(files);
  CHECK(told && told->with_descriptors && told->message_size == 1000);
  CHECK(told->envelope_size == 7);
  CHECK(!parse_request(files + "x"));
}

void a_request_brings_no_variable_but_those_of_the_list() {
  using namespace std::string_literals;
  const auto packet = [](const std::string &variables) {
    return "moat-queue 1 inline " + std::to_string(variables.size()) + " 0 0\n" +
           variables;
  };
  CHECK(parse_request(packet("MOAT_HELO=x\0"s)));
  for (const std::string &variables :
       {"LD_PRELOAD=/tmp/x\0"s, "PATH=/tmp\0"s, "MOAT_HELO=x"s, "MOAT_HELO\0"s,
        "MOAT_HELO=x\0MOAT_HELO=y\0"s, "=x\0"s, "MOAT_DIR=/tmp\0"s,
        "MOAT_HELO=" + std::string(5000, 'x') + "\0"s}) {
    CHECK(!parse_request(packet(variables)));
  }
  CHECK(!parse_request("moat-queue 2 inline 0 0 0\n"));
  CHECK(!parse_request("moat-queue 1 inline 0 0 99999999999999999999\n"));
  CHECK(!parse_request("moat-queue 1 inline 0 0 0 0\n"));
}

void an_answer_comes_back() {
  for (const int code : {0, 31, 53, 82, 120}) {
    const QueueAnswer back = parse_answer(answer_packet({code, "Dtext"}));
    CHECK(back.code == code && back.text == "Dtext");
  }
  CHECK(parse_answer(answer_packet({-1, ""})).code == -1);
  CHECK(parse_answer("").code == -1);
}

}  // namespace

int main() {
  ids_sort_as_numbers_and_as_text();
  keys_come_back();
  a_message_comes_back();
  a_recipient_comes_back();
  a_last_answer_is_cut_to_its_bound();
  any_flipped_bit_and_any_missing_octet_is_damage();
  a_record_under_the_key_of_another_is_damage();
  what_a_newer_version_wrote_is_refused_for_good();
  a_files_name_never_leaves_its_folder();
  a_request_comes_back();
  a_request_brings_no_variable_but_those_of_the_list();
  an_answer_comes_back();
  return test::done();
}
