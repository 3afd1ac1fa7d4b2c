/* What the C peers share; the command line is that of programs/program.mjs. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

__attribute__((unused)) static void fail(const char *call) {
  fprintf(stderr, "Error: %s: %s\n", call, strerror(errno));
  exit(1);
}

__attribute__((unused)) static double now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

__attribute__((unused)) static void ready(void) {
  puts("ready");
  fflush(stdout);
}

__attribute__((unused)) static void result(double value) {
  printf("{\"value\":%.6f}\n", value);
  fflush(stdout);
  exit(0);
}

/* Warm for a third of the time, then count until it is up. */
struct meter {
  double duration, begun, started;
  double total;
};

__attribute__((unused)) static void tick(struct meter *meter, double amount) {
  double now = now_ms();
  if (meter->begun == 0) meter->begun = now;
  if (now - meter->begun < meter->duration / 3) return;
  if (meter->started == 0) {
    meter->started = now;
    return;
  }
  meter->total += amount;
  if (now - meter->started >= meter->duration) result(meter->total * 1e3 / (now - meter->started));
}

__attribute__((unused)) static struct sockaddr_un address_of(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  return address;
}

__attribute__((unused)) static int listen_on(int type, const char *path) {
  struct sockaddr_un address = address_of(path);
  int file = socket(AF_UNIX, type, 0);
  if (bind(file, (struct sockaddr *)&address, sizeof address) != 0) fail("bind");
  if (type != SOCK_DGRAM && listen(file, 511) != 0) fail("listen");
  ready();
  return file;
}

__attribute__((unused)) static int connect_to(int type, const char *path) {
  struct sockaddr_un address = address_of(path);
  int file = socket(AF_UNIX, type, 0);
  if (file < 0) fail("socket");
  if (connect(file, (struct sockaddr *)&address, sizeof address) != 0) fail("connect");
  return file;
}
