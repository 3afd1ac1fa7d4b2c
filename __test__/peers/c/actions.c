#include "peer.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK = 1 << 16, BATCH = 64 };
static unsigned char chunk[CHUNK];

static void done(const char *action) {
  json_begin(action);
  json_end();
}

static void write_whole(int socket, const void *data, size_t length) {
  for (size_t written = 0; written < length;) {
    ssize_t count = send(socket, (const char *)data + written, length - written, 0);
    if (count < 0) fail("send");
    written += (size_t)count;
  }
}

/* False at an end before the first byte; an end in the middle is a failure. */
static bool read_whole(int socket, void *data, size_t length) {
  for (size_t got = 0; got < length;) {
    ssize_t count = recv(socket, (char *)data + got, length - got, 0);
    if (count < 0) fail("recv");
    if (count == 0) {
      if (got == 0) return false;
      errno = EPROTO;
      fail("recv");
    }
    got += (size_t)count;
  }
  return true;
}

/* A connected socket sends to its peer, a datagram server to whoever spoke last. */
static const struct address *destination(const struct peer *peer) {
  if (peer->connected) return NULL;
  if (!peer->has_sender) {
    errno = EDESTADDRREQ;
    fail("sendmsg");
  }
  return &peer->last_sender;
}

static void remember_sender(struct peer *peer, const struct received *received) {
  peer->last_sender = received->from;
  peer->has_sender = received->from.length > offsetof(struct sockaddr_un, sun_path);
}

/* "<count>x<size>" */
static void parse_amount(const char *text, size_t *count, size_t *size) {
  if (sscanf(text, "%zux%zu", count, size) != 2) {
    fprintf(stderr, "expected <count>x<size>, got \"%s\"\n", text);
    exit(2);
  }
}

static void put_big_endian(unsigned char *to, uint32_t value) {
  for (int i = 0; i < 4; i++) to[i] = (unsigned char)(value >> (24 - 8 * i));
}

