/* Opens as many connections as the amount says and keeps them, silent. After
 * the first hundred it waits for a byte: by then the server has weighed itself. */
#include <sys/resource.h>

#include "program.h"

int main(int count, char **arguments) {
  int connections = atoi(arguments[count - 1]);
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  for (int i = 1; i <= connections; i++) {
    int file = connect_to(SOCK_STREAM, arguments[count - 2]);
    char byte;
    if (i == 100 && read(file, &byte, 1) != 1) fail("read");
  }
  pause();
}
