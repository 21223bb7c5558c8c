/* Capabilities: docker's words, and what the kernel shows after the three steps. Needs root. */
#include "core/caps.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>

static int failures;

static void check(bool ok, const char *name, const char *why)
{
    printf("%s - %s%s%s\n", ok ? "ok" : "not ok", name, ok ? "" : ": ", ok ? "" : why);
    failures += !ok;
}

#define BIT(name) CAPS_BIT(CAP_##name)
#define LIST(...)         \
    (char *const[])       \
    {                     \
        __VA_ARGS__, NULL \
    }

static const uint64_t all = CAPS_BIT(CAP_LAST_CAP + 1) - 1;

struct row {
    const char *name;
    char *const *add, *const *drop;
    bool privileged;
    uint64_t held, expected;
    int error;
};

static void test_resolve(void)
{
    const struct row rows[] = {
        {"default", NULL, NULL, false, all, CAPS_DEFAULT, 0},
        {"add one", LIST("NET_ADMIN"), NULL, false, all, CAPS_DEFAULT | BIT(NET_ADMIN), 0},
        {"prefix and case", LIST("cap_sys_Time"), NULL, false, all, CAPS_DEFAULT | BIT(SYS_TIME),
         0},
        {"drop one", NULL, LIST("NET_RAW"), false, all, CAPS_DEFAULT & ~BIT(NET_RAW), 0},
        {"drop ALL", NULL, LIST("ALL"), false, all, 0, 0},
        {"drop all, add one", LIST("CHOWN"), LIST("all"), false, all, BIT(CHOWN), 0},
        {"add ALL", LIST("ALL"), NULL, false, all, all, 0},
        {"add ALL but one", LIST("ALL"), LIST("BPF"), false, all, all & ~BIT(BPF), 0},
        {"adding wins", LIST("MKNOD"), LIST("MKNOD"), false, all, CAPS_DEFAULT, 0},
        {"privileged", NULL, NULL, true, all, all, 0},
        {"privileged, less held", NULL, NULL, true, BIT(KILL), BIT(KILL), 0},
        {"default not held is left out", NULL, NULL, false, all & ~BIT(MKNOD),
         CAPS_DEFAULT & ~BIT(MKNOD), 0},
        {"ALL not held is left out", LIST("ALL"), NULL, false, all & ~BIT(BPF), all & ~BIT(BPF), 0},
        {"asked but not held", LIST("SYS_RESOURCE"), NULL, false, all & ~BIT(SYS_RESOURCE), 0,
         -EPERM},
        {"unknown", LIST("NET_ADMN"), NULL, false, all, 0, -EINVAL},
        {"empty", LIST(""), NULL, false, all, 0, -EINVAL},
        {"a number", NULL, LIST("12"), false, all, 0, -EINVAL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct row *t = &rows[i];
        _cleanup_err_ struct err e = ERR_INIT;
        uint64_t mask = 0;
        int r = caps_resolve(t->add, t->drop, t->privileged, t->held, &mask, &e);
        check(r == t->error && (r || mask == t->expected), t->name, e.text ? e.text : "wrong set");
        uint64_t few = t->held & caps_asked(t->add, t->privileged), same = 0;
        int again = caps_resolve(t->add, t->drop, t->privileged, few, &same, NULL);
        check(again == r && same == mask, "the same from what is asked of it", t->name);
    }
}

static void test_words(void)
{
    _cleanup_err_ struct err e = ERR_INIT;
    uint64_t mask;
    check(caps_added(LIST("cap_chown", "KILL", "nothing")) == (BIT(CHOWN) | BIT(KILL)) &&
              caps_added(NULL) == 0 && caps_added(LIST("ALL")) == UINT64_MAX,
          "what was added by name", "another set");
    caps_parse("NET_ADMN", &mask, &e);
    check(e.hint && strstr(e.hint, "NET_ADMIN"), "hint of the nearest name", e.hint ? e.hint : "");
    check(e.text && strstr(e.text, "NET_ADMN"), "error names the word", e.text ? e.text : "");
    _cleanup_strv_ strv names = caps_names(CAPS_DEFAULT);
    check(strv_len(names) == 14 && streq(names[0], "CAP_CHOWN"), "fourteen defaults", "wrong");
    bool round_trip = true;
    for (int cap = 0; cap <= CAP_LAST_CAP; cap++) {
        _cleanup_free_ char *name = caps_name(cap);
        round_trip = round_trip && caps_parse(name, &mask, NULL) == 0 && mask == CAPS_BIT(cap);
    }
    check(round_trip, "every name parses to its number", "not all do");
}

static uint64_t status_field(const char *field)
{
    _cleanup_free_ char *text = NULL;
    if (read_file_at(AT_FDCWD, "/proc/self/status", 1 << 16, &text, NULL) < 0)
        return UINT64_MAX;
    const char *at = strstr(text, field);
    return at ? strtoull(at + strlen(field), NULL, 16) : UINT64_MAX;
}

/* In a child: the three steps as @uid, then the sets as /proc shows them. */
static int apply_and_look(uid_t uid, uint64_t mask, uint64_t ambient)
{
    _cleanup_err_ struct err e = ERR_INIT;
    if (caps_drop_bounding(mask, &e) < 0 || caps_keep_over_uid(ambient, uid, &e) < 0 ||
        setresgid(uid, uid, uid) || setresuid(uid, uid, uid) ||
        caps_set_after_uid(mask, ambient, uid, &e) < 0)
        return 1;
    uint64_t own = uid ? ambient : mask, handed_on = uid ? ambient : 0;
    if (status_field("CapBnd:\t") != mask)
        return 2;
    if (status_field("CapPrm:\t") != own || status_field("CapEff:\t") != own)
        return 3;
    if (status_field("CapInh:\t") != handed_on || status_field("CapAmb:\t") != handed_on)
        return 4; /* CVE-2022-24769 */
    return 0;
}

/* Capabilities that are not there need not be dropped, and need no privilege. */
static int drop_without_privilege(void)
{
    if (caps_drop_bounding(0, NULL) < 0 || caps_set_after_uid(0, 0, 0, NULL) < 0)
        return 1;
    return caps_drop_bounding(0, NULL) < 0;
}

static int drop_refused(void)
{
    _cleanup_err_ struct err e = ERR_INIT;
    if (caps_set_after_uid(0, 0, 0, NULL) < 0)
        return 1;
    return !(caps_drop_bounding(BIT(CHOWN), &e) == -EPERM && strstr(e.text, "CAP_DAC_OVERRIDE"));
}

static void run_in_child(const char *name, int (*body)(void))
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        _exit(body());
    int status;
    waitpid(pid, &status, 0);
    check(WIFEXITED(status) && !WEXITSTATUS(status), name, "it is not so");
}

