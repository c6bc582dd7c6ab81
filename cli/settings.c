/* The two tables: what can be set, and how it is written as a flag. */
#include "cli.h"

/* clang-format off */
const struct ps_setting cli_settings[] = {
    /* name, type, default, min, max, unit, help */
    { "python", PS_SETTING_TEXT, NULL, 0, 0, "path",
      "the interpreter to build with and for (default: the active "
      "environment's)" },
    { "store", PS_SETTING_TEXT, NULL, 0, 0, "URL",
      "where wheels are uploaded: file:///dir or s3://bucket/prefix (default: "
      "the local store)" },
    { "endpoint-url", PS_SETTING_TEXT, NULL, 0, 0, "URL",
      "the S3-compatible server behind an s3:// store" },
    { "region", PS_SETTING_TEXT, NULL, 0, 0, NULL,
      "the S3 region" },
    { "profile", PS_SETTING_TEXT, NULL, 0, 0, NULL,
      "the profile of the AWS configuration" },
    { "virtual-host", PS_SETTING_BOOL, "false", 0, 0, NULL,
      "put the bucket into the host name, with --endpoint-url" },
    { "no-upload", PS_SETTING_BOOL, "false", 0, 0, NULL,
      "build and keep, upload nothing" },
    { "wheel-dir", PS_SETTING_TEXT, NULL, 0, 0, "path",
      "put a copy of each wheel there" },
    { "rebuild", PS_SETTING_BOOL, "false", 0, 0, NULL,
      "build even what is there already, with requirements resolved anew" },
    { "network", PS_SETTING_BOOL, "false", 0, 0, NULL,
      "let the build phase use the network" },
    { "config-settings", PS_SETTING_LIST, NULL, 0, 0, NULL,
      "a setting for the build back-end (PEP 517)" },
    { "build-requires", PS_SETTING_LIST, NULL, 0, 0, NULL,
      "a build requirement that the project forgot to name" },
    { "env", PS_SETTING_LIST, NULL, 0, 0, NULL,
      "let an environment variable through to the build" },
    { "include", PS_SETTING_LIST, NULL, 0, 0, "pattern",
      "files of the source that belong although a rule leaves them out" },
    { "exclude", PS_SETTING_LIST, NULL, 0, 0, "pattern",
      "files of the source that do not belong" },
    { "index-url", PS_SETTING_TEXT, NULL, 0, 0, "URL",
      "the package index (default: pip's settings)" },
    { "extra-index-url", PS_SETTING_LIST, NULL, 0, 0, "URL",
      "another index beside it" },
    { "find-links", PS_SETTING_LIST, NULL, 0, 0, "path or URL",
      "a directory or page of wheels" },
    { "no-index", PS_SETTING_BOOL, "false", 0, 0, NULL,
      "ask no index, only --find-links" },
    { "refresh", PS_SETTING_BOOL, "false", 0, 0, NULL,
      "resolve build requirements anew (they are kept for a day)" },
    { "timeout", PS_SETTING_NUMBER, "3600", 1, 604800, "s",
      "how long a build may take" },
    { "memory-mb", PS_SETTING_NUMBER, "0", 0, 1048576, "MiB",
      "how much memory a build may use (0: no limit)" },
    { "pids", PS_SETTING_NUMBER, "512", 8, 65536, "processes",
      "how many processes a build may have" },
    { "disk-mb", PS_SETTING_NUMBER, "4096", 16, 1048576, "MiB",
      "how much a build may write" },
    { "jobs", PS_SETTING_NUMBER, "0", 0, 256, NULL,
      "how many builds run at once (0: one for each processor)" },
    { "weaken", PS_SETTING_LIST, NULL, 0, 0, "layer",
      "go on without this layer of isolation (see `pkgsync doctor`)" },
    { "expose", PS_SETTING_LIST, NULL, 0, 0, "path",
      "show builds this path of the host, read-only" },
    { "sandbox-helper", PS_SETTING_TEXT, NULL, 0, 0, "path",
      "the program pkgsync-sandbox" },
    { "follow", PS_SETTING_BOOL, "false", 0, 0, NULL,
      "go on until the job has ended" },
    { "all", PS_SETTING_BOOL, "false", 0, 0, NULL,
      "ended jobs as well" },
    { "older-than", PS_SETTING_NUMBER, "30", 0, 36500, "days",
      "prune what was not used for so long" },
    { "json", PS_SETTING_BOOL, "false", 0, 0, NULL,
      "print one JSON document on standard output" },
    { "verbose", PS_SETTING_BOOL, "false", 0, 0, NULL,
      "show what builds print" },
    { "quiet", PS_SETTING_BOOL, "false", 0, 0, NULL,
      "no progress" },
    { .name = NULL },
};

