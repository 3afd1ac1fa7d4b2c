/* Keeps one request in flight on each of many connections: echo | http. The
 * length of an answer is learned from the first one. */
#include <sys/epoll.h>
#include <sys/resource.h>

#include "program.h"

static char data[1 << 16];

static size_t length_of_first_answer(int file, const char *request, size_t length, int http) {
  if (write(file, request, length) != (ssize_t)length) fail("write");
  size_t got = 0;
  for (;;) {
    ssize_t count = read(file, data + got, sizeof data - 1 - got);
    if (count <= 0) fail("read");
    got += (size_t)count;
    data[got] = 0;
    if (!http) {
      if (got == length) return got;
      continue;
    }
    char *end = strstr(data, "\r\n\r\n"), *header = strcasestr(data, "content-length:");
    if (end && header && got == (size_t)(end - data) + 4 + strtoul(header + 15, NULL, 10)) return got;
  }
}

int main(int argc, char **argv) {
  int http = strcmp(argv[1], "http") == 0, connections = http ? 50 : 1000;
  char *path = argv[argc - 2], echo[64];
  memset(echo, 'm', sizeof echo);
  const char *request = http ? "GET / HTTP/1.1\r\nHost: bench\r\n\r\n" : echo;
  size_t length = http ? strlen(request) : sizeof echo, *got = calloc(1 << 16, sizeof *got);
  struct rlimit limit = {4096, 4096};
  setrlimit(RLIMIT_NOFILE, &limit);

  int poll = epoll_create1(0);
  size_t answer = 0;
  for (int i = 0; i < connections; i++) {
    int file = connect_to(SOCK_STREAM, path);
    if (i == 0) answer = length_of_first_answer(file, request, length, http);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = file};
    epoll_ctl(poll, EPOLL_CTL_ADD, file, &event);
    if (write(file, request, length) != (ssize_t)length) fail("write");
  }
  struct meter meter = {.duration = atof(argv[argc - 1])};
  struct epoll_event events[256];
  for (;;) {
    int ready = epoll_wait(poll, events, 256, -1), answers = 0;
    for (int i = 0; i < ready; i++) {
      int file = events[i].data.fd;
      ssize_t count = read(file, data, sizeof data);
      if (count <= 0) fail("read");
      got[file] += (size_t)count;
      if (got[file] < answer) continue;
      got[file] = 0;
      answers++;
      if (write(file, request, length) != (ssize_t)length) fail("write");
    }
    tick(&meter, answers);
  }
}
