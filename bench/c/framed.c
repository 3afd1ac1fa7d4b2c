/* 64-byte messages behind a four-byte length: a source that never waits, a sink that counts. */
#include "program.h"

enum { FRAME = 68, FRAMES = 960 };
static char data[1 << 20];

int main(int count, char **arguments) {
  char *role = arguments[1], *path = arguments[count - 2];
  int file = accept(listen_on(SOCK_STREAM, path), NULL, NULL);
  if (strcmp(role, "source") == 0) {
    memset(data, 'm', sizeof data);
    for (int i = 0; i < FRAMES; i++) memcpy(data + i * FRAME, "\0\0\0\100", 4);
    while (write(file, data, FRAME * FRAMES) == FRAME * FRAMES) {}
    return 0;
  }
  struct meter meter = {.duration = atof(arguments[count - 1])};
  ssize_t length;
  while ((length = read(file, data, sizeof data)) > 0) tick(&meter, (double)length / FRAME);
  return 1;
}
