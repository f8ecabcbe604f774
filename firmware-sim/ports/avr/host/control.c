/* control.c - lines of text in, commands of the runner out; README.md describes them. */
#include "runner.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BYTES_MOST = 4096 };

static bool read_cycle(const char *word, uint64_t *cycle)
{
    char *end = NULL;
    if (word == NULL || word[0] < '0' || word[0] > '9') { return false; }
    *cycle = strtoull(word, &end, 10);
    return *end == '\0';
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool receive(char *words)
{
    uint8_t bytes[BYTES_MOST];
    size_t size = 0;
    uint64_t cycle;
    const char *const when = strtok(words, " ");
    const char *hex = strtok(NULL, " ");
    if (!read_cycle(when, &cycle) || hex == NULL) { return false; }
    for (; hex[0] != '\0' && size < BYTES_MOST; hex += 2) {
        const int high = digit(hex[0]), low = high < 0 ? -1 : digit(hex[1]);
        if (low < 0) { return false; }
        bytes[size++] = (uint8_t)(high << 4 | low);
    }
    return hex[0] == '\0' && runner_receive(cycle, bytes, size);
}

static bool drive(char *words)
{
    uint64_t cycle;
    const char *const when = strtok(words, " ");
    const char *const pin = strtok(NULL, " ");
    const char *const level = strtok(NULL, " ");
    if (!read_cycle(when, &cycle) || pin == NULL || level == NULL) { return false; }
    return pins_drive(cycle, pin, level[0] == '1');
}

static bool watch(char *words)
{
    for (const char *pin = strtok(words, " "); pin != NULL; pin = strtok(NULL, " ")) {
        if (!pins_watch(pin)) { return false; }
    }
    return true;
}

/* Whether the command was understood; those that are answered by themselves set `answered`. */
static bool obey(const char *command, char *words, bool *answered)
{
    uint64_t cycles;
    if (strcmp(command, "run") == 0) {
        *answered = read_cycle(words, &cycles);
        if (*answered) { runner_run(cycles); }
        return *answered;
    }
    if (strcmp(command, "rx") == 0) { return receive(words); }
    if (strcmp(command, "pin") == 0) { return drive(words); }
    if (strcmp(command, "watch") == 0) { return watch(words); }
    if (strcmp(command, "hold") == 0) {
        runner_hold(true);
    } else if (strcmp(command, "release") == 0) {
        runner_hold(false);
    } else if (strcmp(command, "reset") == 0) {
        runner_reset();
    } else if (strcmp(command, "profile") == 0) {
        profile_begin();
    } else if (strcmp(command, "costs") == 0) {
        profile_report();
    } else if (strcmp(command, "quit") == 0) {
        runner_quit();
    } else {
        return strcmp(command, "time") == 0;
    }
    return true;
}

void control_take(char *line)
{
    bool answered = false;
    char *words = strchr(line, ' ');
    if (words != NULL) { *words++ = '\0'; }
    char nothing[1] = "";
    if (!obey(line, words != NULL ? words : nothing, &answered)) {
        control_report("error %s\n", line);
    } else if (!answered) {
        control_report("ok %" PRIu64 " %" PRIu64 "\n", runner_now(), runner_overruns());
    }
}
