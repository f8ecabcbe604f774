#define _XOPEN_SOURCE 700
#define _DEFAULT_SOURCE
#include "pty.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

/* Bytes as they are: no echo, no lines, no signals, no translation. */
static bool make_raw(int descriptor)
{
    struct termios settings;
    if (tcgetattr(descriptor, &settings) != 0) { return false; }
    settings.c_iflag &= ~(tcflag_t)(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    settings.c_oflag &= ~(tcflag_t)OPOST;
    settings.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
    settings.c_cflag &= ~(tcflag_t)(CSIZE | PARENB);
    settings.c_cflag |= CS8;
    settings.c_cc[VMIN] = 1;
    settings.c_cc[VTIME] = 0;
    return tcsetattr(descriptor, TCSANOW, &settings) == 0;
}

bool pty_open(pty_t *pty)
{
    pty->slave = -1;
    pty->master = posix_openpt(O_RDWR | O_NOCTTY);
    if (pty->master < 0) { return false; }
    const char *const name = grantpt(pty->master) == 0 && unlockpt(pty->master) == 0 ? ptsname(pty->master) : NULL;
    if (name != NULL) { pty->slave = open(name, O_RDWR | O_NOCTTY); }
    if (pty->slave < 0 || !make_raw(pty->slave) || fcntl(pty->master, F_SETFL, O_NONBLOCK) != 0) {
        pty_close(pty);
        return false;
    }
    (void)snprintf(pty->path, sizeof pty->path, "%s", name);
    return true;
}

void pty_close(pty_t *pty)
{
    if (pty->slave >= 0) { (void)close(pty->slave); }
    if (pty->master >= 0) { (void)close(pty->master); }
    pty->slave = pty->master = -1;
}
