/* base/: strings, parsers, state files, locks, processes. test_fs.c tests files. */
#include "check.h"

#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

/* ---- small values -----------------------------------------------------------------------------*/

static void test_parse_size(void)
{
    static const struct {
        const char *text;
        int error;
        uint64_t value;
    } rows[] = {
        {"0", 0, 0},
        {"1024", 0, 1024},
        {"1024b", 0, 1024},
        {"1B", 0, 1},
        {"512k", 0, 512 << 10},
        {"64m", 0, 64 << 20},
        {"64M", 0, 64 << 20},
        {"64mb", 0, 64 << 20},
        {"64MiB", 0, 64 << 20},
        {"1g", 0, UINT64_C(1) << 30},
        {"2T", 0, UINT64_C(2) << 40},
        {"18446744073709551615", 0, UINT64_MAX},
        {"16777215t", 0, UINT64_C(16777215) << 40},
        {"16777216t", -ERANGE, 0},
        {"18446744073709551615k", -ERANGE, 0},
        {"18446744073709551616", -ERANGE, 0},
        {"", -EINVAL, 0},
        {"b", -EINVAL, 0},
        {"m", -EINVAL, 0},
        {"-1", -EINVAL, 0},
        {"+1", -EINVAL, 0},
        {" 1", -EINVAL, 0},
        {"1 m", -EINVAL, 0},
        {"1.5g", 0, UINT64_C(3) << 29},
        {"0.5k", 0, 512},
        {"1.999999999k", 0, 2047},
        {"16777215.999999999t", 0, UINT64_MAX - 1099},
        {"1.5", -EINVAL, 0},
        {"1.5b", -EINVAL, 0},
        {"1.g", -EINVAL, 0},
        {".5g", -EINVAL, 0},
        {"1.5.5g", -EINVAL, 0},
        {"1.0000000000g", -EINVAL, 0},
        {"10x", -EINVAL, 0},
        {"10mm", -EINVAL, 0},
        {"10mibb", -EINVAL, 0},
        {"10bb", -EINVAL, 0},
        {"10bib", -EINVAL, 0},
        {"0x10", -EINVAL, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint64_t value = 0;
        int r = parse_size(rows[i].text, &value);
        _cleanup_free_ char *name = xasprintf("size \"%s\"", rows[i].text);
        expect(r == rows[i].error && value == rows[i].value, name, "%d, %llu", r,
               (unsigned long long)value);
    }
}

static void test_parse_rate(void)
{
    static const struct {
        const char *text;
        int error;
        uint64_t value;
        const char *canonical;
    } rows[] = {
        {"0", 0, 0, "0gbit"},
        {"8000", 0, 8000, "8kbit"},
        {"8001bit", 0, 8001, "8001bit"},
        {"64kbit", 0, 64000, "64kbit"},
        {"10mbit", 0, 10000000, "10mbit"},
        {"10Mbit", 0, 10000000, "10mbit"},
        {"1.5mbit", 0, 1500000, "1500kbit"},
        {"1.50mbit", 0, 1500000, "1500kbit"},
        {"0.000000001gbit", 0, 1, "1bit"},
        {"34gbit", 0, UINT64_C(34000000000), "34gbit"},
        {"18446744072gbit", 0, UINT64_C(18446744072000000000), "18446744072gbit"},
        {"18446744073gbit", -ERANGE, 0, NULL},
        {"18446744073709551616", -ERANGE, 0, NULL},
        {"", -EINVAL, 0, NULL},
        {"mbit", -EINVAL, 0, NULL},
        {".5mbit", -EINVAL, 0, NULL},
        {"1.mbit", -EINVAL, 0, NULL},
        {"1.mbit5", -EINVAL, 0, NULL},
        {"1.5", -EINVAL, 0, NULL},
        {"1.0005kbit", -EINVAL, 0, NULL},
        {"1.0000000000gbit", -EINVAL, 0, NULL},
        {"10m", -EINVAL, 0, NULL},
        {"10mbits", -EINVAL, 0, NULL},
        {"10 mbit", -EINVAL, 0, NULL},
        {"10mbps", -EINVAL, 0, NULL},
        {"-10mbit", -EINVAL, 0, NULL},
        {"+10mbit", -EINVAL, 0, NULL},
        {"1e6bit", -EINVAL, 0, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint64_t value = 0;
        int r = parse_rate(rows[i].text, &value);
        _cleanup_free_ char *name = xasprintf("rate \"%s\"", rows[i].text),
                            *text = rate_text(value);
        expect(r == rows[i].error && value == rows[i].value, name, "%d, %llu", r,
               (unsigned long long)value);
        if (r == 0)
            check(streq(text, rows[i].canonical), name, text);
    }
}

static void test_parse_u64(void)
{
    static const struct {
        const char *text;
        uint64_t min, max;
        int error;
    } rows[] = {
        {"7", 7, 7, 0},
        {"007", 7, 7, 0},
        {"6", 7, 9, -ERANGE},
        {"10", 7, 9, -ERANGE},
        {"18446744073709551615", 0, UINT64_MAX, 0},
        {"18446744073709551616", 0, UINT64_MAX, -ERANGE},
        {"99999999999999999999999", 0, UINT64_MAX, -ERANGE},
        {"-1", 0, UINT64_MAX, -EINVAL},
        {"+1", 0, UINT64_MAX, -EINVAL},
        {" 1", 0, UINT64_MAX, -EINVAL},
        {"1 ", 0, UINT64_MAX, -EINVAL},
        {"0x1", 0, UINT64_MAX, -EINVAL},
        {"1e3", 0, UINT64_MAX, -EINVAL},
        {"", 0, UINT64_MAX, -EINVAL},
        {NULL, 0, UINT64_MAX, -EINVAL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint64_t value = 4711;
        int r = parse_u64(rows[i].text, rows[i].min, rows[i].max, &value);
        _cleanup_free_ char *name =
            xasprintf("number \"%s\"", rows[i].text ? rows[i].text : "NULL");
        expect(r == rows[i].error && (r == 0) == (value != 4711), name, "%d, %llu", r,
               (unsigned long long)value);
    }
}

static void test_valid_name(void)
{
    char longest[65];
    memset(longest, 'a', sizeof(longest));
    longest[64] = '\0';
    check(!valid_name(longest), "64 characters are no name", "they are");
    longest[63] = '\0';
    check(valid_name(longest), "63 characters are a name", "they are not");
    static const char *const good[] = {"a", "0", "web-1", "web_1.A", "a-", "Z9"};
    static const char *const bad[] = {"",          ".",    "..",  ".a",  "-a",   "_a",
                                      "a/b",       "../a", "a b", "a\n", "a\t",  "\xc3\xa4",
                                      "a\xc3\xa4", "a~",   "a:b", "a%s", "a..b", "a."};
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        check(valid_name(good[i]), good[i], "is no name");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        expect(!valid_name(bad[i]), "a bad name", "\"%s\" is a name", bad[i]);
    check(!valid_name(NULL), "NULL is no name", "it is");
}

static void test_valid_host_name(void)
{
    char label[65];
    memset(label, 'a', sizeof(label));
    label[64] = '\0';
    check(!valid_host_name(label, 253), "a label of 64 characters", "it is a hostname");
    label[63] = '\0';
    check(valid_host_name(label, 63) && !valid_host_name(label, 62), "63 characters",
          "they are no hostname, or are one of 62");
    static const char *const good[] = {"a", "0", "web-1", "a.b.c", "a_b", "_dmarc.x"};
    static const char *const bad[] = {"",    ".", "..",   ".a",   "a.",  "a..b", "-a",
                                      "a-",  "-", "a.-b", "a-.b", "a b", "a/b",  "a\n",
                                      "a:b", "ä", "a~",   "a\tb", "*.a", "a.b.-"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        check(valid_host_name(good[i], 63), good[i], "is no hostname");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        expect(!valid_host_name(bad[i], 63), "a bad hostname", "\"%s\" is one", bad[i]);
}

static void test_text(void)
{
    check(valid_utf8("") && valid_utf8("\xc3\xa4 \xf0\x9f\x98\x80") && !valid_utf8("\xff") &&
              !valid_utf8("a\xc3") && !valid_utf8("\xed\xa0\x80"),
          "what is UTF-8", "another answer");
    _cleanup_free_ char *shown = text_printable("a\xff\n\"b"), *none = text_printable("");
    check(streq(shown, "a\\xff\\x0a\"b") && streq(none, ""), "bytes in a message", shown);
}

static void test_nearest_word(void)
{
    static const char *const words[] = {"publish", "name",   "network",  "memory",  "rm",
                                        "ip",      "run",    "cpus",     "stop",    "user",
                                        "userns",  "capadd", "capadrop", "dry-run", NULL};
    static const char *const none[] = {NULL};
    static const struct {
        const char *word, *near;
    } rows[] = {
        {"pubish", "publish"},
        {"publihs", "publish"},
        {"netwrk", "network"},
        {"network", "network"},
        {"nmae", "name"},
        {"rnu", "run"},
        {"runn", "run"},
        {"pbulihs", "publish"},
        {"names", "name"},
        {"nme", NULL},
        {"m", NULL},
        {"pid", NULL},
        {"pul", NULL},
        {"top", NULL},
        {"sun", NULL},
        {"xyzzyxyzzy", NULL},
        {"volume", NULL},
        {"", NULL},
        {"publishpublish", NULL},
        {"pulbihs", "publish"},
        {"pubbbish", "publish"},
        {"bulish", "publish"},
        {"nnnname", NULL},
        {"nuu", NULL},
        {"publ", "publish"},
        {"pub", NULL},
        {"dry", "dry-run"},
        {"user", "user"},
        {"usern", "userns"},
        {"capa", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *near = nearest_word(rows[i].word, words);
        _cleanup_free_ char *name = xasprintf("nearest to \"%s\"", rows[i].word);
        expect(streq(near, rows[i].near), name, "%s", near ? near : "none");
    }
    check(!nearest_word("a", none), "nearest of none", "is one");
    _cleanup_free_ char *huge = xcalloc(1 << 20, 1);
    memset(huge, 'p', (1 << 20) - 1);
    check(!nearest_word(huge, words), "nearest to a word of a megabyte", "is one");
}

static void test_strv(void)
{
    _cleanup_strv_ strv v = strv_split("a::b:", ':');
    check(strv_len(v) == 4 && streq(v[0], "a") && streq(v[1], "") && streq(v[2], "b") &&
              streq(v[3], ""),
          "split keeps empty pieces", "it does not");
    _cleanup_strv_ strv one = strv_split("", ':');
    check(strv_len(one) == 1 && streq(one[0], ""), "split of nothing is one piece", "it is not");
    _cleanup_strv_ strv copy = strv_copy(v);
    check(strv_len(copy) == 4 && copy[0] != v[0] && streq(copy[2], "b"), "copy", "differs");
    _cleanup_strv_ strv none = strv_copy(NULL);
    check(!none && strv_len(NULL) == 0, "NULL is an empty vector", "it is not");
    _cleanup_free_ char *joined = strv_join(v, ", "), *nothing = strv_join(NULL, ",");
    check(streq(joined, "a, , b, ") && streq(nothing, ""), "join", joined);
    int seen = 0;
    strv_each (s, none)
        seen += s != NULL;
    strv_each (s, v)
        seen += s != NULL;
    check(seen == 4, "each", "miscounts");
    check(streq(NULL, NULL) && !streq("", NULL) && !streq(NULL, "") && streq("a", "a"), "streq",
          "");
    check(streq(skip_prefix("ab", "a"), "b") && streq(skip_prefix("a", "a"), "") &&
              !skip_prefix("a", "ab"),
          "skip_prefix", "");
    check(hash64_add(hash64("ab"), "cd", 2) == hash64("abcd"), "FNV-1a in pieces", "another");
    check(hash64("") == 0xcbf29ce484222325 && hash64("a") == 0xaf63dc4c8601ec8c, "FNV-1a",
          "is another function");
}

/* Counts reallocations instead of time: growing by one string each would need 200,000. */
static void test_strings(void)
{
    enum { COUNT = 200000 };
    _cleanup_strings_ struct strings l = {0};
    size_t grown = 0;
    for (size_t i = 0, room = 0; i < COUNT; i++) {
        if (i % 2)
            strings_add(&l, "x");
        else
            strings_add_take(&l, xstrdup("y"));
        grown += l.room != room;
        room = l.room;
    }
    expect(l.count == COUNT && strv_len(l.items) == COUNT && streq(l.items[1], "x") &&
               streq(l.items[COUNT - 2], "y"),
           "a long vector", "%zu strings", l.count);
    expect(grown < 20, "a long vector is moved a few times only", "%zu times", grown);
    _cleanup_free_ char *text = strv_join(l.items, "\n");
    _cleanup_strv_ strv lines = strv_split(text, '\n'), copy = strv_copy(lines);
    check(strv_len(lines) == COUNT && strv_len(copy) == COUNT, "a long text in lines",
          "miscounted");
    _cleanup_strv_ strv taken = strings_take(&l);
    check(strv_len(taken) == COUNT && !l.items && !l.count && !l.room, "take leaves it empty",
          "it does not");
    strings_add(&l, "again");
    check(l.count == 1 && streq(l.items[0], "again") && !l.items[1], "used after take", "differs");
    strings_clear(&l);
    check(!strings_take(&l), "nothing is a NULL vector", "it is not");
}

/* ---- errors -----------------------------------------------------------------------------------*/

static void test_errors(void)
{
    _cleanup_err_ struct err e = ERR_INIT, other = ERR_INIT;
    check(err_set(&e, ENOENT, "open `%s`", "x") == -ENOENT && e.code == -ENOENT &&
              streq(e.text, "open `x`: No such file or directory"),
          "set takes positive errnos", text_of(&e));
    err_kernel_says(&e, "no way");
    err_kernel_says(&e, "");
    err_kernel_says(&e, NULL);
    err_wrap(&e, "start `%s`", "web");
    check(streq(e.text, "start `web`: open `x`: No such file or directory (no way)"),
          "wrap and the kernel's words", text_of(&e));
    err_wrap(&e, "start `%s`", "web");
    check(skip_prefix(e.text, "start `web`: open"), "nothing is repeated", text_of(&e));
    err_hint(&e, "make it");
    check(e.code == -ENOENT && streq(e.hint, "make it"), "hint", "lost");
    err_status(&e, 127);
    check(e.code == -ENOENT && e.status == 127, "status", "lost");
    /* the arguments include the text that is replaced */
    err_say(&e, -EINVAL, "not \"%s\"", e.text);
    check(!e.hint && e.status == 0 && skip_prefix(e.text, "not \"start"),
          "an error is replaced whole", text_of(&e));
    err_move(&other, &e);
    check(!e.text && e.code == 0 && other.code == -EINVAL, "move empties", text_of(&e));
    err_wrap(&e, "x");
    check(e.code == 0 && !e.text, "wrap of no error is none", text_of(&e));
    err_hint(NULL, "x");
    err_wrap(NULL, "x");
    err_status(NULL, 1);
    check(err_set(NULL, EIO, "x") == -EIO && err_say(NULL, -EIO, "x") == -EIO,
          "no error object: still a failure", "success");
}

/* ---- state files ------------------------------------------------------------------------------*/

static void test_json_damage(int dir)
{
    static const struct {
        const char *name, *text, *says;
    } rows[] = {
        {"empty", "", "line 1: '[' or '{' expected"},
        {"truncated", "{\n\"a\": 1,\n\"b\"", "line 3: ':' expected"},
        {"an array", "[1, 2]", "is damaged: not an object"},
        {"a number", "17", "line 1: '[' or '{' expected"},
        {"twice a key", "{\"a\": 1, \"a\": 2}", "duplicate"},
        {"more behind", "{} {}", "end of file expected"},
        {"not UTF-8", "{\"a\": \"\xff\"}", "unable to decode byte 0xff"},
        {"garbage",
         "\x7f"
         "ELF",
         "line 1"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_err_ struct err e = ERR_INIT;
        _cleanup_json_ json_t *j = NULL;
        put_file(dir, "state.json", rows[i].text, strlen(rows[i].text));
        int r = json_read_at(dir, "state.json", &j, &e);
        _cleanup_free_ char *name = xasprintf("damaged state: %s", rows[i].name);
        check(r == -EBADMSG && !j && strstr(text_of(&e), rows[i].says) &&
                  strstr(text_of(&e), "`state.json`"),
              name, text_of(&e));
    }
    _cleanup_err_ struct err e = ERR_INIT;
    _cleanup_json_ json_t *j = NULL;
    put_file(dir, "state.json", "{\"a\": \"b\0c\"}", 12);
    check(json_read_at(dir, "state.json", &j, &e) == -EBADMSG && !j, "damaged state: NUL", "read");
    _cleanup_free_ char *deep = xcalloc(100001, 1);
    for (int i = 0; i < 100000; i++)
        deep[i] = i % 5 == 0 ? '{' : "{\"a\":"[i % 5];
    put_file(dir, "state.json", deep, 100000);
    check(json_read_at(dir, "state.json", &j, &e) == -EBADMSG && !j, "damaged state: nested",
          "read");
    _cleanup_close_ int fd = openat(dir, "state.json", O_WRONLY | O_CLOEXEC);
    check(ftruncate(fd, (16 << 20) + 1) == 0 &&
              json_read_at(dir, "state.json", &j, &e) == -EBADMSG && !j,
          "a state file that is too big", text_of(&e));
    check(json_read_at(dir, "none", &j, &e) == -ENOENT && !j, "no state file", text_of(&e));
}

static void test_json(int dir)
{
    _cleanup_err_ struct err e = ERR_INIT;
    char *words[] = {(char *)"one", (char *)"", (char *)"\"\\\n\xc3\xa4", NULL};
    _cleanup_json_ json_t *j = json_object(), *back = NULL;
    json_put_str(j, "s", words[2]);
    json_put_str(j, "nothing", NULL);
    json_put_strv(j, "v", words);
    json_put_strv(j, "empty", NULL);
    json_object_set_new(j, "n", json_integer(-5));
    json_object_set_new(j, "yes", json_true());
    check(json_write_at(dir, "j", j, &e) == 0 && json_read_at(dir, "j", &back, &e) == 0 &&
              json_equal(j, back),
          "a state file comes back", text_of(&e));
    _cleanup_strv_ strv v = json_strv(back, "v"), mixed = NULL;
    check(strv_len(v) == 3 && streq(v[1], "") && streq(v[2], words[2]), "strings come back",
          "not all");
    check(streq(json_str(back, "s"), words[2]) && !json_str(back, "nothing") &&
              !json_str(back, "n") && json_int(back, "n", 1) == -5 && json_int(back, "s", 1) == 1 &&
              json_flag(back, "yes") && !json_flag(back, "n") && !json_strv(back, "empty") &&
              !json_strv(back, "s") && !json_str(NULL, "s") && json_int(NULL, "n", 3) == 3,
          "values of the wrong type are not there", "they are");
    json_object_set_new(j, "v", json_pack("[s, i, s]", "a", 1, "b"));
    mixed = json_strv(j, "v");
    check(strv_len(mixed) == 2, "no string is left out", "it is kept");
}

/* Text that cannot be stored must not be dropped: a command without one of its arguments is another
 * command. */
static void test_json_not_text(int dir)
{
    char *words[] = {(char *)"rm", (char *)"a\xff", NULL};
    for (int i = 0; i < 2; i++) {
        _cleanup_err_ struct err e = ERR_INIT;
        _cleanup_json_ json_t *j = json_object();
        if (i == 0)
            json_put_str(j, "s", words[1]);
        else
            json_put_strv(j, "v", words);
        int r = json_write_at(dir, "latin", j, &e);
        check(r == -EILSEQ && strstr(text_of(&e), "`a\\xff` is not UTF-8") && !exists(dir, "latin"),
              i ? "words that are not UTF-8 are refused" : "text that is not UTF-8 is refused",
              text_of(&e));
    }
}

/* Does @pid have that file open? */
static bool has_open(pid_t pid, int fd)
{
    struct stat st, other;
    _cleanup_free_ char *path = xasprintf("/proc/%d/fd", pid);
    _cleanup_dir_ DIR *d = opendir(path);
    bool found = false;
    if (!d || fstat(fd, &st) < 0)
        return false;
    for (struct dirent *entry; (entry = readdir(d));)
        found = found || (fstatat(dirfd(d), entry->d_name, &other, 0) == 0 &&
                          other.st_ino == st.st_ino && other.st_dev == st.st_dev);
    return found;
}

/* A process that waited for a lock whose file was removed locks the new file. */
static void test_removed_lock(int dir)
{
    int held = lock_file_at(dir, "removed", LOCK_EX), gate[2];
    check(pipe(gate) == 0, "a pipe", "none");
    pid_t pid = fork();
    if (pid == 0) {
        close(held);
        close(gate[0]);
        close(gate[1]); /* from here on, the child has the file open only to wait for it */
        int own = lock_file_at(dir, "removed", LOCK_EX);
        _exit(own >= 0 && lock_file_at(dir, "removed", LOCK_EX | LOCK_NB) == -EWOULDBLOCK ? 0 : 1);
    }
    close(gate[1]);
    char byte;
    (void)!read(gate[0], &byte, 1);
    close(gate[0]);
    for (int tries = 0; tries < 5000 && !has_open(pid, held); tries++)
        usleep(1000);
    check(has_open(pid, held), "the other one waits", "it does not");
    (void)unlinkat(dir, "removed", 0);
    close(held);
    int status = -1;
    waitpid(pid, &status, 0);
    check(status == 0, "a lock is on the current file", "it is another lock");
}

static void test_lock(int dir)
{
    _cleanup_close_ int held = lock_file_at(dir, "lock", LOCK_EX);
    int second = lock_file_at(dir, "lock", LOCK_EX | LOCK_NB);
    check(held >= 0 && second == -EWOULDBLOCK, "a lock is exclusive", "twice");
    held = close_fd(held);
    second = lock_file_at(dir, "lock", LOCK_EX | LOCK_NB);
    check(second >= 0, "a closed lock is free", "it is not");
    check(fcntl(second, F_GETFD) == FD_CLOEXEC, "a lock is not inherited by programs", "it is");
    close_fd(second);
    (void)!symlinkat("lock", dir, "lock2");
    check(lock_file_at(dir, "lock2", LOCK_EX | LOCK_NB) == -ELOOP, "no lock through a link", "one");
}

/* ---- processes --------------------------------------------------------------------------------*/

static int wait_for_end(void *arg)
{
    char c;
    return read(*(int *)arg, &c, 1) != 0;
}

/* A process with this name; it ends when @wake is closed here. */
static pid_t named_process(const char *name, int wake[2])
{
    int ready[2];
    if (pipe2(wake, O_CLOEXEC) < 0 || pipe2(ready, O_CLOEXEC) < 0)
        return -1;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        close(wake[1]);
        prctl(PR_SET_NAME, name);
        close(ready[1]);
        _exit(wait_for_end(&wake[0]));
    }
    close(ready[1]);
    char c;
    (void)!read(ready[0], &c, 1);
    close(ready[0]);
    return pid;
}

static uint64_t now_in_ticks(void)
{
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    return (uint64_t)t.tv_sec * (uint64_t)sysconf(_SC_CLK_TCK);
}

static void test_process(const char *comm)
{
    int wake[2];
    pid_t pid = named_process(comm, wake);
    uint64_t start = proc_start_time(pid), now = now_in_ticks(),
             second = (uint64_t)sysconf(_SC_CLK_TCK);
    _cleanup_free_ char *name = xasprintf("start time of \"%s\"", comm);
    expect(start + 10 * second > now && start < now + 2 * second, name, "%llu, now %llu",
           (unsigned long long)start, (unsigned long long)now);
    _cleanup_close_ int pidfd = pidfd_of(pid, start);
    check(pidfd >= 0, "a process is known by pid and start", "it is not");
    check(pidfd_of(pid, start + 1) == -ESRCH && pidfd_of(pid, start - 1) == -ESRCH &&
              pidfd_of(pid, 0) == -ESRCH,
          "another start is another process", "it is the same");
    check(pidfd_wait(pidfd, 0) == -ETIMEDOUT && pidfd_wait(pidfd, 20) == -ETIMEDOUT, "it runs",
          "it has ended");
    check(pidfd_signal(pidfd, 0) == 0, "it can be signalled", "it cannot");
    close(wake[0]);
    close(wake[1]);
    check(pidfd_wait(pidfd, 5000) == 0, "its end is seen", "it is not");
    waitpid(pid, NULL, 0);
    check(proc_start_time(pid) == 0 && pidfd_of(pid, start) == -ESRCH &&
              pidfd_of(pid, 0) == -ESRCH && pidfd_signal(pidfd, SIGKILL) == -ESRCH,
          "it is gone", "it is there");
}

static void nothing(int sig)
{
    (void)sig;
}

/* The timer fires more often than the wait is long. */
static void test_wait_under_signals(void)
{
    struct sigaction act = {.sa_handler = nothing}, old;
    struct itimerval often = {{0, 10000}, {0, 10000}}, never = {0};
    sigaction(SIGALRM, &act, &old);
    _cleanup_close_ int self = pidfd_of(getpid(), proc_start_time(getpid()));
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    pid_t guard = fork(); /* if the wait does not end, this kills the process that is waited for */
    if (guard == 0) {
        sleep(3);
        kill(getppid(), SIGTERM);
        _exit(0);
    }
    setitimer(ITIMER_REAL, &often, NULL);
    int r = pidfd_wait(self, 100);
    setitimer(ITIMER_REAL, &never, NULL);
    clock_gettime(CLOCK_MONOTONIC, &after);
    kill(guard, SIGKILL);
    while (waitpid(guard, NULL, 0) < 0 && errno == EINTR)
        ;
    sigaction(SIGALRM, &old, NULL);
    check(r == -ETIMEDOUT && after.tv_sec - before.tv_sec < 2, "signals do not make a wait longer",
          "they do");
}

static void test_no_process(void)
{
    check(proc_start_time(0) == 0 && proc_start_time(-1) == 0, "no start time without a process",
          "there is one");
    check(pidfd_of(0, 1) == -ESRCH && pidfd_of(-1, 1) == -ESRCH, "no pidfd without a pid",
          "there is");
}

static void test_signals(void)
{
    static const struct {
        const char *text;
        int number;
    } rows[] = {
        {"SIGTERM", SIGTERM},
        {"TERM", SIGTERM},
        {"term", SIGTERM},
        {"sigKill", SIGKILL},
        {"15", 15},
        {"1", 1},
        {"64", 64},
        {"WINCH", SIGWINCH},
        {"0", -EINVAL},
        {"65", -EINVAL},
        {"-9", -EINVAL},
        {"", -EINVAL},
        {"SIG", -EINVAL},
        {"SIGSIGTERM", -EINVAL},
        {"TERM ", -EINVAL},
        {"9x", -EINVAL},
        {"NOPE", -EINVAL},
        {"RTMIN", 34},
        {"SIGRTMIN+3", 37},
        {"rtmax", 64},
        {"RTMAX-14", 50},
        {"RTMIN+30", 64},
        {"RTMIN+31", -EINVAL},
        {"RTMIN-1", -EINVAL},
        {"RTMAX+1", -EINVAL},
        {"RTMIN+", -EINVAL},
        {"RTMAXIMUM", -EINVAL},
        {"RTMIN+-1", -EINVAL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_free_ char *name = xasprintf("signal \"%s\"", rows[i].text);
        int r = parse_signal(rows[i].text);
        expect(r == rows[i].number, name, "%d", r);
    }
    _cleanup_free_ char *boot = NULL;
    expect(boot_id(&boot, NULL) == 0, "boot id can be read", "%m");
    check(strlen(boot) == 36 && boot[8] == '-', "boot id", boot);
}

int main(void)
{
    _cleanup_scratch_ struct scratch s = scratch_open();
    test_parse_size();
    test_parse_rate();
    test_parse_u64();
    test_valid_name();
    test_valid_host_name();
    test_text();
    test_nearest_word();
    test_strv();
    test_strings();
    test_errors();
    test_json_damage(s.fd);
    test_json(s.fd);
    test_json_not_text(s.fd);
    test_lock(s.fd);
    test_removed_lock(s.fd);
    test_process("plain");
    test_process("a) S 1 2 (b");
    test_process(")))) 7 7 7");
    test_wait_under_signals();
    test_no_process();
    test_signals();
    return failures != 0;
}