static void in_child(const char *name, uid_t uid, uint64_t mask, uint64_t ambient)
{
    static const char *const why[] = {"", "a step failed", "bounding set", "permitted or effective",
                                      "inheritable or ambient"};
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        _exit(apply_and_look(uid, mask, ambient));
    int status;
    waitpid(pid, &status, 0);
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
    check(code == 0, name, why[code < 5 ? code : 1]);
}

int main(void)
{
    test_resolve();
    test_words();
    if (geteuid()) {
        printf("skip - kernel sets: needs root\n");
        return failures != 0;
    }
    uint64_t held = caps_held();
    check(held & BIT(SETPCAP), "root holds something", "no CAP_SETPCAP");
    check(caps_held_of(CAPS_DEFAULT) == (held & CAPS_DEFAULT) && caps_held_of(0) == 0,
          "a part of what is held", "another");
    check(held == (status_field("CapBnd:\t") & status_field("CapPrm:\t")), "held as in /proc",
          "something else");
    run_in_child("dropping nothing needs no privilege", drop_without_privilege);
    run_in_child("dropping something does", drop_refused);
    in_child("the default set as root", 0, held & CAPS_DEFAULT, 0);
    in_child("the empty set as root", 0, 0, 0);
    in_child("everything as root", 0, held, 0);
    in_child("the default set as uid 1000", 1000, held & CAPS_DEFAULT, 0);
    in_child("the empty set as uid 1000", 1000, 0, 0);
    in_child("what was added as uid 1000", 1000, held & CAPS_DEFAULT, held & BIT(CHOWN));
    in_child("everything as uid 1000", 1000, held, held);
    in_child("what was added as root", 0, held & CAPS_DEFAULT, held & BIT(CHOWN));
    return failures != 0;
}
