/* 64-byte messages with a system call each: datagram|seqpacket then send|receive|echo|rtt. */
#include "program.h"

static char data[4096];

static void round_trips(int file, double duration) {
  double start = now_ms(), elapsed;
  long trips = 0;
  for (int warm = 0;;) {
    for (int i = 0; i < 50; i++) {
      if (send(file, data, 64, 0) != 64) fail("send");
      if (recv(file, data, sizeof data, 0) != 64) fail("recv");
    }
    trips += 50;
    elapsed = now_ms() - start;
    if (!warm && elapsed >= duration / 3) {
      warm = 1;
      trips = 0;
      start = now_ms();
    } else if (warm && elapsed >= duration) {
      result(elapsed * 1e3 / (double)trips);
    }
  }
}

int main(int argc, char **argv) {
  int type = strcmp(argv[1], "datagram") == 0 ? SOCK_DGRAM : SOCK_SEQPACKET;
  char *role = argv[2], *path = argv[argc - 2];
  double duration = atof(argv[argc - 1]);
  if (strcmp(role, "send") == 0) {
    int file = connect_to(type, path);
    while (send(file, data, 64, 0) == 64) {}
    return 0;
  }
  if (strcmp(role, "rtt") == 0) {
    struct sockaddr_un own = address_of(path), server = own;
    strcat(own.sun_path, ".client");
    int file = socket(AF_UNIX, type, 0);
    if (type == SOCK_DGRAM && bind(file, (struct sockaddr *)&own, sizeof own) != 0) fail("bind");
    if (connect(file, (struct sockaddr *)&server, sizeof server) != 0) fail("connect");
    round_trips(file, duration);
  }
  int file = listen_on(type, path);
  if (type == SOCK_SEQPACKET) file = accept(file, NULL, NULL);
  if (strcmp(role, "receive") == 0) {
    struct meter meter = {.duration = duration};
    long received = 0;
    while (recv(file, data, sizeof data, 0) == 64)
      if ((++received & 255) == 0) tick(&meter, 256);
    return 1;
  }
  for (;;) {
    struct sockaddr_un from;
    socklen_t length = sizeof from;
    ssize_t got = recvfrom(file, data, sizeof data, 0, (struct sockaddr *)&from, &length);
    if (got <= 0) return 0;
    ssize_t sent = type == SOCK_DGRAM ? sendto(file, data, (size_t)got, 0, (struct sockaddr *)&from, length) : send(file, data, (size_t)got, 0);
    if (sent != got) fail("send");
  }
}
