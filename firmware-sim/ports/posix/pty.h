/* pty.h - a pseudo-terminal that stands for a UART. */
#ifndef IPFI_PTY_H
#define IPFI_PTY_H

#include <stdbool.h>
#include <stddef.h>

typedef struct {
    int master;     /* ours, non-blocking                                     */
    int slave;      /* kept open, so that a host may come and go              */
    char path[128]; /* what the host opens                                    */
} pty_t;

bool pty_open(pty_t *pty); /* false: errno says why */
void pty_close(pty_t *pty);

#endif
