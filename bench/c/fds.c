/* One descriptor and one byte a message, over a stream: send | receive, which closes it. */
#include <fcntl.h>

#include "program.h"

int main(int argc, char **argv) {
  char byte = 'm', control[CMSG_SPACE(sizeof(int))] = {0};
  struct iovec part = {&byte, 1};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  int passed;
  if (strcmp(argv[1], "send") == 0) {
    int file = connect_to(SOCK_STREAM, argv[argc - 2]);
    passed = open("/dev/null", O_RDONLY);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &passed, sizeof passed);
    while (sendmsg(file, &message, 0) == 1) {}
    return 0;
  }
  int file = accept(listen_on(SOCK_STREAM, argv[argc - 2]), NULL, NULL);
  struct meter meter = {.duration = atof(argv[argc - 1])};
  for (long received = 1;; received++) {
    message.msg_controllen = sizeof control;
    if (recvmsg(file, &message, MSG_CMSG_CLOEXEC) != 1) fail("recvmsg");
    memcpy(&passed, CMSG_DATA(header), sizeof passed);
    close(passed);
    if ((received & 63) == 0) tick(&meter, 64);
  }
}
