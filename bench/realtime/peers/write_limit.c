/* The lower limit of one write per delivery: write(2) of a finished frame to each socket of a room, and nothing else.
 *
 * Usage: write_limit PORT FRAME_LENGTH ROOM_SIZE. For each N of a line "room N…" on standard input, it writes one frame
 * to ROOM_SIZE sockets, starting with the N-th in the order of accepting and wrapping around. There is no handshake:
 * clients send nothing and receive only such frames. */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST_SOCKETS = 20000, LONGEST_LINE = 1 << 16 };

static int sockets[MOST_SOCKETS];
static int accepted;

static void accept_one(int listener) {
    int socket = accept(listener, NULL, NULL), on = 1;
    if (socket < 0 || accepted == MOST_SOCKETS) exit(1);
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    sockets[accepted++] = socket;
}

static void publish(int first, int members, const char *frame, size_t length) {
    for (int member = 0; member < members; member++) {
        int socket = sockets[(first + member) % accepted];
        for (size_t done = 0; done < length;) {
            ssize_t written = write(socket, frame + done, length - done);
            if (written < 0 && errno != EINTR) exit(1);
            if (written > 0) done += (size_t)written;
        }
    }
}

int main(int count, char **arguments) {
    static char frame[LONGEST_LINE], line[LONGEST_LINE];
    if (count != 4) return 2;
    size_t length = (size_t)atoi(arguments[2]);
    int room_size = atoi(arguments[3]), on = 1;
    if (length < 130 || length >= sizeof frame) return 2;
    memcpy(frame, (char[]){(char)0x82, 126, (char)((length - 4) >> 8), (char)((length - 4) & 255)}, 4);

    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(arguments[1]))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4096)) return 1;
    puts("ready");
    fflush(stdout);

    struct pollfd waiting[] = {{.fd = listener, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
    size_t filled = 0;
    while (poll(waiting, 2, -1) >= 0) {
        if (waiting[0].revents) accept_one(listener);
        if (!waiting[1].revents) continue;
        ssize_t got = read(STDIN_FILENO, line + filled, sizeof line - filled - 1);
        if (got <= 0) return 0;
        filled += (size_t)got;
        line[filled] = 0;
        char *rest = line, *end;
        while ((end = strchr(rest, '\n'))) {
            *end = 0;
            for (char *name = strtok(rest + 5, " "); name; name = strtok(NULL, " "))
                publish(atoi(name), room_size, frame, length);
            rest = end + 1;
        }
        filled = strlen(rest);
        memmove(line, rest, filled);
    }
    return 1;
}