static uint32_t get_big_endian(const unsigned char *from) {
  return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

static void act_send(struct peer *peer, const char *text) {
  struct sending sending = {.data = unescape(text), .to = destination(peer)};
  send_message(peer->socket, &sending);
  free(sending.data.data);
  done("send");
}

/* send-descriptors:<count>:<bytes> */
static void act_send_descriptors(struct peer *peer, const char *text) {
  char *rest;
  size_t count = strtoul(text, &rest, 10);
  struct sending sending = {.data = unescape(*rest ? rest + 1 : rest), .descriptors = count, .to = destination(peer)};
  send_message(peer->socket, &sending);
  free(sending.data.data);
  done("send-descriptors");
}

/* send-credentials:self:<bytes> or send-credentials:<pid>,<uid>,<gid>:<bytes> */
static void act_send_credentials(struct peer *peer, const char *text) {
  struct ucred credentials = {getpid(), getuid(), getgid()};
  const char *rest = strchr(text, ':');
  if (strncmp(text, "self", 4) != 0 && sscanf(text, "%d,%u,%u", &credentials.pid, &credentials.uid, &credentials.gid) != 3) exit(2);
  struct sending sending = {.data = unescape(rest ? rest + 1 : ""), .credentials = &credentials, .to = destination(peer)};
  send_message(peer->socket, &sending);
  free(sending.data.data);
  json_begin("send-credentials");
  json_number("pid", credentials.pid);
  json_end();
}

static void send_pattern(int socket, size_t length) {
  for (size_t position = 0; position < length;) {
    size_t part = length - position < CHUNK ? length - position : CHUNK;
    fill_pattern(chunk, part, position);
    write_whole(socket, chunk, part);
    position += part;
  }
}

static void act_send_pattern(struct peer *peer, const char *text) {
  size_t length = strtoul(text, NULL, 10);
  send_pattern(peer->socket, length);
  json_begin("send-pattern");
  json_number("length", (long long)length);
  json_end();
}

/* Writes the pattern from a child while this process reads it back, so that
 * neither side ever waits for the other with both buffers full. */
static void act_echo_check(struct peer *peer, const char *text) {
  size_t length = strtoul(text, NULL, 10), position = 0;
  bool intact = true;
  pid_t writer = fork();
  if (writer < 0) fail("fork");
  if (writer == 0) {
    send_pattern(peer->socket, length);
    shutdown(peer->socket, SHUT_WR);
    _exit(0);
  }
  ssize_t count;
  while ((count = recv(peer->socket, chunk, CHUNK, 0)) > 0) {
    intact = intact && is_pattern(chunk, (size_t)count, position);
    position += (size_t)count;
  }
  if (count < 0) fail("recv");
  waitpid(writer, NULL, 0);
  json_begin("echo-check");
  json_number("length", (long long)position);
  json_boolean("intact", intact && position == length);
  json_end();
}

/* send-messages:<count>x<size>: numbered messages, many in one system call. */
static void act_send_messages(struct peer *peer, const char *text) {
  size_t count, size;
  parse_amount(text, &count, &size);
  const struct address *to = destination(peer);
  unsigned char *data = calloc(BATCH, size + 1);
  struct iovec parts[BATCH];
  struct mmsghdr messages[BATCH];
  for (size_t first = 0; first < count;) {
    unsigned batch = 0;
    for (; batch < BATCH && first + batch < count; batch++) {
      unsigned char *at = data + batch * size;
      fill_pattern(at, size, first + batch);
      if (size >= 4) put_big_endian(at, (uint32_t)(first + batch));
      parts[batch] = (struct iovec){at, size};
      messages[batch] = (struct mmsghdr){.msg_hdr = {.msg_iov = &parts[batch], .msg_iovlen = 1}};
      if (to) {
        messages[batch].msg_hdr.msg_name = (void *)&to->name;
        messages[batch].msg_hdr.msg_namelen = to->length;
      }
    }
    int sent = sendmmsg(peer->socket, messages, batch, 0);
    if (sent < 0) fail("sendmmsg");
    first += (size_t)sent;
  }
  free(data);
  json_begin("send-messages");
  json_number("messages", (long long)count);
  json_end();
}

/* receive-messages:<count>x<size>: as they were numbered, many a call. */
static void act_receive_messages(struct peer *peer, const char *text) {
  size_t count, size, total = 0;
  parse_amount(text, &count, &size);
  bool intact = true;
  unsigned char *data = calloc(BATCH, size + 1), *expected = malloc(size + 1);
  struct iovec parts[BATCH];
  struct mmsghdr messages[BATCH];
  while (total < count) {
    unsigned room = count - total < BATCH ? (unsigned)(count - total) : BATCH;
    for (unsigned i = 0; i < room; i++) {
      parts[i] = (struct iovec){data + i * (size + 1), size + 1};
      messages[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &parts[i], .msg_iovlen = 1}};
    }
    int got = recvmmsg(peer->socket, messages, room, MSG_WAITFORONE, NULL);
    if (got < 0) fail("recvmmsg");
    if (got == 0) break;
    for (int i = 0; i < got; i++, total++) {
      fill_pattern(expected, size, total);
      if (size >= 4) put_big_endian(expected, (uint32_t)total);
      intact = intact && messages[i].msg_len == size && memcmp(parts[i].iov_base, expected, size) == 0;
    }
  }
  free(data);
  free(expected);
  json_begin("receive-messages");
  json_number("messages", (long long)total);
  json_boolean("intact", intact);
  json_end();
}

/* A frame is a four-byte big-endian length and as many bytes. */
static void act_send_frames(struct peer *peer, const char *text) {
  size_t count, size;
  parse_amount(text, &count, &size);
  unsigned char *frame = malloc(size + 4);
  for (size_t i = 0; i < count; i++) {
    put_big_endian(frame, (uint32_t)size);
    fill_pattern(frame + 4, size, i);
    write_whole(peer->socket, frame, size + 4);
  }
  free(frame);
  json_begin("send-frames");
  json_number("frames", (long long)count);
  json_end();
}

