/*
 * The wall's clock, set by a file: loaded into a daemon before its C library (LD_PRELOAD), this answers the wall's time with as many
 * seconds more as the file says that BUSBAR_WALL_SHIFT names. All other clocks are the kernel's.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long shift(void)
{
    const char *path = getenv("BUSBAR_WALL_SHIFT");
    char text[32];
    ssize_t length;
    int file;

    if (!path)
        return 0;
    file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return 0;
    length = read(file, text, sizeof text - 1);
    close(file);
    if (length <= 0)
        return 0;
    text[length] = 0;
    return strtol(text, NULL, 10);
}

int clock_gettime(clockid_t clock, struct timespec *time)
{
    long failed = syscall(SYS_clock_gettime, clock, time);

    if (!failed && clock == CLOCK_REALTIME)
        time->tv_sec += shift();
    return (int)failed;
}
