/* A GPIO chip in user space: preload it, and /dev/gpiochip0 answers as the kernel's character device does
 * (uAPI v2, <linux/gpio.h>), as far as libgpiod asks.  Its lines are wired inside the process:
 *   GPIO_WIRES="0>1,2>3"  what line 0 puts out, line 1 hears; joined lines are written both ways
 *   GPIO_CLOCK=FILE       edges happen at the nanosecond that the file's first 8 bytes say
 *   GPIO_QUEUE=64         edges that a request holds, if that is less than what was asked for
 * As in the kernel a full queue drops its oldest edge and goes on counting. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/gpio.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

enum { LINES = 32, REQUESTS = 16, QUEUE = 1024, FDS = 1024, MAJOR = 254 };
#define CHIP "/dev/gpiochip0"

struct request {
    int fd; /* an eventfd, readable while edges wait; -1: unused */
    unsigned count, offsets[LINES];
    __u64 flags[LINES];
    struct gpio_v2_line_event queue[QUEUE];
    unsigned head, waiting, limit, seqno, line_seqno[LINES];
};

static struct request requests[REQUESTS];
static bool level[LINES]; /* on the wire */
static bool wires[LINES][LINES];
static bool is_chip[FDS];
static volatile __u64 *shared_ns;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int (*real_ioctl)(int, unsigned long, ...);
static int (*real_open)(const char *, int, ...);
static int (*real_close)(int);
static ssize_t (*real_read)(int, void *, size_t);