static unsigned char *read_frame(int socket, size_t *length) {
  unsigned char header[4];
  if (!read_whole(socket, header, sizeof header)) return NULL;
  *length = get_big_endian(header);
  unsigned char *data = malloc(*length + 1);
  if (*length > 0 && !read_whole(socket, data, *length)) {
    errno = EPROTO;
    fail("recv");
  }
  return data;
}

/* receive-frames:<count>: or all of them until the end when the count is 0. */
static void act_receive_frames(struct peer *peer, const char *text) {
  size_t wanted = text ? strtoul(text, NULL, 10) : 0, frames = 0, bytes = 0, length = 0;
  bool intact = true;
  unsigned char *data;
  while ((wanted == 0 || frames < wanted) && (data = read_frame(peer->socket, &length))) {
    intact = intact && is_pattern(data, length, frames);
    frames++;
    bytes += length;
    free(data);
  }
  json_begin("receive-frames");
  json_number("frames", (long long)frames);
  json_number("bytes", (long long)bytes);
  json_boolean("intact", intact);
  json_end();
}

static void act_receive_frame(struct peer *peer) {
  size_t length = 0;
  unsigned char *data = read_frame(peer->socket, &length);
  json_begin("receive-frame");
  json_boolean("end", !data);
  json_number("length", (long long)length);
  json_bytes("data", data ? data : chunk, data ? length : 0);
  json_end();
  free(data);
}

static void act_echo_frames(struct peer *peer) {
  size_t frames = 0, length;
  unsigned char *data, header[4];
  while ((data = read_frame(peer->socket, &length))) {
    put_big_endian(header, (uint32_t)length);
    write_whole(peer->socket, header, sizeof header);
    write_whole(peer->socket, data, length);
    free(data);
    frames++;
  }
  json_begin("echo-frames");
  json_number("frames", (long long)frames);
  json_end();
}

/* Until the peer ends; a datagram socket answers every sender and never ends. */
static void act_echo(struct peer *peer) {
  size_t messages = 0, bytes = 0;
  if (peer->type == SOCK_STREAM) {
    ssize_t count;
    while ((count = recv(peer->socket, chunk, CHUNK, 0)) > 0) {
      write_whole(peer->socket, chunk, (size_t)count);
      bytes += (size_t)count;
    }
    if (count < 0) fail("recv");
  } else {
    for (;;) {
      struct received received = receive_message(peer->socket, peer->type, NULL);
      if (received.end) break;
      remember_sender(peer, &received);
      struct sending answer = {.data = {received.data, received.length}, .to = destination(peer)};
      send_message(peer->socket, &answer);
      messages++;
      bytes += received.length;
    }
  }
  json_begin("echo");
  json_number("messages", (long long)messages);
  json_number("bytes", (long long)bytes);
  json_end();
}

static void act_receive(struct peer *peer) {
  struct received received = receive_message(peer->socket, peer->type, "receive");
  remember_sender(peer, &received);
}

/* receive-exactly:<length>, of a stream */
static void act_receive_exactly(struct peer *peer, const char *text) {
  size_t length = strtoul(text, NULL, 10);
  unsigned char *data = malloc(length + 1);
  bool whole = length == 0 || read_whole(peer->socket, data, length);
  json_begin("receive-exactly");
  json_number("length", whole ? (long long)length : 0);
  json_number("checksum", checksum(CHECKSUM_START, data, whole ? length : 0));
  json_bytes("data", data, whole ? (length < 4096 ? length : 4096) : 0);
  json_boolean("pattern", whole && is_pattern(data, length, 0));
  json_end();
  free(data);
}

static void act_receive_all(struct peer *peer) {
  struct bytes all = {NULL, 0};
  size_t capacity = 0;
  ssize_t count;
  for (;;) {
    if (capacity - all.length < CHUNK) all.data = realloc(all.data, capacity = capacity * 2 + CHUNK);
    count = recv(peer->socket, all.data + all.length, capacity - all.length, 0);
    if (count <= 0) break;
    all.length += (size_t)count;
  }
  const char *end = count == 0 ? "end" : error_name(errno);
  json_begin("receive-all");
  json_number("length", (long long)all.length);
  json_number("checksum", checksum(CHECKSUM_START, all.data, all.length));
  json_bytes("data", all.data, all.length < 4096 ? all.length : 4096);
  json_boolean("pattern", is_pattern(all.data, all.length, 0));
  json_bytes("end", (const unsigned char *)end, strlen(end));
  json_end();
  free(all.data);
}

