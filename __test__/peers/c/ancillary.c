#include "peer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

/* SCM_MAX_FD of the kernel, include/net/scm.h. */
enum { MOST_DESCRIPTORS = 253, MOST_SHOWN = 4096, LARGEST_MESSAGE = 1 << 20 };

static int memory_file(size_t index) {
  char text[32];
  int length = snprintf(text, sizeof text, "descriptor %zu", index);
  int file = memfd_create(text, MFD_CLOEXEC);
  if (file < 0 || write(file, text, (size_t)length) != length) fail("memfd_create");
  return file;
}

void send_message(int socket, const struct sending *sending) {
  /* One more than the kernel takes fits, so that its refusal can be asked for. */
  static _Alignas(struct cmsghdr) char control[CMSG_SPACE((MOST_DESCRIPTORS + 1) * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
  int files[MOST_DESCRIPTORS + 1];
  if (sending->descriptors > MOST_DESCRIPTORS + 1) exit(2);
  for (size_t i = 0; i < sending->descriptors; i++) files[i] = memory_file(i);

  struct iovec part = {sending->data.data, sending->data.length};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  if (sending->to) {
    message.msg_name = (void *)&sending->to->name;
    message.msg_namelen = sending->to->length;
  }
  memset(control, 0, sizeof control);
  size_t used = 0;
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (sending->descriptors > 0) {
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sending->descriptors * sizeof(int));
    memcpy(CMSG_DATA(header), files, sending->descriptors * sizeof(int));
    used += CMSG_SPACE(sending->descriptors * sizeof(int));
    header = (struct cmsghdr *)(control + used);
  }
  if (sending->credentials) {
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_CREDENTIALS;
    header->cmsg_len = CMSG_LEN(sizeof(struct ucred));
    memcpy(CMSG_DATA(header), sending->credentials, sizeof(struct ucred));
    used += CMSG_SPACE(sizeof(struct ucred));
  }
  message.msg_controllen = used;
  if (used == 0) message.msg_control = NULL;

  ssize_t sent = sendmsg(socket, &message, 0);
  if (sent < 0) fail("sendmsg");
  for (size_t i = 0; i < sending->descriptors; i++) close(files[i]);
  /* The rest of a partial write goes without the ancillary data, which left with the first part. */
  for (size_t done = (size_t)sent; done < sending->data.length; done += (size_t)sent) {
    sent = send(socket, sending->data.data + done, sending->data.length - done, 0);
    if (sent < 0) fail("send");
  }
}

static void json_descriptor(int file) {
  unsigned char text[64];
  ssize_t length = pread(file, text, sizeof text, 0);
  json_item(text, length > 0 ? (size_t)length : 0);
  close(file);
}

struct received receive_message(int socket, int type, const char *action) {
  static unsigned char data[LARGEST_MESSAGE];
  static _Alignas(struct cmsghdr) char control[CMSG_SPACE(MOST_DESCRIPTORS * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(sizeof(struct timeval))];
  struct iovec part = {data, sizeof data};
  struct received received = {.data = data};
  struct msghdr message = {
      .msg_name = &received.from.name, .msg_namelen = sizeof received.from.name,
      .msg_iov = &part, .msg_iovlen = 1,
      .msg_control = control, .msg_controllen = sizeof control,
  };
  ssize_t length = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | (type == SOCK_STREAM ? 0 : MSG_TRUNC));
  if (length < 0) fail("recvmsg");
  received.from.length = message.msg_namelen;
  received.full_length = (size_t)length;
  received.length = received.full_length < sizeof data ? received.full_length : sizeof data;
  /* A seqpacket message of no bytes carries its time (see tell_messages_from_end), the end of the connection does not. */
  received.end = length == 0 && type != SOCK_DGRAM && message.msg_controllen == 0;
  if (!action) return received;

  json_begin(action);
  json_number("length", length);
  json_boolean("end", received.end);
  json_number("checksum", checksum(CHECKSUM_START, data, received.length));
  json_bytes("data", data, received.length < MOST_SHOWN ? received.length : MOST_SHOWN);
  json_address("from", &received.from);
  json_boolean("truncated", message.msg_flags & MSG_TRUNC);
  json_boolean("controlTruncated", message.msg_flags & MSG_CTRUNC);
  json_array("descriptors");
  for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; i++) {
      int file;
      memcpy(&file, CMSG_DATA(header) + i * sizeof(int), sizeof file);
      json_descriptor(file);
    }
  }
  json_array_end();
  bool has_credentials = false;
  for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_CREDENTIALS) continue;
    struct ucred credentials;
    memcpy(&credentials, CMSG_DATA(header), sizeof credentials);
    json_object("credentials");
    json_number("pid", credentials.pid);
    json_number("uid", credentials.uid);
    json_number("gid", credentials.gid);
    json_object_end();
    has_credentials = true;
  }
  if (!has_credentials) json_null("credentials");
  json_end();
  return received;
}