const struct cli_option cli_options[] = {
    { "python", "PYTHON", CMD_WHEEL | CMD_DOCTOR, 'p' },
    { "store", "URL", CMD_BUILDS | CMD_DOCTOR, 's' },
    { "endpoint-url", "URL", CMD_BUILDS | CMD_DOCTOR, 0 },
    { "region", "NAME", CMD_BUILDS | CMD_DOCTOR, 0 },
    { "profile", "NAME", CMD_BUILDS | CMD_DOCTOR, 0 },
    { "virtual-host", NULL, CMD_BUILDS | CMD_DOCTOR, 0 },
    { "no-upload", NULL, CMD_BUILDS, 0 },
    { "wheel-dir", "DIR", CMD_BUILDS, 'w' },
    { "rebuild", NULL, CMD_WHEEL, 0 },
    { "network", NULL, CMD_WHEEL, 0 },
    { "config-settings", "KEY=VALUE", CMD_WHEEL, 'C' },
    { "build-requires", "REQUIREMENT", CMD_WHEEL, 0 },
    { "env", "NAME[=VALUE]", CMD_WHEEL, 0 },
    { "include", "PATTERN", CMD_BUILDS, 0 },
    { "exclude", "PATTERN", CMD_BUILDS, 0 },
    { "index-url", "URL", CMD_BUILDS, 'i' },
    { "extra-index-url", "URL", CMD_BUILDS, 0 },
    { "find-links", "DIR", CMD_BUILDS, 'f' },
    { "no-index", NULL, CMD_BUILDS, 0 },
    { "refresh", NULL, CMD_BUILDS, 0 },
    { "timeout", "S", CMD_BUILDS, 0 },
    { "memory-mb", "N", CMD_BUILDS, 0 },
    { "pids", "N", CMD_BUILDS, 0 },
    { "disk-mb", "N", CMD_BUILDS, 0 },
    { "jobs", "N", CMD_BUILDS, 'j' },
    { "weaken", "LAYER", CMD_BUILDS | CMD_DOCTOR, 0 },
    { "expose", "PATH", CMD_BUILDS | CMD_DOCTOR, 0 },
    { "sandbox-helper", "PATH", CMD_BUILDS | CMD_DOCTOR, 0 },
    { "follow", NULL, CMD_LOGS, 0 },
    { "all", NULL, CMD_JOBS, 'a' },
    { "older-than", "DAYS", CMD_CACHE, 0 },
    { "json", NULL, CMD_ALL & ~(unsigned)CMD_HELP & ~(unsigned)CMD_LOGS, 0 },
    { "verbose", NULL, CMD_BUILDS, 'v' },
    { "quiet", NULL, CMD_BUILDS, 'q' },
    { .name = NULL },
};
/* clang-format on */

const char *cli_text(const struct cli *cli, const char *name)
{
    return ps_config_text(cli->config, name);
}

bool cli_flag(const struct cli *cli, const char *name)
{
    return ps_config_bool(cli->config, name);
}

const char *const *cli_list(const struct cli *cli, const char *name)
{
    return ps_config_list(cli->config, name);
}
