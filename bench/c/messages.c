/* 64-byte messages with a system call each: datagram|connected|seqpacket then send|receive|echo|rtt. Two `connected`
 * datagram sockets are connected to each other. */
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
  int type = strcmp(argv[1], "seqpacket") == 0 ? SOCK_SEQPACKET : SOCK_DGRAM;
  int connected = strcmp(argv[1], "connected") == 0;
  char *role = argv[2], *path = argv[argc - 2];
  double duration = atof(argv[argc - 1]);
  struct sockaddr_un server = address_of(path), client = server;
  strcat(client.sun_path, ".client");
  if (strcmp(role, "send") == 0 || strcmp(role, "rtt") == 0) {
    int file = socket(AF_UNIX, type, 0), answered = connected || (type == SOCK_DGRAM && strcmp(role, "rtt") == 0);
    if (answered && bind(file, (struct sockaddr *)&client, sizeof client) != 0) fail("bind");
    if (connect(file, (struct sockaddr *)&server, sizeof server) != 0) fail("connect");
    if (strcmp(role, "rtt") == 0) round_trips(file, duration);
    while (send(file, data, 64, 0) == 64) {}
    return 0;
  }
  int file = listen_on(type, path);
  if (type == SOCK_SEQPACKET) file = accept(file, NULL, NULL);
  if (connected && (recv(file, data, sizeof data, 0) != 64 || connect(file, (struct sockaddr *)&client, sizeof client) != 0))
    fail("connect");
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
