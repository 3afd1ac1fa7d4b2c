/* Blocking echo of a stream, and 64-byte round trips against one: server | client. */
#include "program.h"

int main(int count, char **arguments) {
  char *role = arguments[1], *path = arguments[count - 2], data[4096];
  if (strcmp(role, "server") == 0) {
    int listener = listen_on(SOCK_STREAM, path);
    for (;;) {
      int file = accept(listener, NULL, NULL);
      ssize_t length;
      while ((length = read(file, data, sizeof data)) > 0)
        if (write(file, data, (size_t)length) != length) break;
      close(file);
    }
  }
  int file = connect_to(SOCK_STREAM, path);
  double duration = atof(arguments[count - 1]), start = now_ms(), elapsed;
  long trips = 0;
  int warm = 0;
  memset(data, 'm', 64);
  for (;;) {
    for (int i = 0; i < 50; i++) {
      if (write(file, data, 64) != 64) fail("write");
      for (ssize_t got = 0, length; got < 64; got += length)
        if ((length = read(file, data, sizeof data)) <= 0) fail("read");
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
