/* IPv4 routes in the namespace that it runs in: request | batch | fill | dump | events. */
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <sys/stat.h>

#include "program.h"

enum { BATCH = 200, BURST = 100 };

struct request {
  struct nlmsghdr header;
  struct rtmsg route;
  struct rtattr destination_header;
  uint32_t destination;
  struct rtattr link_header;
  uint32_t link;
};

static char answer[1 << 20];
static uint32_t sequence;

static int open_netlink(void) {
  int file = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
  struct sockaddr_nl address = {.nl_family = AF_NETLINK};
  if (file < 0 || bind(file, (struct sockaddr *)&address, sizeof address) != 0) fail("netlink");
  return file;
}

static void fill_request(struct request *request, uint16_t type, uint16_t flags, uint32_t index) {
  *request = (struct request){
      .header = {sizeof *request, type, NLM_F_REQUEST | flags, ++sequence, 0},
      .route = {.rtm_family = AF_INET, .rtm_dst_len = 32, .rtm_table = RT_TABLE_MAIN, .rtm_protocol = RTPROT_STATIC,
                .rtm_scope = RT_SCOPE_LINK, .rtm_type = RTN_UNICAST},
      .destination_header = {RTA_LENGTH(4), RTA_DST},
      .destination = __builtin_bswap32(0x0a000000 + index),
      .link_header = {RTA_LENGTH(4), RTA_OIF},
      .link = 1,
  };
}

static void expect_ack(int file) {
  if (recv(file, answer, sizeof answer, 0) < (ssize_t)NLMSG_LENGTH(sizeof(int))) fail("recv");
  struct nlmsghdr *header = (struct nlmsghdr *)answer;
  errno = -((struct nlmsgerr *)NLMSG_DATA(header))->error;
  if (header->nlmsg_type != NLMSG_ERROR || errno != 0) fail("request");
}

static void request_one(int file, uint32_t index) {
  struct request request;
  fill_request(&request, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, index);
  if (send(file, &request, sizeof request, 0) != sizeof request) fail("send");
  expect_ack(file);
}

/* Many requests a call; the kernel acknowledges the last, and any that fails. */
static void request_many(int file, uint16_t type, uint32_t first, int count) {
  static struct request requests[BATCH];
  for (int i = 0; i < count; i++) {
    uint16_t flags = type == RTM_NEWROUTE ? NLM_F_CREATE | NLM_F_EXCL : 0;
    fill_request(&requests[i], type, (uint16_t)(flags | (i == count - 1 ? NLM_F_ACK : 0)), first + (uint32_t)i);
  }
  size_t length = (size_t)count * sizeof *requests;
  if (send(file, requests, length, 0) != (ssize_t)length) fail("send");
  expect_ack(file);
}

static size_t dump(int file) {
  struct request request;
  fill_request(&request, RTM_GETROUTE, NLM_F_DUMP, 0);
  request.header.nlmsg_len = NLMSG_LENGTH(sizeof(struct rtmsg));
  request.route = (struct rtmsg){.rtm_family = AF_INET};
  if (send(file, &request, request.header.nlmsg_len, 0) < 0) fail("send");
  for (size_t routes = 0;;) {
    ssize_t length = recv(file, answer, sizeof answer, 0);
    if (length < 0) fail("recv");
    for (struct nlmsghdr *header = (struct nlmsghdr *)answer; NLMSG_OK(header, length); header = NLMSG_NEXT(header, length)) {
      if (header->nlmsg_type == NLMSG_DONE) return routes;
      routes++;
    }
  }
}

/* For each byte that arrives in one named pipe: a burst of events, then a byte into the other. */
static void serve_events(int file, const char *path) {
  char go[256], done[256], byte;
  snprintf(go, sizeof go, "%s.go", path);
  snprintf(done, sizeof done, "%s.done", path);
  mkfifo(go, 0600);
  mkfifo(done, 0600);
  ready();
  int in = open(go, O_RDONLY), out = open(done, O_WRONLY);
  while (read(in, &byte, 1) == 1) {
    request_many(file, RTM_NEWROUTE, 1, BURST);
    request_many(file, RTM_DELROUTE, 1, BURST);
    if (write(out, &byte, 1) != 1) break;
  }
}

int main(int argc, char **argv) {
  char *role = argv[1];
  uint32_t amount = (uint32_t)atoi(argv[argc - 1]), warm = amount / 4, i = 0;
  int file = open_netlink();
  if (strcmp(role, "events") == 0) {
    serve_events(file, argv[argc - 2]);
    return 0;
  }
  if (strcmp(role, "fill") == 0) {
    for (; i < amount; i += BATCH) request_many(file, RTM_NEWROUTE, i, amount - i < BATCH ? (int)(amount - i) : BATCH);
    return 0;
  }
  if (strcmp(role, "dump") == 0) {
    dump(file);
    double start = now_ms();
    for (; i < 3; i++)
      if (dump(file) < amount) fail("dump");
    result((now_ms() - start) / 3);
  }
  if (strcmp(role, "request") == 0) {
    for (; i < warm; i++) request_one(file, i);
    double start = now_ms();
    for (; i < warm + amount; i++) request_one(file, i);
    result((now_ms() - start) * 1e3 / amount);
  }
  double start = now_ms();
  for (; i < amount; i += BATCH) request_many(file, RTM_NEWROUTE, i, BATCH);
  result(amount * 1e3 / (now_ms() - start));
}