/* Nothing reports a growing receive queue, so this looks again and again. */
static void act_wait_queued(struct peer *peer, const char *text) {
  int wanted = atoi(text), queued = 0;
  while (ioctl(peer->socket, FIONREAD, &queued) == 0 && queued < wanted) nanosleep(&(struct timespec){0, 200000}, NULL);
  json_begin("wait-queued");
  json_number("length", queued);
  json_end();
}

static void act_shutdown(struct peer *peer, const char *how) {
  int value = strcmp(how, "read") == 0 ? SHUT_RD : strcmp(how, "write") == 0 ? SHUT_WR : SHUT_RDWR;
  if (shutdown(peer->socket, value) != 0) fail("shutdown");
  done("shutdown");
}

static void act_pause(void) {
  done("pause");
  char byte;
  while (read(STDIN_FILENO, &byte, 1) == 1 && byte != '\n') {}
}

static void act_peer(struct peer *peer) {
  struct ucred credentials;
  socklen_t length = sizeof credentials;
  if (getsockopt(peer->socket, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) fail("getsockopt");
  struct address address = {.length = sizeof address.name};
  bool named = getpeername(peer->socket, (struct sockaddr *)&address.name, &address.length) == 0;
  json_begin("peer");
  json_number("pid", credentials.pid);
  json_number("uid", (int)credentials.uid);
  json_number("gid", (int)credentials.gid);
  if (named) json_address("address", &address);
  else json_null("address");
  json_end();
}

/* The text after "name:", or NULL when the action is another one. */
static const char *argument(const char *action, const char *name) {
  size_t length = strlen(name);
  return strncmp(action, name, length) == 0 && action[length] == ':' ? action + length + 1 : NULL;
}

static void run_action(struct peer *peer, const char *action) {
  const char *text;
  if ((text = argument(action, "send"))) act_send(peer, text);
  else if ((text = argument(action, "send-descriptors"))) act_send_descriptors(peer, text);
  else if ((text = argument(action, "send-credentials"))) act_send_credentials(peer, text);
  else if ((text = argument(action, "send-pattern"))) act_send_pattern(peer, text);
  else if ((text = argument(action, "echo-check"))) act_echo_check(peer, text);
  else if ((text = argument(action, "send-messages"))) act_send_messages(peer, text);
  else if ((text = argument(action, "receive-messages"))) act_receive_messages(peer, text);
  else if ((text = argument(action, "send-frames"))) act_send_frames(peer, text);
  else if ((text = argument(action, "receive-frames"))) act_receive_frames(peer, text);
  else if (strcmp(action, "receive-frames") == 0) act_receive_frames(peer, NULL);
  else if (strcmp(action, "receive-frame") == 0) act_receive_frame(peer);
  else if (strcmp(action, "echo-frames") == 0) act_echo_frames(peer);
  else if (strcmp(action, "echo") == 0) act_echo(peer);
  else if (strcmp(action, "receive") == 0) act_receive(peer);
  else if ((text = argument(action, "receive-exactly"))) act_receive_exactly(peer, text);
  else if (strcmp(action, "receive-all") == 0) act_receive_all(peer);
  else if ((text = argument(action, "wait-queued"))) act_wait_queued(peer, text);
  else if ((text = argument(action, "shutdown"))) act_shutdown(peer, text);
  else if (strcmp(action, "pause") == 0) act_pause();
  else if (strcmp(action, "peer") == 0) act_peer(peer);
  else if (strcmp(action, "die") == 0) raise(SIGKILL);
  else {
    fprintf(stderr, "no such action: %s\n", action);
    exit(2);
  }
}

void run_actions(struct peer *peer, int count, char **actions) {
  for (int i = 0; i < count; i++) run_action(peer, actions[i]);
  close(peer->socket);
  done("close");
}
