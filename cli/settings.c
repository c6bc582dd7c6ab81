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
      "build even what is there already" },
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
      "resolve build requirements anew" },
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
    { "python", 'p', "PYTHON", CMD_WHEEL | CMD_DOCTOR },
    { "store", 's', "URL", CMD_BUILDS | CMD_DOCTOR },
    { "endpoint-url", 0, "URL", CMD_BUILDS | CMD_DOCTOR },
    { "region", 0, "NAME", CMD_BUILDS | CMD_DOCTOR },
    { "profile", 0, "NAME", CMD_BUILDS | CMD_DOCTOR },
    { "virtual-host", 0, NULL, CMD_BUILDS | CMD_DOCTOR },
    { "no-upload", 0, NULL, CMD_BUILDS },
    { "wheel-dir", 'w', "DIR", CMD_BUILDS },
    { "rebuild", 0, NULL, CMD_WHEEL },
    { "network", 0, NULL, CMD_WHEEL },
    { "config-settings", 'C', "KEY=VALUE", CMD_WHEEL },
    { "build-requires", 0, "REQUIREMENT", CMD_WHEEL },
    { "env", 0, "NAME[=VALUE]", CMD_WHEEL },
    { "include", 0, "PATTERN", CMD_BUILDS },
    { "exclude", 0, "PATTERN", CMD_BUILDS },
    { "index-url", 'i', "URL", CMD_BUILDS },
    { "extra-index-url", 0, "URL", CMD_BUILDS },
    { "find-links", 'f', "DIR", CMD_BUILDS },
    { "no-index", 0, NULL, CMD_BUILDS },
    { "refresh", 0, NULL, CMD_BUILDS },
    { "timeout", 0, "S", CMD_BUILDS },
    { "memory-mb", 0, "N", CMD_BUILDS },
    { "pids", 0, "N", CMD_BUILDS },
    { "disk-mb", 0, "N", CMD_BUILDS },
    { "jobs", 'j', "N", CMD_BUILDS },
    { "weaken", 0, "LAYER", CMD_BUILDS | CMD_DOCTOR },
    { "expose", 0, "PATH", CMD_BUILDS | CMD_DOCTOR },
    { "sandbox-helper", 0, "PATH", CMD_BUILDS | CMD_DOCTOR },
    { "follow", 0, NULL, CMD_LOGS },
    { "all", 'a', NULL, CMD_JOBS },
    { "older-than", 0, "DAYS", CMD_CACHE },
    { "json", 0, NULL, CMD_ALL & ~(unsigned)CMD_HELP & ~(unsigned)CMD_LOGS },
    { "verbose", 'v', NULL, CMD_BUILDS },
    { "quiet", 'q', NULL, CMD_BUILDS },
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
