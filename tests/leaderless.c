/* A program that is hard to kill: its main thread has ended, and changing its user cleared the signal for its
 * parent's death. */
#include <pthread.h>
#include <unistd.h>

static void *sleep_for_ever(void *arg)
{
    (void)arg;
    for (;;)
        pause();
    return NULL;
}

int main(void)
{
    pthread_t thread;
    if (setgid(1000) < 0 || setuid(1000) < 0 || pthread_create(&thread, NULL, sleep_for_ever, NULL))
        return 1;
    pthread_exit(NULL);
}