__attribute__((constructor)) static void start(void)
{
    real_ioctl = (int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
    real_open = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open");
    real_close = (int (*)(int))dlsym(RTLD_NEXT, "close");
    real_read = (ssize_t (*)(int, void *, size_t))dlsym(RTLD_NEXT, "read");
    for (int i = 0; i < REQUESTS; i++)
        requests[i].fd = -1;
    const char *clock = getenv("GPIO_CLOCK");
    int fd = clock ? real_open(clock, O_RDONLY | O_CLOEXEC, 0) : -1;
    if (fd >= 0)
        shared_ns = mmap(NULL, sizeof *shared_ns, PROT_READ, MAP_SHARED, fd, 0);
    const char *list = getenv("GPIO_WIRES");
    for (char *part = list ? strdup(list) : NULL; part && *part;) {
        unsigned from, to;
        if (sscanf(part, "%u>%u", &from, &to) == 2 && from < LINES && to < LINES)
            wires[from][to] = true;
        part = strchr(part, ',');
        if (part)
            part++;
    }
}

static struct request *request_of(int fd)
{
    for (struct request *r = requests; fd >= 0 && r < requests + REQUESTS; r++)
        if (r->fd == fd)
            return r;
    return NULL;
}

static bool is_taken(unsigned offset)
{
    for (struct request *r = requests; r < requests + REQUESTS; r++)
        for (unsigned i = 0; r->fd >= 0 && i < r->count; i++)
            if (r->offsets[i] == offset)
                return true;
    return false;
}

static __u64 now_ns(void)
{
    struct timespec now;
    if (shared_ns)
        return *shared_ns;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (__u64)now.tv_sec * 1000000000u + (__u64)now.tv_nsec;
}

static void push(struct request *r, unsigned i, bool rises)
{
    if (r->waiting == r->limit) { /* the oldest goes */
        r->head = (r->head + 1) % QUEUE;
        r->waiting--;
    }
    struct gpio_v2_line_event *event = &r->queue[(r->head + r->waiting++) % QUEUE];
    memset(event, 0, sizeof *event);
    event->timestamp_ns = now_ns();
    event->id = rises ? GPIO_V2_LINE_EVENT_RISING_EDGE : GPIO_V2_LINE_EVENT_FALLING_EDGE;
    event->offset = r->offsets[i];
    event->seqno = ++r->seqno;
    event->line_seqno = ++r->line_seqno[i];
    if (eventfd_write(r->fd, 1)) { } /* full: it is readable enough */
}

/* The level of a wire's end changes; whoever asked for such edges gets one. */
static void set_level(unsigned offset, bool high)
{
    if (level[offset] == high)
        return;
    level[offset] = high;
    for (struct request *r = requests; r < requests + REQUESTS; r++)
        for (unsigned i = 0; r->fd >= 0 && i < r->count; i++) {
            bool rises = high != !!(r->flags[i] & GPIO_V2_LINE_FLAG_ACTIVE_LOW);
            __u64 wanted = rises ? GPIO_V2_LINE_FLAG_EDGE_RISING : GPIO_V2_LINE_FLAG_EDGE_FALLING;
            if (r->offsets[i] == offset && (r->flags[i] & wanted))
                push(r, i, rises);
        }
}

static void put_out(struct request *r, unsigned i, bool active)
{
    bool high = active != !!(r->flags[i] & GPIO_V2_LINE_FLAG_ACTIVE_LOW);
    level[r->offsets[i]] = high;
    for (unsigned other = 0; other < LINES; other++)
        if (wires[r->offsets[i]][other])
            set_level(other, high);
}

static void configure(struct request *r, const struct gpio_v2_line_config *config)
{
    for (unsigned i = 0; i < r->count; i++) {
        __u64 values = 0;
        r->flags[i] = config->flags;
        for (unsigned a = 0; a < config->num_attrs; a++) {
            if (!(config->attrs[a].mask >> i & 1))
                continue;
            if (config->attrs[a].attr.id == GPIO_V2_LINE_ATTR_ID_FLAGS)
                r->flags[i] = config->attrs[a].attr.flags;
            if (config->attrs[a].attr.id == GPIO_V2_LINE_ATTR_ID_OUTPUT_VALUES)
                values = config->attrs[a].attr.values >> i & 1;
        }
        if (r->flags[i] & GPIO_V2_LINE_FLAG_OUTPUT)
            put_out(r, i, values != 0);
    }
}

static int fail(int number)
{
    errno = number;
    return -1;
}

static int request_lines(struct gpio_v2_line_request *asked)
{
    struct request *r = requests;
    for (unsigned i = 0; i < asked->num_lines; i++) {
        if (asked->offsets[i] >= LINES)
            return fail(EINVAL);
        if (is_taken(asked->offsets[i]))
            return fail(EBUSY);
    }
    while (r < requests + REQUESTS && r->fd >= 0)
        r++;
    if (r == requests + REQUESTS)
        return fail(ENOMEM);
    memset(r, 0, sizeof *r);
    r->count = asked->num_lines;
    memcpy(r->offsets, asked->offsets, r->count * sizeof *r->offsets);
    const char *limit = getenv("GPIO_QUEUE");
    r->limit = asked->event_buffer_size ? asked->event_buffer_size : 16 * r->count;
    if (limit && (unsigned)atoi(limit) < r->limit)
        r->limit = (unsigned)atoi(limit);
    if (r->limit > QUEUE)
        r->limit = QUEUE;
    r->fd = asked->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    configure(r, &asked->config);
    return 0;
}

static int values(struct request *r, unsigned long order, struct gpio_v2_line_values *v)
{
    __u64 bits = v->bits;
    if (order == GPIO_V2_LINE_GET_VALUES_IOCTL)
        v->bits = 0;
    for (unsigned i = 0; i < r->count; i++) {
        bool low_active = !!(r->flags[i] & GPIO_V2_LINE_FLAG_ACTIVE_LOW);
        if (!(v->mask >> i & 1))
            continue;
        if (order == GPIO_V2_LINE_GET_VALUES_IOCTL)
            v->bits |= (__u64)(level[r->offsets[i]] != low_active) << i;
        else
            put_out(r, i, bits >> i & 1);
    }
    return 0;
}

static int chip_order(unsigned long order, void *data)
{
    if (order == GPIO_GET_CHIPINFO_IOCTL) {
        struct gpiochip_info *info = data;
        memset(info, 0, sizeof *info);
        strcpy(info->name, "gpiochip0");
        strcpy(info->label, "user space");
        info->lines = LINES;
        return 0;
    }
    if (order == GPIO_V2_GET_LINEINFO_IOCTL) {
        struct gpio_v2_line_info *info = data;
        unsigned offset = info->offset;
        if (offset >= LINES)
            return fail(EINVAL);
        memset(info, 0, sizeof *info);
        info->offset = offset;
        info->flags = GPIO_V2_LINE_FLAG_INPUT | (is_taken(offset) ? GPIO_V2_LINE_FLAG_USED : 0);
        return 0;
    }
    return order == GPIO_V2_GET_LINE_IOCTL ? request_lines(data) : fail(ENOTTY);
}

int ioctl(int fd, unsigned long order, ...)
{
    va_list list;
    va_start(list, order);
    void *data = va_arg(list, void *);
    va_end(list);
    unsigned long known = (unsigned)order; /* libgpiod's int may have been sign-extended */
    int result;
    pthread_mutex_lock(&lock);
    struct request *r = request_of(fd);
    if (fd >= 0 && fd < FDS && is_chip[fd])
        result = chip_order(known, data);
    else if (r && known == GPIO_V2_LINE_SET_CONFIG_IOCTL)
        configure(r, data), result = 0;
    else if (r)
        result = values(r, known, data);
    else
        result = -2;
    pthread_mutex_unlock(&lock);
    return result == -2 ? real_ioctl(fd, order, data) : result;
}

ssize_t read(int fd, void *data, size_t size)
{
    struct gpio_v2_line_event *out = data;
    size_t room = size / sizeof *out, done = 0;
    if (!real_read)
        start();
    pthread_mutex_lock(&lock);
    struct request *r = request_of(fd);
    if (!r) {
        pthread_mutex_unlock(&lock);
        return real_read(fd, data, size);
    }
    for (; done < room && r->waiting; done++, r->waiting--) {
        out[done] = r->queue[r->head];
        r->head = (r->head + 1) % QUEUE;
    }
    if (!r->waiting) {
        eventfd_t count;
        if (eventfd_read(fd, &count)) { }
    }
    pthread_mutex_unlock(&lock);
    return done ? (ssize_t)(done * sizeof *out) : fail(EAGAIN);
}

int open(const char *path, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    int mode = va_arg(list, int);
    va_end(list);
    if (strcmp(path, CHIP))
        return real_open(path, flags, mode);
    int fd = real_open("/dev/null", flags, 0);
    if (fd >= 0 && fd < FDS)
        is_chip[fd] = true;
    return fd;
}

int close(int fd)
{
    if (!real_close)
        start();
    if (fd >= 0 && fd < FDS)
        is_chip[fd] = false;
    pthread_mutex_lock(&lock);
    struct request *r = request_of(fd);
    if (r)
        r->fd = -1;
    pthread_mutex_unlock(&lock);
    return real_close(fd);
}

/* libgpiod looks whether the path is a character device of the gpio subsystem. */
static int device(struct stat *out)
{
    memset(out, 0, sizeof *out);
    out->st_mode = S_IFCHR | 0660;
    out->st_rdev = makedev(MAJOR, 0);
    return 0;
}

int lstat(const char *path, struct stat *out)
{
    return strcmp(path, CHIP) ? fstatat(AT_FDCWD, path, out, AT_SYMLINK_NOFOLLOW) : device(out);
}

int __xstat(int version, const char *path, struct stat *out) /* of wheels for an older glibc */
{
    (void)version;
    return strcmp(path, CHIP) ? fstatat(AT_FDCWD, path, out, 0) : device(out);
}

int __lxstat(int version, const char *path, struct stat *out)
{
    (void)version;
    return lstat(path, out);
}

char *realpath(const char *path, char *buffer)
{
    char subsystem[64];
    snprintf(subsystem, sizeof subsystem, "/sys/dev/char/%d:0/subsystem", MAJOR);
    const char *known = !strcmp(path, CHIP) ? CHIP : !strcmp(path, subsystem) ? "/sys/bus/gpio" : NULL;
    if (known)
        return buffer ? strcpy(buffer, known) : strdup(known);
    char *(*real)(const char *, char *) = (char *(*)(const char *, char *))dlsym(RTLD_NEXT, "realpath");
    return real(path, buffer);
}
