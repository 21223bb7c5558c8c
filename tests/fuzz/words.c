/* The small values: times, sizes, addresses, subnets, signals, policies. Values with a text form survive a
 * round trip.
 */
#include "fuzz.h"

#include "cli/cli.h"

#include <netctr/ipam.h>
#include <netctr/store.h>

static void parse_time(const char *text)
{
    static const int64_t now = 1795442700000000000; /* a day in 2026 */
    int64_t when;
    if (time_parse(text, now, &when) < 0)
        return;
    _cleanup_free_ char *utc = time_utc(when / 1000000000), *ago = time_ago(when / 1000000000);
    must(utc && ago);
}

static void parse_subnet(const char *text)
{
    struct subnet s, again;
    struct ip ip;
    _cleanup_err_ struct err e = ERR_INIT;
    if (subnet_parse(text, &s, &e) == 0) {
        _cleanup_free_ char *shown = subnet_text(&s);
        must(subnet_parse(shown, &again, NULL) == 0 && ip_equal(&s.address, &again.address) &&
             s.prefix == again.prefix && subnet_overlaps(&s, &again));
        ip = subnet_host(&s, 1);
        must(subnet_contains(&s, &ip) && subnet_host_number(&s, &ip) == 1);
    }
    if (ip_parse(text, &ip) == 0) {
        struct ip same;
        _cleanup_free_ char *shown = ip_text(&ip);
        must(ip_parse(shown, &same) == 0 && ip_equal(&ip, &same));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const near[] = {"publish", "name", "network", NULL};
    _cleanup_free_ char *text = input_text(data, size < 256 ? size : 256);
    struct restart restart;
    uint64_t number;
    uint8_t mac[6];
    parse_time(text);
    parse_subnet(text);
    if (restart_parse(text, &restart, NULL) == 0) {
        _cleanup_free_ char *shown = restart_text(&restart);
        must(restart_parse(shown, &restart, NULL) == 0);
    }
    if (mac_parse(text, mac) == 0) {
        _cleanup_free_ char *shown = mac_text(mac);
        must(mac_parse(shown, mac) == 0);
    }
    (void)parse_size(text, &number);
    if (parse_rate(text, &number) == 0) {
        uint64_t again;
        _cleanup_free_ char *shown = rate_text(number);
        must(parse_rate(shown, &again) == 0 && again == number);
    }
    (void)parse_u64(text, 1, 65535, &number);
    (void)parse_signal(text);
    (void)valid_name(text);
    (void)nearest_word(text, near);
    return 0;
}
