/* sockets.c - unix sockets (or a pty) on which one other program at a time may be. */
#define _GNU_SOURCE
#include "runner.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

/* Removes what a runner that was killed has left there; a file of somebody's is neither socket nor link. */
static void remove_old(const char *path, mode_t type)
{
    struct stat there;
    if (lstat(path, &there) == 0 && (there.st_mode & S_IFMT) == type) { (void)unlink(path); }
}

static bool open_pty(channel_t *channel, const char *link)
{
    char name[128];
    struct termios settings;
    int slave;
    if (openpty(&channel->line, &slave, name, NULL, NULL) != 0) { return false; } /* the slave stays open: hosts come and go */
    channel->is_pty = true;
    if (tcgetattr(slave, &settings) != 0) { return false; }
    cfmakeraw(&settings);
    if (tcsetattr(slave, TCSANOW, &settings) != 0) { return false; }
    remove_old(link, S_IFLNK);
    return fcntl(channel->line, F_SETFL, O_NONBLOCK) == 0 && symlink(name, link) == 0;
}

static bool open_unix(channel_t *channel, const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof address.sun_path) { return false; }
    strcpy(address.sun_path, path);
    remove_old(path, S_IFSOCK);
    channel->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return channel->listener >= 0 && bind(channel->listener, (const struct sockaddr *)&address, sizeof address) == 0
        && listen(channel->listener, 1) == 0;
}

bool channel_open(channel_t *channel, const char *address)
{
    bool opened = false;
    channel->listener = channel->line = -1;
    channel->waiting = 0;
    if (strncmp(address, "unix:", 5) == 0) { opened = open_unix(channel, address + 5); }
    if (strncmp(address, "pty:", 4) == 0) { opened = open_pty(channel, address + 4); }
    if (!opened) { perror(address); }
    return opened;
}

static void hang_up(channel_t *channel)
{
    (void)close(channel->line);
    channel->line = -1;
    channel->waiting = 0;
}

static void flush(channel_t *channel)
{
    while (channel->line >= 0 && channel->waiting > 0) {
        const ssize_t taken = write(channel->line, channel->out, channel->waiting);
        if (taken <= 0) { return; }
        channel->waiting -= (size_t)taken;
        memmove(channel->out, channel->out + taken, channel->waiting);
    }
}

void channel_send(channel_t *channel, const void *bytes, size_t size)
{
    if (channel->line < 0) { return; }
    if (channel->waiting + size > sizeof channel->out) { flush(channel); }
    if (channel->waiting + size > sizeof channel->out) { return; }
    memcpy(channel->out + channel->waiting, bytes, size);
    channel->waiting += size;
}

int channel_read(channel_t *channel, void *bytes, size_t size)
{
    const ssize_t got = read(channel->line, bytes, size);
    if (got > 0) { return (int)got; }
    if (got == 0 && !channel->is_pty) {
        hang_up(channel);
        return -1;
    }
    return 0;
}

static struct pollfd watched(const channel_t *channel, bool wants)
{
    struct pollfd poll = { .fd = channel->line >= 0 ? channel->line : channel->listener, .events = 0 };
    if (wants || channel->line < 0) { poll.events |= POLLIN; }
    if (channel->line >= 0 && channel->waiting > 0) { poll.events |= POLLOUT; }
    return poll;
}

static bool serve(channel_t *channel, short happened)
{
    if (channel->line < 0) {
        if ((happened & POLLIN) != 0) { channel->line = accept4(channel->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC); }
        return false;
    }
    if ((happened & POLLOUT) != 0) { flush(channel); }
    return (happened & (POLLIN | POLLHUP | POLLERR)) != 0;
}

void channels_wait(channel_t *uart, channel_t *control, bool wants_uart, int64_t wait_us, bool ready[2])
{
    struct pollfd polls[2] = { watched(uart, wants_uart), watched(control, true) };
    const struct timespec wait = { .tv_sec = wait_us / 1000000, .tv_nsec = wait_us % 1000000 * 1000 };
    flush(uart);
    flush(control);
    ready[0] = ready[1] = false;
    if (ppoll(polls, 2, &wait, NULL) <= 0) { return; }
    ready[0] = serve(uart, polls[0].revents) && wants_uart;
    ready[1] = serve(control, polls[1].revents);
}
