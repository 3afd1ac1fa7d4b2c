/* Opens as many connections as the amount says and keeps them, silent. */
#include <sys/resource.h>

#include "program.h"

int main(int count, char **arguments) {
  int connections = atoi(arguments[count - 1]);
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  for (int i = 0; i < connections; i++) connect_to(SOCK_STREAM, arguments[count - 2]);
  pause();
}
